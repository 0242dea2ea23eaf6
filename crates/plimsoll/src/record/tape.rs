//! Who writes for one account at one place.

use std::sync::Arc;

use super::packed::Leased;
use super::{Event, Kind, Line, Recorder};

/// A recorder, and the number of a source in it: what a pool and a charge write with.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) source: u16,
}

impl Tape {
    /// What is always written.
    pub(crate) fn note(&self, kind: Kind, bytes: u64, address: u64) {
        self.recorder.note(Event { bytes, address, source: self.source, ..Event::new(kind) });
    }

    /// What is written while somebody records.
    #[inline]
    pub(crate) fn note_lease(&self, leased: Leased, line: Option<Line>) {
        self.recorder.note_lease(leased.pack(), line);
    }
}
