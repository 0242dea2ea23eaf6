//! Documents to passages, and passages found again: streamed, resumable, inside one budget.
//!
//! * [`source`]: what is to be read, file by file.
//! * [`passage`]: a file's text, cut where a reader would cut it; each passage knows where it stands.
//! * [`Library`]: a folder of passages; [`Library::ingest`] fills it, [`Library::search`] answers a [`Query`].
//! * [`pdf`]: what a program does that is to read PDFs.
//! * [`Embed`]: what makes vectors of passages; a model does, and this crate knows none.

mod bytes;
mod error;
mod ingest;
mod library;
mod part;
pub mod passage;
mod room;
pub mod source;
mod terms;
mod text;

pub use error::DocsError;
pub use ingest::{IngestReport, IngestSettings, LeftOut, Progress};
pub use library::{Document, Embed, EmbedFault, Embedded, Library, LibraryFacts, Match, Mode, Query, State};
pub use part::PartError;
pub use text::{Flaws, Skipped, TextError, pdf};
