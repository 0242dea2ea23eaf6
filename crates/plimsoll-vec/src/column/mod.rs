//! Files of equal units: what a segment is made of.
//!
//! A column is written once, from front to back, and never changed. It begins with a page that says what it is, and ends
//! with a checksum for each of its units, so that no byte is believed that was not written.
//!
//! ```text
//! page of 4,096 bytes   magic, version, what it holds, unit, units, rows, checksum of all this
//! units                 blocks of codes, rows of originals, ids
//! sums                  eight bytes a unit (columns whose units do not carry their own)
//! ```

mod error;
mod header;
mod ranges;
mod reader;
mod writer;

pub use error::ColumnError;
pub use header::{Header, Holds, PAGE_BYTES};
pub use ranges::Ranges;
pub use reader::{Column, Units};
pub use writer::ColumnWriter;
