//! What was found when a folder was opened.

use plimsoll::Bytes;

/// What was found, and what was done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments that hold something.
    pub segments: u64,
    /// Of them, those without a footer, which were read whole: what a process leaves that was killed.
    pub scanned: u64,
    /// Records that can be read.
    pub records: u64,
    /// What was written of records that never became whole.
    pub torn: Bytes,
    /// Segments of which neither beginning nor end could be read; they were removed.
    pub damaged_segments: u64,
    /// Files that have a segment's name and are none, as far as can be told. They stay, and what they take is charged.
    pub strange_files: u64,
    /// What those take.
    pub strange: Bytes,
    /// Records that were there twice, because a compaction was cut short.
    pub twice: u64,
    /// Records that had to go because there is less room now, and what they took.
    pub trimmed: u64,
    /// What came free by that.
    pub trimmed_bytes: Bytes,
    /// Whether what was written today could not be read, and is taken to be all that may be.
    pub wear_unknown: bool,
    /// How reads go: `io_uring` or `pread`.
    pub reads: String,
}
