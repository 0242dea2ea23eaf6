//! Documents on their way into an index: read in chunks, split, embedded.

#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod document;
mod encoder;

pub use document::{Chunking, Document};
pub use encoder::Encoder;
