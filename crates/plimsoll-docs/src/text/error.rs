//! Why a document gives no text.

use plimsoll::governor::Refusal;
use plimsoll::holding::streaming::StreamError;
use plimsoll::{Bytes, EngineError};

use crate::passage::ChunkingError;

/// What is wrong with a document, or with what it may take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The account has no place of its own to hold text at.
    #[error(transparent)]
    Account(#[from] EngineError),
    /// Passages of a length that is not allowed.
    #[error(transparent)]
    Chunking(#[from] ChunkingError),
    /// Its file could not be read.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The account or the line does not carry what reading takes.
    #[error("reading takes {bytes} more: {refusal}")]
    NoRoom {
        /// How much more was asked.
        bytes: Bytes,
        /// Why it was refused.
        refusal: Refusal,
    },
    /// A place to go on from that is not in the document.
    #[error(
        "reading was to go on at byte {at}, but there are only {bytes}: the document has changed; read it anew"
    )]
    Position {
        /// Where.
        at: u64,
        /// The length of the document.
        bytes: u64,
    },
}
