//! `plimsoll vec`: search among vectors, within a budget.
//!
//! A command is a variant of [`VecCommand`] and a line in [`run`]; each has a module.

mod add;
mod bench;
mod bench_codec;
mod budget;
mod build;
mod columns;
mod compact;
mod delete;
mod info;
mod numbers;
mod precision;
mod progress;
mod search;
mod train;

pub use add::AddArgs;
pub use bench::{BenchArgs, BenchRow};
pub use bench_codec::{BenchCodecArgs, CodecRow};
pub use build::{BuildArgs, BuildJson};
pub use columns::Columns;
pub use compact::{CompactArgs, CompactJson, Compacted, CompactionReport};
pub use delete::{DeleteArgs, DeleteReport};
pub use info::{InfoArgs, InfoReport, ListsReport};
pub use precision::{Allowed, Chosen};
pub use search::{SearchArgs, SearchReport};
pub use train::{ContenderReport, TrainArgs, TrainReport};

use crate::{CliError, Printer};

/// What can be done with indexes of vectors.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum VecCommand {
    /// Build an index of the vectors in a file
    Build(BuildArgs),
    /// Add the vectors in a file to an index
    Add(AddArgs),
    /// Delete vectors by their ids
    Delete(DeleteArgs),
    /// Put segments together, and give the room of deleted vectors back
    Compact(CompactArgs),
    /// Find the nearest vectors of each query
    Search(SearchArgs),
    /// Show what an index is and takes
    Info(InfoArgs),
    /// Learn a neural codec from vectors, and say whether it is worth it
    TrainCodec(TrainArgs),
    /// Measure searches on this machine, beside what memory and disk can do
    Bench(BenchArgs),
    /// Measure a neural codec on this machine, beside what it multiplies matrices with
    BenchCodec(BenchCodecArgs),
}

/// Does it.
pub fn run(command: &VecCommand, printer: &Printer) -> Result<(), CliError> {
    crate::heap::give_back();
    match command {
        VecCommand::Build(args) => build::run(args, printer),
        VecCommand::Add(args) => add::run(args, printer),
        VecCommand::Delete(args) => delete::run(args, printer),
        VecCommand::Compact(args) => compact::run(args, printer),
        VecCommand::Search(args) => search::run(args, printer),
        VecCommand::Info(args) => info::run(args, printer),
        VecCommand::TrainCodec(args) => train::run(args, printer),
        VecCommand::Bench(args) => bench::run(args, printer),
        VecCommand::BenchCodec(args) => bench_codec::run(args, printer),
    }
}
