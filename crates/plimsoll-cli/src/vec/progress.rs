//! How far a build has come: rate and time that is left, on standard error where that is a terminal.

use plimsoll_vec::index::{Built, Doing};
use plimsoll_vec::neural::Stage;

use crate::draw::Line;

/// Vectors, and what is done with them.
#[derive(Debug)]
pub(super) struct Progress(Line);

impl Progress {
    /// For so many vectors, if that is known.
    pub(super) fn new(vectors: Option<u64>) -> Self {
        let known =
            "{msg:8} {bar:24} {percent:>3}%  {human_pos} of {human_len} vectors  {per_sec}  {eta} left";
        let unknown = "{spinner} {human_pos} vectors  {per_sec}";
        Self(Line::new(vectors, if vectors.is_some() { known } else { unknown }))
    }

    /// So far it is.
    pub(super) fn at(&self, built: Built) {
        self.0.set_message(match built.doing {
            Doing::Learning => "learning",
            Doing::Dividing => "dividing",
            Doing::Coding => "coding",
            Doing::Compacting => "copying",
        });
        self.0.set_position(built.vectors);
    }
}

/// How far a codec has been learned, likewise.
#[derive(Debug)]
pub(super) struct Learning(Line);

impl Learning {
    /// Nothing is done yet.
    pub(super) fn new() -> Self {
        Self(Line::new(None, "{spinner} {elapsed}  {msg}"))
    }

    /// So far it is.
    pub(super) fn at(&self, stage: Stage) {
        self.0.set_message(match stage {
            Stage::Reading(seen, Some(of)) => format!("read {seen} of {of} vectors"),
            Stage::Reading(seen, None) => format!("read {seen} vectors"),
            Stage::Components(round) => format!("components, round {}", round + 1),
            Stage::Epoch(epoch, of, snr) => format!("epoch {epoch} of {of}, {snr:.2} dB"),
            Stage::Comparing(done) => format!("compared {done} codecs"),
        });
        self.0.tick();
    }
}
