//! What percentages are taken of.

use std::collections::BTreeMap;

use crate::machine::Machine;
use crate::{Bytes, Place};

/// How much of each place may be used at most. A place that is not listed is not known, and a percentage of it
/// is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacities(BTreeMap<Place, Bytes>);

impl Capacities {
    /// Nothing is known; only sizes can be read.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// The same with one more place. A device's driver knows its memory; the operating system does not.
    #[must_use]
    pub fn with(mut self, place: Place, usable: Bytes) -> Self {
        self.0.insert(place, usable);
        self
    }

    /// What may be used of a place.
    pub fn of(&self, place: Place) -> Option<Bytes> {
        self.0.get(&place).copied()
    }
}

impl From<&Machine> for Capacities {
    fn from(machine: &Machine) -> Self {
        let places = machine.places().into_iter();
        Self(places.map(|facts| (facts.place, facts.usable)).collect())
    }
}
