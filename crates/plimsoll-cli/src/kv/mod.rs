//! `plimsoll kv`: caches of attention state.
//!
//! A command is a variant of [`KvCommand`] and a line in [`run`]; each has a module.

mod compact;
mod error;
mod gate;
mod inspect;
mod replay;
mod verify;

pub use compact::CompactArgs;
pub use error::KvError;
pub use gate::{GateArgs, GateFailure, GateTable};
pub use inspect::InspectArgs;
pub use replay::{ReplayArgs, ReplayRow, TierRow};
pub use verify::VerifyArgs;

use crate::{CliError, Printer};

/// What can be done with caches of attention state.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum KvCommand {
    /// Replay a trace of requests: what each policy would have found in a cache of this size
    Replay(ReplayArgs),
    /// Show what a cold store holds: segments, records, models, what was written
    Inspect(InspectArgs),
    /// Check every record of a cold store; writes nothing
    Verify(VerifyArgs),
    /// Drop what is dead or damaged in a cold store, and put together what lives
    Compact(CompactArgs),
    /// Measure what keeping keys and values in eight or four bits costs a model
    Gate(GateArgs),
}

/// Does it.
pub fn run(command: &KvCommand, printer: &Printer) -> Result<(), CliError> {
    match command {
        KvCommand::Replay(args) => replay::run(args, printer),
        KvCommand::Inspect(args) => inspect::run(args, printer),
        KvCommand::Verify(args) => verify::run(args, printer),
        KvCommand::Compact(args) => compact::run(args, printer),
        KvCommand::Gate(args) => gate::run(args, printer),
    }
}
