//! `plimsoll kv`: caches of attention state.
//!
//! A command is a variant of [`KvCommand`] and a line in [`run`]; each has a module.

mod error;
mod replay;

pub use error::KvError;
pub use replay::{ReplayArgs, ReplayRow, TierRow};

use crate::{CliError, Printer};

/// What can be done with caches of attention state.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum KvCommand {
    /// Replay a trace of requests: what each policy would have found in a cache of this size
    Replay(ReplayArgs),
}

/// Does it.
pub fn run(command: &KvCommand, printer: &Printer) -> Result<(), CliError> {
    match command {
        KvCommand::Replay(args) => replay::run(args, printer),
    }
}
