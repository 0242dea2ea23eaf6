//! Passages: a document's text, cut where a reader would cut it.
//!
//! * [`Passages`]: reads a document passage by passage, from the beginning or from a [`Position`].
//! * [`Chunking`]: how long a passage may be.
//! * `cut`, `sentence`: where it may end; pure.

mod bounds;
mod chunking;
mod cut;
mod passages;
mod place;
mod position;
mod sentence;

pub use chunking::{Chunking, ChunkingError};
pub use passages::{Passage, Passages};
pub use position::Position;

#[cfg(test)]
mod tests;
