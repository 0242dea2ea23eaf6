//! `plimsoll generate`: a model writes on after a prompt.
//!
//! Everything that it takes is charged to one line: weights as a Resident holding, keys and values as pages of the tiered
//! cache, and what steps work with. Before it begins, what it needs is compared with the line.

mod args;
mod error;
mod ground;
mod memory;
mod model;
mod prompt;
mod report;
mod run;
mod voice;

pub use args::GenerateArgs;
pub use error::GenerateError;
pub use report::{GenerateReport, Parts, StoppedBy};
pub use run::run;
