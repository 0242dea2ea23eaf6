//! `plimsoll train`: models that learn within a line.

mod curve;
mod error;
pub(crate) mod ground;
mod lines;
mod lora;
mod report;

pub use error::TrainError;
pub use lora::{LoraArgs, WeightsAs};
pub(crate) use lora::{kept, states};
pub use report::{LoraReport, Loss};

use crate::{CliError, Printer};

/// What can be trained.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum TrainCommand {
    /// Learn changes of low rank to a language model, from texts, in as much memory as is said
    Lora(Box<LoraArgs>),
}

/// Trains.
pub fn run(command: &TrainCommand, printer: &Printer) -> Result<(), CliError> {
    match command {
        TrainCommand::Lora(args) => lora::run(args, printer),
    }
}
