//! `plimsoll kv`: caches of attention state.

mod gate;

pub use gate::{GateArgs, GateFailure, GateTable};

use crate::{CliError, Printer};

/// What can be done with caches of attention state.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum KvCommand {
    /// Measure what keeping keys and values in eight or four bits costs a model
    Gate(GateArgs),
}

/// Does it.
pub fn run(command: &KvCommand, printer: &Printer) -> Result<(), CliError> {
    match command {
        KvCommand::Gate(args) => gate::run(args, printer),
    }
}
