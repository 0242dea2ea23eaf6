//! What a plan can carry, and in what ways each of it can be run.

mod language;
mod language_parts;
mod language_spec;
mod language_words;
mod training;
mod weights;
#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod workload;

pub use language::LanguageModel;
pub use language_spec::{LanguageError, Usual, tokens};
pub use training::TrainingChoices;
pub use workload::{DocumentChoices, ImageChoices, IndexChoices, Sort, Workload, WorkloadError};
