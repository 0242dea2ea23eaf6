//! Documents to passages, and passages found again: streamed, resumable, inside one budget.
//!
//! * `source`: what is to be read, file by file.
//! * `passage`: a file's text, cut where a reader would cut it.

mod error;
pub mod passage;
pub mod source;
mod text;

pub use error::DocsError;
pub use text::{Flaws, Skipped, TextError};
