//! A recording in numbers.

use std::fmt;

use crate::Place;
use crate::record::{Facts, Kind};

/// The most there ever was of something, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// How many bytes.
    pub bytes: u64,
    /// When it was first so many.
    pub at_ns: u64,
    /// After how many events.
    pub after: u64,
}

impl Moment {
    pub(crate) fn see(&mut self, bytes: u64, at_ns: u64, after: u64) -> bool {
        let more = bytes > self.bytes;
        if more {
            *self = Self { bytes, at_ns, after };
        }
        more
    }
}

/// What of a recording did not add up: events that were lost leave such traces. All of these are survived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Events that happened and are not in the recording, as it says itself.
    pub dropped: u64,
    /// Ends of leases that are not known.
    pub unknown_ends: u64,
    /// Leases whose end is missing: their address was leased again.
    pub replaced: u64,
    /// Leases whose end is missing: their memory went back to the device.
    pub given_back_in_use: u64,
    /// Events of sources that have no name.
    pub unknown_sources: u64,
    /// More was discharged than had been charged.
    pub discharged_unknown: u64,
    /// Scopes that ended and had not begun.
    pub unknown_scopes: u64,
}

impl Oddities {
    /// Whether everything added up.
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }
}

/// One place in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceSummary {
    /// Which place.
    pub place: Place,
    /// Its line when the recording began.
    pub line: Option<u64>,
    /// The most bytes leased at once, as asked.
    pub requested: Moment,
    /// The same as placed.
    pub placed: Moment,
    /// The most that pools had from their devices, as far as the recording tells; `None` where it tells nothing.
    pub backed: Option<Moment>,
    /// The most that was charged; `None` where the recording tells nothing.
    pub charged: Option<Moment>,
    /// The most leases at once.
    pub blocks: u64,
    /// Bytes that were leased already when it began, as placed.
    pub before: u64,
    /// Leases that the recording has.
    pub leases: u64,
    /// Their bytes as asked, added up.
    pub leased_bytes: u64,
    /// Bytes still leased at the end.
    pub end_live: u64,
    /// Leases that had not ended.
    pub end_blocks: u64,
}

/// A recording in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// What the recording says of itself.
    pub facts: Facts,
    /// When its last event was.
    pub last_ns: u64,
    /// Events of each kind, in the order of [`Kind::ALL`].
    pub counts: [u64; Kind::ALL.len()],
    /// Place by place.
    pub places: Vec<PlaceSummary>,
    /// What did not add up.
    pub odd: Oddities,
}

impl Summary {
    /// How many events of a kind there are.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(kind as usize - 1).copied().unwrap_or(0)
    }

    /// How long it took: what the facts say, or up to the last event if that was later.
    pub fn duration_ns(&self) -> u64 {
        self.facts.duration_ns.max(self.last_ns)
    }
}

impl fmt::Display for Oddities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.dropped, "events had no room and are missing"),
            (self.unknown_ends, "ends of leases that are not known"),
            (self.replaced, "leases whose end is missing (leased again)"),
            (self.given_back_in_use, "leases whose end is missing (memory given back)"),
            (self.unknown_sources, "events of sources without a name"),
            (self.discharged_unknown, "discharges of more than was charged"),
            (self.unknown_scopes, "ends of scopes that had not begun"),
        ];
        let mut first = true;
        for (count, what) in all.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{}{count} {what}", if first { "" } else { ", " })?;
            first = false;
        }
        Ok(())
    }
}
