//! A library: a folder of passages, and the search in it.
//!
//! ```text
//! manifest.json          which parts there are, and how far the log of documents counts; replaced as a whole
//! 0000000004.part        passages and their words: written once
//! 0000000001.documents   documents as they came and went, a line each
//! vectors/               an index of the passages' vectors, where there are any
//! lock                   held by the one who writes
//! ```

mod documents;
mod facts;
mod folder;
#[expect(clippy::module_inception, reason = "the library itself, among its parts")]
mod library;
mod lock;
mod manifest;
mod publish;
mod search;
mod shrink;
mod vectors;

pub use documents::{Document, State};
pub use facts::LibraryFacts;
pub use library::Library;
pub(crate) use publish::Changes;
pub use search::{Match, Mode, Query};
pub use vectors::{Embed, EmbedFault, Embedded};
