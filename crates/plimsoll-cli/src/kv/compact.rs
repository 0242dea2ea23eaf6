//! `plimsoll kv compact`: drops what is dead or damaged and puts together what lives.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_kv::store::folder::{Compacted, Facts, compact};
use serde::Serialize;

use super::KvError;
use super::site::Site;
use crate::draw::{Align, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll kv compact /var/cache/kv

Nobody may have the folder open. It never takes more than it may meanwhile, and can be stopped at any moment.
What is copied counts as written.";

/// What can be typed after `kv compact`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompactArgs {
    /// The folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// What `plimsoll kv compact --json` prints.
///
/// ```json
/// { "folder": "cold", "segments_rewritten": 1, "segments_left": 0, "records_moved": 1, "records_dropped": 0,
///   "before": { "segments": 2, "records": 1, "allocated_bytes": 1 },
///   "after": { "segments": 1, "records": 1, "allocated_bytes": 1 } }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct CompactReport {
    /// The folder.
    pub folder: String,
    /// Segments that were taken apart.
    pub segments_rewritten: u64,
    /// Segments that were left for want of room.
    pub segments_left: u64,
    /// Records that were copied.
    pub records_moved: u64,
    /// Records that were damaged, and are gone.
    pub records_dropped: u64,
    /// What there was.
    pub before: StandingReport,
    /// What there is.
    pub after: StandingReport,
}

/// What a folder holds at a moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StandingReport {
    /// Segments.
    pub segments: u64,
    /// Records.
    pub records: u64,
    /// What segments take.
    pub allocated_bytes: u64,
}

impl StandingReport {
    const fn new(facts: &Facts) -> Self {
        Self { segments: facts.segments, records: facts.records, allocated_bytes: facts.allocated.get() }
    }
}

impl CompactReport {
    /// The report of a compaction.
    pub fn new(folder: String, before: &Facts, done: Compacted, after: &Facts) -> Self {
        Self {
            folder,
            segments_rewritten: done.segments,
            segments_left: done.left,
            records_moved: done.moved,
            records_dropped: done.damaged,
            before: StandingReport::new(before),
            after: StandingReport::new(after),
        }
    }
}

/// Compacts a folder.
pub fn run(args: &CompactArgs, printer: &Printer) -> Result<(), CliError> {
    if let Site::Address(address) = Site::of(&args.folder) {
        return Err(KvError::NothingToCompact { address: address.to_owned() }.into());
    }
    let (before, done, after) = compact(&args.folder)?;
    let folder = args.folder.display().to_string();
    printer.report(&CompactReport::new(folder, &before, done, &after), view)
}

/// Draws the report.
pub fn view(report: &CompactReport, pen: &Pen) -> String {
    let mut out = format!(
        "{} compacted: {} records moved, {} damaged dropped\n\n",
        pen.paint(Style::Bold, &report.folder),
        report.records_moved,
        report.records_dropped
    );
    let columns =
        [("", Align::Left), ("segments", Align::Right), ("records", Align::Right), ("takes", Align::Right)];
    let mut table = Table::new(columns);
    for (name, standing) in [("before", report.before), ("after", report.after)] {
        table.row([
            name.into(),
            standing.segments.to_string().into(),
            standing.records.to_string().into(),
            Bytes::new(standing.allocated_bytes).to_string().into(),
        ]);
    }
    out.push_str(&table.draw(pen));
    if report.segments_left > 0 {
        let text = format!("{} segments were left: there is no room to copy them\n", report.segments_left);
        out.push_str(&pen.paint(Style::Dim, &text));
    }
    out
}
