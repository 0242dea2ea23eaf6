//! Reading a recording and writing its page.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use plimsoll::record::Recording;
use plimsoll::record::analysis::StudySettings;
use serde::Serialize;

use super::page;
use super::place::COLORS;
use crate::draw::Pen;
use crate::recording::{create, open};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll report run.plimsoll                 writes run.html beside it
  plimsoll report run.plimsoll -o report.html

The page is one file that needs no network; open it in any browser.";

/// What can be typed after `report`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where to write the page [default: FILE with .html]
    #[arg(short, long, value_name = "OUT.html")]
    pub output: Option<PathBuf>,
}

/// What `plimsoll report --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportWritten {
    /// The page.
    pub path: String,
    /// How large it is.
    pub bytes: u64,
    /// Events that were read.
    pub events: u64,
    /// Events that are missing.
    pub dropped: u64,
    /// The recording's file ended before its end.
    pub cut: bool,
}

/// All points of a page together: with several places, each has fewer.
const POINTS: usize = 3000;

/// The page of a recording.
pub fn render(recording: &Recording) -> Result<String, plimsoll::record::RecordingError> {
    let mut places: Vec<_> = recording.names().sources.iter().map(|source| source.place).collect();
    places.sort_unstable();
    places.dedup();
    let points = (POINTS / places.len().max(1)).clamp(200, 1000);
    let settings = StudySettings { points, labels: COLORS, largest: 50 };
    Ok(page(&recording.study(&settings)?))
}

/// Reads, writes, and says where.
pub fn run(args: &ReportArgs, printer: &Printer) -> Result<(), CliError> {
    let recording = open(&args.file)?;
    printer.note(&format!("reading {} events", recording.facts().events));
    let page = render(&recording)?;
    let output = args.output.clone().unwrap_or_else(|| args.file.with_extension("html"));
    let failed = |source| CliError::Write { path: output.clone(), source };
    create(&output, &args.file)?.write_all(page.as_bytes()).map_err(failed)?;
    let facts = recording.facts();
    let written = ReportWritten {
        path: output.display().to_string(),
        bytes: page.len() as u64,
        events: facts.events,
        dropped: facts.dropped,
        cut: facts.cut,
    };
    printer.report(&written, view)
}

fn view(written: &ReportWritten, _: &Pen) -> String {
    let mut text = format!("{}\n", written.path);
    if written.dropped > 0 {
        let _ = writeln!(text, "{} events are missing from the recording", written.dropped);
    }
    if written.cut {
        text.push_str("the recording was cut\n");
    }
    text
}
