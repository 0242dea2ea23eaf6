//! What can be wrong with a trace or its replay.

use std::path::PathBuf;

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file cannot be opened.
    #[error("{} cannot be opened: {source}; check the path", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Reading failed part way: a truncated or damaged .gz most of all.
    #[error("reading stopped after line {line}: {source}; the file is truncated or damaged, copy it again")]
    Read {
        /// The last line that was read whole.
        line: u64,
        /// What went wrong.
        source: std::io::Error,
    },
    /// Nothing in it, not even a header.
    #[error("the trace is empty; it needs the header {}", super::trace::HEADER)]
    Empty,
    /// The first line is not the header.
    #[error("line 1 is {found:?} where the header {} is needed", super::trace::HEADER)]
    Header {
        /// What is there.
        found: String,
    },
    /// A line with too few or too many fields.
    #[error("line {line} has {found} fields where 6 are needed ({})", super::trace::HEADER)]
    Fields {
        /// Which line, from 1.
        line: u64,
        /// How many fields it has.
        found: usize,
    },
    /// An action that is not known.
    #[error(
        "line {line} has the action {found:?}; known are alloc, free_requested, free_completed, segment_alloc, \
         segment_free, segment_map and segment_unmap"
    )]
    UnknownAction {
        /// Which line, from 1.
        line: u64,
        /// The action.
        found: String,
    },
    /// A field that is not the number it should be.
    #[error("line {line}: {field} is {found:?}; it must be {must}")]
    Number {
        /// Which line, from 1.
        line: u64,
        /// Which field.
        field: &'static str,
        /// What is there.
        found: String,
        /// What is needed.
        must: &'static str,
    },
    /// The live bytes, or the segments, add up to more than can be written.
    #[error("line {line}: the sizes up to here add up to more than 2^64 bytes; the recording is damaged")]
    Overflow {
        /// Which line, from 1.
        line: u64,
    },
    /// More blocks are live at once than can be numbered.
    #[error("line {line}: more than 2^32 - 1 blocks are live at once; replay a part of the trace")]
    TooManyBlocks {
        /// Which line, from 1.
        line: u64,
    },
}

/// Why a replay ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {event}: {bytes} bytes could not be placed with {reserved} reserved ({why})")]
pub struct ReplayError {
    /// Which event, from 0; filled in by [`replay`](super::replay).
    pub event: usize,
    /// What was asked.
    pub bytes: u64,
    /// What was reserved at that moment.
    pub reserved: u64,
    /// The pool's own words.
    pub why: String,
}

impl ReplayError {
    /// A refusal of so many bytes, with the pool's own words.
    pub fn refused(bytes: u64, reserved: u64, why: impl Into<String>) -> Self {
        Self { event: 0, bytes, reserved, why: why.into() }
    }
}

/// A replay that was to be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The replay.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The recording.
    #[error(transparent)]
    Recording(#[from] crate::record::RecordingError),
}
