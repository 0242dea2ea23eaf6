//! How far it has come, and what came of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files that are named of those that were left out.
pub(super) const NAMED: usize = 1000;

/// How far it has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'p> {
    /// The file that is being read.
    pub path: &'p Path,
    /// Files so far, and all of them.
    pub files: (u64, u64),
    /// Bytes so far, and all of them.
    pub bytes: (u64, u64),
    /// Passages so far.
    pub passages: u64,
    /// It stands still, since other programs need the memory.
    pub paused: bool,
}

/// A file that was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Documents that are whole now and were not before.
    pub documents: u64,
    /// Files that are as they were when they were taken in.
    pub unchanged: u64,
    /// Files that say what another document says.
    pub duplicates: u64,
    /// Files that were left out, and the first of them.
    pub left: u64,
    /// The first of them, with the reason.
    pub left_out: Vec<LeftOut>,
    /// Bytes that were read.
    pub bytes: u64,
    /// Passages that were made.
    pub passages: u64,
    /// Bytes that were no text and were replaced.
    pub replaced: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// How long it took.
    pub took: Duration,
    /// How long of that it stood still for the sake of other programs.
    pub paused: Duration,
    /// It was told to stop; what was read counts, and the next time goes on there.
    pub stopped: bool,
}

impl IngestReport {
    pub(super) fn leave(&mut self, path: &Path, why: String) {
        self.left += 1;
        if self.left_out.len() < NAMED {
            self.left_out.push(LeftOut { path: path.to_owned(), why });
        }
    }
}
