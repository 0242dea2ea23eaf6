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
        "{name} is of no kind that is known here: give a file that ends in .npy, .fvecs, .bvecs, .jsonl, .ndjson, .parquet, \
         .arrow or .feather"
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
    /// A table, in a program that knows none.
    #[error(
        "{name} is a table, and this program was built without Parquet and Arrow; build it with \
         `cargo build --release -p plimsoll-cli --features arrow`, or give a .npy file"
    )]
    NoTables {
        /// Which file.
        name: String,
    },
    /// Columns were named of what has none.
    #[error(
        "{name} has no columns to choose from; leave the names of columns out, or give a .parquet, .arrow or .feather file"
    )]
    NoColumns {
        /// Which file.
        name: String,
    },
    /// Not the columns that are looked for.
    #[error("{name} {why}; its columns are {columns}; name one of them with --vector-column or --id-column")]
    Columns {
        /// Which file.
        name: String,
        /// What is missing.
        why: String,
        /// What there is, with types.
        columns: String,
    },
    /// A table that cannot be decoded.
    #[error("{name} cannot be read as a table of vectors: {why}; write it again, or give another file")]
    Table {
        /// Which file.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A row that lacks something.
    #[error("row {row} of {name} has {what}; leave such rows out when writing the file")]
    Entry {
        /// Which file.
        name: String,
        /// Which row, from 0 on.
        row: u64,
        /// What it has in the place of what it should.
        what: &'static str,
    },
}

impl InputError {
    /// What ended a stream: what a table said is told as it was said.
    pub(super) fn of_stream(error: StreamError) -> Self {
        match error {
            StreamError::Read { name, offset, source } => match source.downcast::<Self>() {
                Ok(said) => said,
                Err(source) => StreamError::Read { name, offset, source }.into(),
            },
            error => error.into(),
        }
    }
}
