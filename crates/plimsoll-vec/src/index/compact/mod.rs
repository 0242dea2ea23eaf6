//! Compaction: what lives of several segments becomes one, and what is dead gives its room back.
//!
//! Rows are copied as they are, code, vector and id, so that every search answers as before. Segments whose rows lie by
//! lists become one by lists; those outside of lists become one outside.

#[expect(clippy::module_inception, reason = "the compaction itself, among its parts")]
mod compact;
mod cursor;
mod group;
mod moves;
mod order;
mod sink;
mod way;

pub use compact::{CompactReport, Compaction};
