//! `plimsoll docs remove`: documents out of a library.

use std::path::PathBuf;

use plimsoll_docs::Library;
use serde::Serialize;

use super::budget;
use crate::draw::Pen;
use crate::{CliError, Printer};

/// What can be typed after `docs remove`.
#[derive(Clone, Debug, clap::Args)]
pub struct RemoveArgs {
    /// The folder of the library
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,
    /// Documents, by their numbers or their paths; a folder's path means all below it
    #[arg(value_name = "DOCUMENT", required = true)]
    pub documents: Vec<String>,
}

/// What `plimsoll docs remove --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct RemoveReport {
    /// How many there were.
    pub removed: u64,
}

/// Removes.
pub fn run(args: &RemoveArgs, printer: &Printer) -> Result<(), CliError> {
    let library = Library::open_to_write(&args.library, &budget::account(None)?)?;
    let (all, mut ids) = (library.list(0, usize::MAX), Vec::new());
    for wanted in &args.documents {
        let path = std::path::absolute(wanted).unwrap_or_else(|_| wanted.into());
        let number: Option<u64> = wanted.parse().ok();
        ids.extend(all.iter().filter_map(|document| {
            let same = Some(document.id) == number
                || document.name == *wanted
                || std::path::Path::new(&document.name).starts_with(&path);
            same.then_some(document.id)
        }));
    }
    ids.sort_unstable();
    ids.dedup();
    printer.report(&RemoveReport { removed: library.remove(&ids)? }, view)
}

/// Draws the report.
pub fn view(report: &RemoveReport, _: &Pen) -> String {
    format!("{} removed; `plimsoll docs compact` gives their room back\n", report.removed)
}
