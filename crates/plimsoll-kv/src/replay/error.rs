//! Why a trace cannot be read.

use std::io;

/// What is wrong with a trace, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// There is no such file, or it may not be read.
    #[error("it cannot be opened: {0}")]
    Open(#[source] io::Error),
    /// Reading broke off.
    #[error("line {line} cannot be read: {source}")]
    Read {
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: io::Error,
    },
    /// A line is not a JSON object with the fields of a request or of a session.
    #[error(
        "line {line} is neither a request {{timestamp, input_length, hash_ids}} nor a session {{session, block_tokens, requests}}: {source}"
    )]
    Line {
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A field's value makes no sense.
    #[error("line {line}: {what}")]
    Value {
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Requests with blocks of different sizes in one file.
    #[error("line {line} has blocks of {tokens} tokens, and those before it of {before}; split the file")]
    BlockTokens {
        /// Which line, from 1.
        line: usize,
        /// Its blocks.
        tokens: u32,
        /// Those of the lines before it.
        before: u32,
    },
    /// No request at all.
    #[error("it has no request")]
    Empty,
    /// More blocks than can be numbered.
    #[error("line {line}: more than {most} different blocks", most = u32::MAX - 1)]
    TooLong {
        /// Which line, from 1.
        line: usize,
    },
}
