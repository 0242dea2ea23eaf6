//! `plimsoll bench llm`: how fast a model is computed on the host or a GPU, beside how fast its bytes can be read, in one run.
//!
//! # How it counts
//! A token that is written needs every weight once and the keys and values of all tokens before it; a batch shares the
//! weights. That many bytes, divided by how fast this many threads read an array of the same size, is the least time that
//! a token can take, and what is told is the part of that speed that was reached. Reading is measured in turns with
//! decoding, since machines change their speed. An array that the caches hold is read from them: for a model of a few
//! megabytes the bound is theirs. On a GPU copies within it stand for reading: what they read and write a second.
//!
//! A model of which only some layers stay on a GPU (`--partly`) can be as fast as the rest comes: the bytes that come with a pass over how many a plain
//! copy from page-locked memory moves a second, measured in turns with decoding too.

mod args;
mod error;
mod ground;
mod measure;
mod partly;
mod report;

pub use args::LlmArgs;
pub use error::LlmBenchError;
pub use partly::{PartlyReport, PartlyRow};
pub use report::{LlmReport, LlmRow, view};

use crate::{CliError, Printer};

/// Measures and prints.
pub fn run(args: &LlmArgs, printer: &Printer) -> Result<(), CliError> {
    let report = measure::report(args)?;
    printer.report(&report, view)
}
