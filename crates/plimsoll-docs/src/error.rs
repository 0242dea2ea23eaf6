//! What can go wrong between a path and what is found in it.

use std::path::{Path, PathBuf};

use plimsoll::holding::streaming::StreamError;

use crate::text::TextError;

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
    /// A document gives no text.
    #[error("cannot read {path}: {source}")]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TextError,
    },
}

impl DocsError {
    pub(crate) fn text(path: &Path, error: TextError) -> Self {
        let path = path.to_owned();
        match error {
            TextError::Stream(source) => Self::Stream { path, source },
            source => Self::Text { path, source },
        }
    }
}
