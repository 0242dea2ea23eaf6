//! Why a recording could not be exported.

use crate::record::RecordingError;

/// Why a recording could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The target does not take more.
    #[error("the export could not be written: {0}")]
    Write(#[from] std::io::Error),
    /// Nothing in it is what was asked for.
    #[error("the recording has nothing {wanted}; it has {there}")]
    Nothing {
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: String,
    },
}
