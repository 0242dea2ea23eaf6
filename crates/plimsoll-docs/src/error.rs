//! What can go wrong between a path and what is found in it.

use std::io;
use std::path::{Path, PathBuf};

use plimsoll::governor::Refusal;
use plimsoll::holding::streaming::StreamError;
use plimsoll_vec::index::VecError;

use crate::library::EmbedFault;
use crate::part::PartError;
use crate::room::Short;
use crate::text::TextError;

/// A document that could not be read, or a library that could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocsError {
    /// The file could not be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The stream over a file failed.
    #[error("cannot read {}: {source}", path.display())]
    Stream {
        /// The file.
        path: PathBuf,
        /// What the stream said.
        source: StreamError,
    },
    /// A document gives no text.
    #[error("cannot read {}: {source}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TextError,
    },
    /// The library's folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no library.
    #[error("there is no library in {0}; `plimsoll docs ingest PATH --into {0}` makes one", folder.display())]
    NoLibrary {
        /// Where.
        folder: PathBuf,
    },
    /// There is something else.
    #[error("{} is not empty and no library; choose another folder", folder.display())]
    NotEmpty {
        /// Where.
        folder: PathBuf,
    },
    /// Somebody else writes it.
    #[error("{} is being written by another process; wait for it, or stop it", folder.display())]
    InUse {
        /// Where.
        folder: PathBuf,
    },
    /// It was opened to be read.
    #[error("the library was opened to be read only")]
    ReadOnly,
    /// A file of the library is not as it was written.
    #[error("{} is damaged ({what}); bring the folder back from a copy, or ingest anew into another", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A newer program wrote it.
    #[error("the library in {} was written by a newer program (version {version}); use that one", folder.display())]
    Newer {
        /// Where.
        folder: PathBuf,
        /// What it says.
        version: u32,
    },
    /// A part of it.
    #[error(transparent)]
    Part(#[from] PartError),
    /// There is no room.
    #[error("no memory for it: {0}")]
    Memory(#[from] Box<Refusal>),
    /// The budget is too small for anything.
    #[error("{memory} is too little to read documents in; at least {least} is needed")]
    Small {
        /// What was given.
        memory: plimsoll::Bytes,
        /// What is needed.
        least: plimsoll::Bytes,
    },
    /// Lines and accounts.
    #[error(transparent)]
    Engine(#[from] plimsoll::EngineError),
    /// Vectors could not be kept or searched.
    #[error("the library's vectors: {0}")]
    Vectors(#[from] VecError),
    /// The library's vectors are another model's.
    #[error("the library's vectors were made by {found}, not by {asked}; use that model, or another folder")]
    OtherModel {
        /// Who made them.
        found: String,
        /// Who was given.
        asked: String,
    },
    /// A passage has no vector.
    #[error("a vector could not be made: {0}")]
    Embed(#[from] EmbedFault),
    /// A fault of the program.
    #[error("a thread ended by a fault; what counted before still does")]
    Thread,
    /// A question without a word in it.
    #[error("there is no word in the question")]
    NoWords,
    /// Vectors are asked for where there are none.
    #[error("the library has no vectors; search by words, or ingest with a model")]
    NoVectors,
}

impl DocsError {
    pub(crate) fn text(path: &Path, error: TextError) -> Self {
        let path = path.to_owned();
        match error {
            TextError::Stream(source) => Self::Stream { path, source },
            source => Self::Text { path, source },
        }
    }

    /// Whether a file that should be there is not.
    pub(crate) fn is_gone(&self) -> bool {
        let (Self::Folder { source, .. } | Self::Part(PartError::File { source, .. })) = self else {
            return false;
        };
        source.kind() == io::ErrorKind::NotFound
    }

    /// Whether it is about one document, and others can go on.
    pub(crate) const fn is_of_a_document(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Stream { .. } | Self::Text { .. })
    }
}

impl From<Refusal> for DocsError {
    fn from(refusal: Refusal) -> Self {
        Self::Memory(Box::new(refusal))
    }
}

impl From<Short> for DocsError {
    fn from(short: Short) -> Self {
        short.refusal.into()
    }
}
