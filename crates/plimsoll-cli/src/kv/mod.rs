//! `plimsoll kv`: caches of attention state.
//!
//! A command is a variant of [`KvCommand`] and a line in [`run`]; each has a module.

#[cfg(feature = "remote")]
mod bucket;
mod compact;
mod error;
mod gate;
mod inspect;
mod replay;
mod site;
mod verify;

#[cfg(feature = "remote")]
pub use bucket::{BucketReport, CheckReport, ObjectReport, ShareReport};
pub use compact::CompactArgs;
pub use error::KvError;
pub use gate::{GateArgs, GateFailure, GateTable};
pub use inspect::InspectArgs;
pub use replay::{ReplayArgs, ReplayRow, TierRow};
pub use verify::VerifyArgs;

#[cfg(feature = "remote")]
use bucket::{inspect as inspect_bucket, verify as verify_bucket};

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

#[cfg(not(feature = "remote"))]
fn inspect_bucket(address: &str, _: &Printer) -> Result<(), CliError> {
    Err(KvError::NoRemote { address: address.to_owned() }.into())
}

#[cfg(not(feature = "remote"))]
use inspect_bucket as verify_bucket;
