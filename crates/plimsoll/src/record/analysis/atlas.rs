//! Which places there are, and which of them each source is at.

use crate::Place;
use crate::record::{Facts, Names};

/// The places of a recording in their order, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atlas {
    places: Vec<Place>,
    of_source: Vec<usize>,
}

impl Atlas {
    /// The places that a recording's sources, lines and predictions speak of.
    pub fn new(facts: &Facts, names: &Names) -> Self {
        let sources = names.sources.iter().map(|source| source.place);
        let lines = facts.lines.iter().map(|line| line.place);
        let predictions = facts.predictions.iter().map(|prediction| prediction.place);
        let mut places: Vec<Place> = sources.chain(lines).chain(predictions).collect();
        places.sort_unstable();
        places.dedup();
        let number = |place: &Place| places.binary_search(place).unwrap_or_default();
        let of_source = names.sources.iter().map(|source| number(&source.place)).collect();
        Self { places, of_source }
    }

    /// All places.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The number of the place where a source is; `None` for a source without a name.
    pub fn of_source(&self, source: u16) -> Option<usize> {
        self.of_source.get(usize::from(source)).copied()
    }

    /// The number of a place.
    pub fn number(&self, place: Place) -> Option<usize> {
        self.places.binary_search(&place).ok()
    }
}
