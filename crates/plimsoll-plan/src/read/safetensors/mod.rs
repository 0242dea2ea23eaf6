//! safetensors: a length, a header of JSON, then the tensors' bytes; alone, or several files with an index.
//!
//! The shape of the model stands in a `config.json` beside it. Headers are read as a stream: of a header of 100 MB no
//! more is held than the names and shapes that it lists.
//!
//! [`read`] tells what a plan needs. [`Contents`] is for who computes with the files: where each tensor's bytes lie.

mod contents;
mod files;
mod guard;
mod header;
mod index;
mod infer;

pub use contents::{Contents, Placed};
pub use files::read;
pub(super) use files::{open, open_index};
pub(super) use guard::json;
