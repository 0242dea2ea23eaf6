//! The search in lists.

use super::forecast::{self, Probed};
use super::pass::Pass;
use super::target::Targets;
use crate::index::answer::Measured;
use crate::index::forecast::{Forecast, Question, Stock};
use crate::index::search::{Run, Search};
use crate::index::view::View;
use crate::index::{Index, VecError};
use crate::scan::Queries;
use crate::top::Tops;

impl View {
    /// How many lists a search looks into; none where it looks at everything.
    pub(in crate::index) fn probed(&self, search: &Search) -> Result<Option<Probed>, VecError> {
        let Some(division) = &self.division else {
            // What cannot be is said before there are lists too.
            search.probe.of(1, &[]).map(drop).or_else(|error| match error {
                VecError::Recall { .. } => Err(error),
                _ => Ok(()),
            })?;
            return Ok(None);
        };
        let of = division.count();
        let (lists, found) = search.probe.of(of, division.expected())?;
        Ok((lists < of).then_some(Probed { lists, of, found }))
    }
}

impl Index {
    /// What a search in lists will take.
    pub(in crate::index) fn forecast_lists(
        &self,
        view: &View,
        question: &Question,
        stock: &Stock,
        probed: Probed,
    ) -> Result<Forecast, VecError> {
        // What the other way of searching keeps makes room for this.
        let stock = Stock { kept_bytes: self.shelf().bytes(), ..*stock };
        forecast::forecast(question, &view.shape, &stock, probed)
    }
}

impl Run<'_> {
    /// The best of each query, of the rows in its lists.
    pub(in crate::index) fn lists(
        &self,
        (vectors, queries): (&[f32], &Queries),
        probed: Probed,
        forecast: &Forecast,
        measured: &mut Measured,
    ) -> Result<Tops, VecError> {
        let Some(division) = &self.view.division else { return Ok(Tops::new(queries, self.listed)?) };
        let targets = Targets::new(self, division, (vectors, queries), probed.lists)?;
        let (found, read) = Pass::new(self, queries, &targets, forecast)?.run()?;
        measured.read += read;
        Ok(found)
    }
}
