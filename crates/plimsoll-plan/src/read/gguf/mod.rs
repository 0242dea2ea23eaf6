//! GGUF: a header of keys and tensors, then the tensors' bytes, all of them aligned.
//!
//! Versions 2 and 3 are read, in either order of bytes, and models in several parts. Of a vocabulary only the number of
//! its tokens is kept.
//!
//! [`read`] tells what a plan needs. [`Contents`] is for who computes with the file: where each tensor's bytes lie, and the
//! metadata by key. [`Vocabulary`] is what all others leave out: the words of the tokenizer,
//! and [`templates`] how its conversations are written.

mod contents;
mod header;
mod metadata;
mod parts;
mod read;
mod templates;
mod tensors;
mod vocabulary;

pub use contents::{Contents, Placed};
pub(super) use parts::open;
pub use read::read;
pub(super) use read::{Reading, model};
pub use templates::templates;
pub(super) use tensors::distinct;
pub use vocabulary::Vocabulary;
