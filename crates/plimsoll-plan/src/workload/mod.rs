//! What a plan can carry, and in what ways each of it can be run.

mod language;
mod language_spec;
mod weights;

pub use language::LanguageModel;
pub use language_spec::{LanguageError, Usual};
