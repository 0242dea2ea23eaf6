//! Why vectors cannot be read.

use std::io;

use plimsoll::holding::streaming::StreamError;

/// What is wrong with a file of vectors. Every message says where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The system could not read it.
    #[error("{name} could not be read: {source}")]
    Read {
        /// Which file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Streaming it ended early.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A name that says nothing known.
    #[error(
        "{name} is of no kind that is known here: give a file that ends in .npy, .fvecs, .bvecs, .jsonl or .ndjson"
    )]
    Unknown {
        /// Which file.
        name: String,
    },
    /// Its beginning is not what its name promises.
    #[error("{name} is no array of vectors: {why}")]
    Head {
        /// Which file.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// It is shorter or longer than its beginning says.
    #[error(
        "{name} is cut: it says {rows} vectors of {row_bytes} bytes and holds {found} bytes of them; write it again"
    )]
    Length {
        /// Which file.
        name: String,
        /// How many vectors it says it has.
        rows: u64,
        /// What each takes.
        row_bytes: u64,
        /// What is there.
        found: u64,
    },
    /// One vector is not as long as the others.
    #[error("vector {row} of {name} has {found} numbers, and the first has {expected}")]
    Dimension {
        /// Which file.
        name: String,
        /// Which vector, from 0 on.
        row: u64,
        /// How many it has.
        found: u64,
        /// How many it should have.
        expected: u64,
    },
    /// A line that is no vector.
    #[error(
        "line {line} of {name} is no vector: {why}; a line is [0.1, …] or {{\"id\": 7, \"vector\": [0.1, …]}}"
    )]
    Line {
        /// Which file.
        name: String,
        /// Which line, from 1 on.
        line: u64,
        /// What is wrong.
        why: String,
    },
}
