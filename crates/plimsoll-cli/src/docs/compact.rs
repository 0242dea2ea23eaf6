//! `plimsoll docs compact`: the room of removed documents.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_docs::Library;
use serde::Serialize;

use super::budget;
use crate::draw::Pen;
use crate::{CliError, Printer};

/// What can be typed after `docs compact`.
#[derive(Clone, Debug, clap::Args)]
pub struct CompactArgs {
    /// The folder of the library
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,
    /// The most memory that it may take
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
}

/// What `plimsoll docs compact --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct CompactReport {
    /// Parts that there are fewer.
    pub fewer: usize,
    /// What it took on disk before.
    pub before_bytes: u64,
    /// What it takes now.
    pub after_bytes: u64,
}

/// Compacts.
pub fn run(args: &CompactArgs, printer: &Printer) -> Result<(), CliError> {
    let library = Library::open_to_write(&args.library, &budget::account(args.memory)?)?;
    let before = library.facts().disk.get();
    let fewer = library.compact()?;
    let after = library.facts().disk.get();
    printer.report(&CompactReport { fewer, before_bytes: before, after_bytes: after }, view)
}

/// Draws the report.
pub fn view(report: &CompactReport, _: &Pen) -> String {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    format!("{} before, {} now\n", bytes(report.before_bytes), bytes(report.after_bytes))
}
