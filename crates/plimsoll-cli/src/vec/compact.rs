//! `plimsoll vec compact`: segments become one, and the dead give their room back.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_vec::index::{CompactReport, Compaction, Index};
use serde::Serialize;

use super::budget;
use super::progress::Progress;
use crate::draw::{Pen, Style};
use crate::{CliError, Printer};

/// What can be typed after `vec compact`.
#[derive(Clone, Debug, clap::Args)]
pub struct CompactArgs {
    /// The folder of the index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
    /// The most memory that it may take
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Say what it would do and take, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What `plimsoll vec compact --json` prints.
///
/// ```json
/// { "index": "index",
///   "predicted": { "segments": 4, "into": 1, "rows": 900, "dead": 100, "needs_bytes": 1, "wins_bytes": 1,
///                  "peak_bytes": 1 },
///   "measured": { "seconds": 0.1, "segments": 1, "written_bytes": 1, "won_bytes": 1, "peak_bytes": 1 } }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct CompactJson {
    /// The folder.
    pub index: String,
    /// What was said beforehand; null where there is nothing to win.
    pub predicted: Option<CompactionReport>,
    /// What came of it; null of a dry run.
    pub measured: Option<Compacted>,
}

/// What a compaction would do and take.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CompactionReport {
    /// Segments that are written anew.
    pub segments: usize,
    /// How many become of them.
    pub into: usize,
    /// Rows that are copied.
    pub rows: u64,
    /// Dead rows that are left behind.
    pub dead: u64,
    /// What it needs on disk meanwhile.
    pub needs_bytes: u64,
    /// What the disk has back in the end.
    pub wins_bytes: u64,
    /// The most memory.
    pub peak_bytes: u64,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Compacted {
    /// How long it took.
    pub seconds: f64,
    /// Segments that there are now.
    pub segments: usize,
    /// What was written.
    pub written_bytes: u64,
    /// What the disk has back.
    pub won_bytes: u64,
    /// The most memory that was charged.
    pub peak_bytes: u64,
}

impl CompactionReport {
    /// The report of a forecast.
    pub fn new(said: &Compaction) -> Self {
        Self {
            segments: said.segments,
            into: said.into,
            rows: said.rows,
            dead: said.dead,
            needs_bytes: said.needs.get(),
            wins_bytes: said.wins.get(),
            peak_bytes: said.peak.get(),
        }
    }
}

impl CompactJson {
    fn new(index: String, report: &CompactReport) -> Self {
        Self {
            index,
            predicted: report.forecast.as_ref().map(CompactionReport::new),
            measured: Some(Compacted {
                seconds: report.took.as_secs_f64(),
                segments: report.after,
                written_bytes: report.written.get(),
                won_bytes: report.won.get(),
                peak_bytes: report.peak.get(),
            }),
        }
    }
}

/// Compacts.
pub fn run(args: &CompactArgs, printer: &Printer) -> Result<(), CliError> {
    let account = budget::account(args.memory)?;
    let name = args.index.display().to_string();
    if args.dry_run {
        let said = Index::open(&args.index, &account)?.compaction()?;
        let predicted = said.as_ref().map(CompactionReport::new);
        return printer.report(&CompactJson { index: name, predicted, measured: None }, view);
    }
    let index = Index::open_to_write(&args.index, &account)?;
    let progress = Progress::new(Some(index.facts().vectors));
    let report = index.compact(|built| progress.at(built))?;
    drop(progress);
    printer.report(&CompactJson::new(name, &report), view)
}

/// Draws the report.
fn view(report: &CompactJson, pen: &Pen) -> String {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let name = pen.paint(Style::Bold, &report.index);
    let Some(said) = report.predicted else {
        return format!("{name}  nothing to win: no row is dead, and segments are few\n");
    };
    let line = format!(
        "predicted: {} of memory, {} to write, {} back on disk",
        bytes(said.peak_bytes),
        bytes(said.needs_bytes),
        bytes(said.wins_bytes)
    );
    let mut out = format!(
        "{name}  {} segments into {}: {} rows, {} dead left behind\n{}\n",
        said.segments,
        said.into,
        said.rows,
        said.dead,
        pen.paint(Style::Dim, &line)
    );
    if let Some(took) = report.measured {
        let line = format!(
            "measured:  {} of memory, {} written, {} back on disk; {:.2} s",
            bytes(took.peak_bytes),
            bytes(took.written_bytes),
            bytes(took.won_bytes),
            took.seconds
        );
        out.push_str(&pen.paint(Style::Dim, &line));
        out.push('\n');
    }
    out
}
