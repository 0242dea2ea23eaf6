//! `plimsoll vec delete`: vectors go by their ids.

use std::path::PathBuf;

use plimsoll_vec::index::Index;
use serde::Serialize;

use super::{budget, numbers};
use crate::{CliError, Printer};

/// What can be typed after `vec delete`.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "which", required = true, multiple = true, args = ["ids", "from"])]
pub struct DeleteArgs {
    /// The folder of the index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
    /// Ids, with commas between them
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub ids: Vec<u64>,
    /// A file of ids, as text
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

/// What `plimsoll vec delete --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct DeleteReport {
    /// The folder.
    pub index: String,
    /// Ids that were given.
    pub given: u64,
    /// Vectors that were deleted: those of the ids that were there.
    pub deleted: u64,
}

/// Deletes.
pub fn run(args: &DeleteArgs, printer: &Printer) -> Result<(), CliError> {
    let index = Index::open_to_write(&args.index, &budget::account(None)?)?;
    let mut ids = args.ids.clone();
    if let Some(path) = &args.from {
        ids.extend(numbers::ids(path)?);
    }
    let deleted = index.delete(&ids)?;
    let report = DeleteReport { index: args.index.display().to_string(), given: ids.len() as u64, deleted };
    printer.report(&report, |report, _| format!("{} of {} deleted\n", report.deleted, report.given))
}
