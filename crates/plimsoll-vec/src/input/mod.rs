//! Vectors from files: `.npy`, `.fvecs`, `.bvecs` and lines of JSON, streamed.

mod element;
mod error;
mod format;
#[expect(clippy::module_inception, reason = "the input itself, among its parts")]
mod input;
mod lines;
mod npy;

pub use element::Element;
pub use error::InputError;
pub use format::Format;
pub use input::{Input, InputFacts};
pub use npy::npy_head;
