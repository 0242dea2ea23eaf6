//! Segments: rows that are written once, searched, and never changed.
//!
//! A segment is up to six columns that share a number: codes, for `planes` the lower planes, originals (where they are kept),
//! for ids that are not one after the other the id of each row and the rows in the order of ids, and, where rows lie by
//! lists, the row at which each list begins. Which of its rows are dead is not part of it.

mod ids;
mod original;
#[expect(clippy::module_inception, reason = "the segment itself, among its parts")]
mod segment;
mod starts;
mod writer;

pub use ids::Ids;
pub use original::Originals;
pub use segment::Segment;
pub(crate) use segment::header;
pub use starts::Starts;
pub use writer::{SegmentWriter, WrittenIds};

use std::path::{Path, PathBuf};

use crate::column::Holds;

/// The most rows of a segment: a row's number stands in four bytes.
pub const ROWS_MAX: u64 = u32::MAX as u64;

/// The file of a segment that holds this.
pub(crate) fn path(folder: &Path, number: u64, holds: Holds) -> PathBuf {
    let end = match holds {
        Holds::Codes => "codes",
        Holds::Originals => "originals",
        Holds::Ids => "ids",
        Holds::Lookup => "lookup",
        Holds::Lower => "lower",
        Holds::Lists => "lists",
        Holds::Centroids => "centroids",
        Holds::Books => "books",
        Holds::Reduction => "reduction",
    };
    numbered(folder, number, end)
}

/// A file of an index: its number, and what kind it is.
pub(crate) fn numbered(folder: &Path, number: u64, end: &str) -> PathBuf {
    folder.join(format!("{number:010}.{end}"))
}
