//! A part: passages that were written together, and the words in them. Written once.
//!
//! ```text
//! head      what it is
//! blocks    passages, about 64 KiB at a time, packed (LZ4), each with a checksum
//! lists     for each term the passages that have it
//! terms     a dictionary of them, in blocks
//! footer    where all that is, how long each passage is, whose passages they are
//! trailer   where the footer is, and its checksum: written last, so a part that was not finished is none
//! ```

mod block;
mod error;
mod footer;
mod lists;
mod merge;
mod reader;
mod record;
mod writer;

pub(crate) use block::Block;
pub use error::PartError;
pub(crate) use footer::Run;
pub(crate) use merge::merge;
pub(crate) use reader::Part;
pub(crate) use record::{Record, Stands};
pub(crate) use writer::{PartFacts, PartWriter};
