//! `plimsoll docs qa`: questions and answers of a library's passages, by a model.

mod args;
mod asker;
mod output;
mod run;

pub use args::QaArgs;
pub use run::{QaReport, run};
