//! Vectors from files: `.npy`, `.fvecs`, `.bvecs`, lines of JSON and, with the feature `arrow`, Parquet and Arrow; streamed.

mod element;
mod error;
mod format;
#[expect(clippy::module_inception, reason = "the input itself, among its parts")]
mod input;
mod lines;
mod npy;
mod origin;
#[cfg(feature = "arrow")]
mod table;

pub use element::Element;
pub use error::InputError;
pub use format::Format;
pub use input::{Input, InputFacts};
pub use npy::npy_head;
pub use origin::Origin;
