//! `plimsoll docs`: documents taken into a library, and found again, within a budget.
//!
//! A command is a variant of [`DocsCommand`] and a line in [`run`]; each has a module.

mod budget;
mod compact;
mod info;
mod ingest;
mod progress;
mod qa;
mod remove;
mod search;

pub use compact::{CompactArgs, CompactReport};
pub use info::{InfoArgs, InfoReport};
pub use ingest::{IngestArgs, IngestJson};
pub use qa::{QaArgs, QaReport};
pub use remove::{RemoveArgs, RemoveReport};
pub use search::{SearchArgs, SearchReport};

use crate::{CliError, Printer};

/// What can be done with documents.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum DocsCommand {
    /// Take files and folders into a library: text, Markdown, HTML, PDF, programs, JSON lines
    Ingest(IngestArgs),
    /// Find the passages that answer a question
    Search(SearchArgs),
    /// Have a model write a question and its answer for each passage, as JSON lines
    Qa(QaArgs),
    /// Show what a library has and takes
    Info(InfoArgs),
    /// Remove documents
    Remove(RemoveArgs),
    /// Put all parts together, and give the room of removed documents back
    Compact(CompactArgs),
}

/// Does it.
pub fn run(command: &DocsCommand, printer: &Printer) -> Result<(), CliError> {
    crate::heap::give_back();
    match command {
        DocsCommand::Ingest(args) => ingest::run(args, printer),
        DocsCommand::Search(args) => search::run(args, printer),
        DocsCommand::Qa(args) => qa::run(args, printer),
        DocsCommand::Info(args) => info::run(args, printer),
        DocsCommand::Remove(args) => remove::run(args, printer),
        DocsCommand::Compact(args) => compact::run(args, printer),
    }
}
