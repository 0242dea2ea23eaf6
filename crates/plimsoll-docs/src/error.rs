//! What can go wrong between a path and what is found in it.

use std::path::PathBuf;

use plimsoll::holding::StreamError;

/// A document that could not be read, or a folder of passages that could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocsError {
    /// The file could not be opened or read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The stream over a file failed.
    #[error("cannot read {path}: {source}")]
    Stream {
        /// The file.
        path: PathBuf,
        /// What the stream said.
        source: StreamError,
    },
}
