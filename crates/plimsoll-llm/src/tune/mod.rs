//! Fine-tuning: a frozen model on tensors, changes of low rank that are learned, and steps whose memory is known.

mod changes;
mod conveyor;
mod data;
mod error;
mod file;
mod fit;
mod frozen;
mod homes;
mod keep;
mod llama;
mod matrices;
mod settings;
mod team;
mod tuner;

pub use changes::{Change, Changes, Projection};
pub use data::Corpus;
pub use error::TuneError;
pub use fit::{Fit, Keeping, homes_below};
pub use frozen::Frozen;
pub use homes::{Homes, Stages};
pub use keep::Keep;
pub(crate) use keep::from_peft;
pub use llama::Llama;
pub use settings::TuneSettings;
pub use team::Team;
pub use tuner::{Batch, StepReport, Tuner};
