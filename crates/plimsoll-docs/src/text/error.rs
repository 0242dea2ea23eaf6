//! Why a document gives no text.

use std::io;

use plimsoll::governor::Refusal;
use plimsoll::holding::streaming::StreamError;
use plimsoll::{Bytes, EngineError};

use crate::passage::ChunkingError;
use crate::room::Short;

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
    /// A PDF that is larger than what there is room for.
    #[error("reading a PDF of {file} takes {bytes} in a process of its own: {refusal}")]
    PdfRoom {
        /// The length of its file.
        file: Bytes,
        /// How much more was asked.
        bytes: Bytes,
        /// Why it was refused.
        refusal: Refusal,
    },
    /// A PDF that unpacks to far more than it is.
    #[error(
        "reading it took more than {given}, and it is {file} long; if that is as it should be, have it written anew without packed \
         streams, with qpdf --stream-data=uncompress for example"
    )]
    PdfTooMuch {
        /// The length of its file.
        file: Bytes,
        /// What it was given at last.
        given: Bytes,
    },
    /// There is nobody to read PDFs.
    #[error(
        "this program reads no PDFs: it has to call plimsoll_docs::pdf::lend_program first in its main function"
    )]
    NoPdfProgram,
    /// The process that would read it did not begin.
    #[error(
        "the process that would read this PDF did not begin ({0}); allow this program to begin itself once more"
    )]
    PdfProgram(io::Error),
    /// A PDF that needs a password.
    #[error(
        "it is encrypted, and does not open without a password; decrypt it first, with qpdf --decrypt for example"
    )]
    Encrypted,
    /// A PDF without text.
    #[error(
        "there is no text on its {pages} pages, only pictures; have the text recognized first, with ocrmypdf for example"
    )]
    NoText {
        /// How many pages it has.
        pages: usize,
    },
    /// A PDF that is not as a PDF should be.
    #[error("it is damaged ({0}); open it in a viewer and save it anew, or repair it with qpdf")]
    Damaged(String),
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

impl From<Short> for TextError {
    fn from(Short { bytes, refusal }: Short) -> Self {
        Self::NoRoom { bytes, refusal }
    }
}
