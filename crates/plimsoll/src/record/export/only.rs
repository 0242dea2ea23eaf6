//! Which part of a recording is exported, and how much came out.

use super::ExportError;
use crate::Place;
use crate::record::{Names, Source};

/// Which part of a recording is exported; nothing named is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// This place.
    pub place: Option<Place>,
    /// This account, without those below it.
    pub account: Option<String>,
}

impl Only {
    /// Only what is at this place.
    pub const fn at(place: Place) -> Self {
        Self { place: Some(place), account: None }
    }

    fn takes(&self, source: &Source) -> bool {
        self.place.is_none_or(|place| source.place == place)
            && self.account.as_ref().is_none_or(|account| source.account == *account)
    }

    /// By source: whether it is exported. That nothing is, is a mistake of whoever asked.
    pub(super) fn sources(&self, names: &Names) -> Result<Vec<bool>, ExportError> {
        let taken: Vec<bool> = names.sources.iter().map(|source| self.takes(source)).collect();
        if *self == Self::default() || taken.contains(&true) {
            return Ok(taken);
        }
        let at = self.place.map(|place| format!("at {place}"));
        let of = self.account.as_ref().map(|account| format!("of account {account}"));
        let wanted: Vec<String> = of.into_iter().chain(at).collect();
        let there = names.sources.iter().map(|source| format!("{} at {}", source.account, source.place));
        let there: Vec<String> = there.collect();
        let there = if there.is_empty() { "no accounts at all".to_owned() } else { there.join(", ") };
        Err(ExportError::Nothing { wanted: wanted.join(" "), there })
    }
}

/// How much came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows, or entries.
    pub rows: u64,
    /// Bytes of output.
    pub bytes: u64,
}
