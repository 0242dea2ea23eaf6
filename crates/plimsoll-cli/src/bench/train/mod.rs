//! `plimsoll bench train`: what a fine-tuning's steps need and take, in the ways that there are to fit below a line.

mod args;
mod measure;
mod report;

pub use args::{ShapeOf, TrainBenchArgs};
pub use report::TrainBenchRow;

use crate::{CliError, Printer};

/// Measures and prints the rows.
pub fn run(args: &TrainBenchArgs, printer: &Printer) -> Result<(), CliError> {
    let rows = measure::rows(args)?;
    printer.report(&rows, |rows, pen| report::view(rows, pen))
}
