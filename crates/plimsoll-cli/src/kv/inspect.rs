//! `plimsoll kv inspect`: what a cold store holds.

use std::fmt::Write as _;
use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_kv::store::folder::{Calendar as _, DayFacts, Facts, SystemCalendar, inspect};
use serde::Serialize;

use super::site::Site;
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll kv inspect /var/cache/kv          what is in it, by model
  plimsoll kv inspect /var/cache/kv --json | jq .live_bytes
  AWS_REGION=eu-west-1 plimsoll kv inspect s3://bucket/prefix

It only reads, and works while a process has the folder open. An object store's credentials, region and endpoint come
from the environment (AWS_…, GOOGLE_…, AZURE_…); every object's head is read there.";

/// What can be typed after `kv inspect`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InspectArgs {
    /// The folder, or an object store's address: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///folder`
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// What `plimsoll kv inspect --json` prints.
///
/// ```json
/// { "folder": "cold", "version": 1, "block_bytes": 4096, "max_bytes": 1, "segments": 1, "sealed": 1,
///   "unreadable": 0, "records": 1, "tokens": 64, "live_bytes": 1, "dead_bytes": 0, "allocated_bytes": 1,
///   "written_day": "2026-11-28", "written_that_day_bytes": 1, "written_total_bytes": 1, "in_use": false,
///   "pid": null, "roots": [{ "root": "00ff…", "records": 1, "bytes": 1 }],
///   "last_used": [{ "day": "2026-11-28", "records": 1, "bytes": 1 }] }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct InspectReport {
    /// The folder.
    pub folder: String,
    /// The version of its format.
    pub version: u32,
    /// The unit in which space is given.
    pub block_bytes: u32,
    /// What it may take; `null` if its marker is damaged.
    pub max_bytes: Option<u64>,
    /// Files with records.
    pub segments: u64,
    /// Of them, those with a footer.
    pub sealed: u64,
    /// Those that cannot be read at all.
    pub unreadable: u64,
    /// Records.
    pub records: u64,
    /// Tokens that they stand for.
    pub tokens: u64,
    /// What records take.
    pub live_bytes: u64,
    /// What removed records still take.
    pub dead_bytes: u64,
    /// What all segments take.
    pub allocated_bytes: u64,
    /// The last day on which anything was written.
    pub written_day: String,
    /// How much that was, as far as promised.
    pub written_that_day_bytes: u64,
    /// How much was ever written.
    pub written_total_bytes: u64,
    /// Whether a process has it open.
    pub in_use: bool,
    /// Which, if that is known.
    pub pid: Option<u32>,
    /// What descends from each root, most bytes first.
    pub roots: Vec<RootReport>,
    /// On which days records were last used, as far as they tell: it is written with them. The last day first.
    pub last_used: Vec<DayReport>,
}

/// What was last used on one day.
#[derive(Clone, Debug, Serialize)]
pub struct DayReport {
    /// The day, UTC.
    pub day: String,
    /// Records.
    pub records: u64,
    /// What they take.
    pub bytes: u64,
    /// How many days ago that is.
    #[serde(skip)]
    pub days_ago: u64,
}

/// What descends from one root: a model in one form.
#[derive(Clone, Debug, Serialize)]
pub struct RootReport {
    /// The root, in part.
    pub root: String,
    /// Records.
    pub records: u64,
    /// What they take.
    pub bytes: u64,
}

impl InspectReport {
    /// The report of a folder.
    pub fn new(folder: String, facts: &Facts, today: u64) -> Self {
        let used = |day: &DayFacts| DayReport {
            day: date(day.day),
            records: day.records,
            bytes: day.bytes.get(),
            days_ago: today.saturating_sub(day.day),
        };
        let root = |root: &plimsoll_kv::store::folder::RootFacts| RootReport {
            root: root.root.to_string(),
            records: root.records,
            bytes: root.bytes.get(),
        };
        Self {
            folder,
            version: facts.version,
            block_bytes: facts.block_bytes,
            max_bytes: facts.max_bytes.map(Bytes::get),
            segments: facts.segments,
            sealed: facts.sealed,
            unreadable: facts.unreadable,
            records: facts.records,
            tokens: facts.tokens,
            live_bytes: facts.live.get(),
            dead_bytes: facts.dead.get(),
            allocated_bytes: facts.allocated.get(),
            written_day: date(facts.day),
            written_that_day_bytes: facts.written_that_day.get(),
            written_total_bytes: facts.written_total.get(),
            in_use: facts.in_use.is_some(),
            pid: facts.in_use.flatten(),
            roots: facts.roots.iter().map(root).collect(),
            last_used: facts.last_used.iter().map(used).collect(),
        }
    }
}

/// A day since 1970 as people write it.
fn date(day: u64) -> String {
    const DAY_MS: u64 = 86_400_000;
    let text = plimsoll::utc(day.saturating_mul(DAY_MS));
    text.split('T').next().unwrap_or_default().to_owned()
}

/// Prints what a folder holds, or an object store.
pub fn run(args: &InspectArgs, printer: &Printer) -> Result<(), CliError> {
    if let Site::Address(address) = Site::of(&args.folder) {
        return super::inspect_bucket(address, printer);
    }
    let facts = inspect(&args.folder)?;
    let today = SystemCalendar.day();
    printer.report(&InspectReport::new(args.folder.display().to_string(), &facts, today), view)
}

/// Draws the report.
pub fn view(report: &InspectReport, pen: &Pen) -> String {
    let state = match (report.in_use, report.pid) {
        (true, Some(pid)) => pen.paint(Style::Accent, &format!("in use by process {pid}")),
        (true, None) => pen.paint(Style::Accent, "in use"),
        _ => pen.paint(Style::Dim, "nobody has it open"),
    };
    let mut out = format!("{}  {state}\n\n", pen.paint(Style::Bold, &report.folder));
    let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Left)]);
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let limit =
        report.max_bytes.map_or_else(|| "limit unknown".to_owned(), |most| format!("of {}", bytes(most)));
    let mut row = |name: &str, value: String, aside: String| {
        table.row([name.into(), value.into(), Cell::new(Style::Dim, aside)]);
    };
    row("takes", bytes(report.allocated_bytes), limit);
    row("live", bytes(report.live_bytes), format!("{} records, {} tokens", report.records, report.tokens));
    row("dead", bytes(report.dead_bytes), "removed and not given back".to_owned());
    let open = report.segments.saturating_sub(report.sealed);
    row(
        "segments",
        report.segments.to_string(),
        format!("{open} without a footer, {} unreadable", report.unreadable),
    );
    row(
        "written",
        bytes(report.written_total_bytes),
        format!("{} on {}", bytes(report.written_that_day_bytes), report.written_day),
    );
    row("format", report.version.to_string(), format!("blocks of {}", bytes(report.block_bytes.into())));
    // The heading of a table without titles is an empty line.
    out.push_str(table.draw(pen).trim_start_matches('\n'));
    if !report.roots.is_empty() {
        let mut table =
            Table::new([("root", Align::Left), ("records", Align::Right), ("takes", Align::Right)]);
        for root in &report.roots {
            table.row([root.root.as_str().into(), root.records.to_string().into(), bytes(root.bytes).into()]);
        }
        let _ = write!(out, "\n{}", table.draw(pen));
    }
    if !report.last_used.is_empty() {
        let _ = write!(out, "\n{}", ages(report).draw(pen));
    }
    out
}

/// How long ago records were last used: what nobody has come back for takes room from what somebody would.
fn ages(report: &InspectReport) -> Table {
    const SPANS: [(&str, u64); 4] =
        [("today", 0), ("this week", 6), ("this month", 29), ("before", u64::MAX)];
    let mut table =
        Table::new([("last used", Align::Left), ("records", Align::Right), ("takes", Align::Right)]);
    let mut rest = &report.last_used[..];
    for (name, days_ago) in SPANS {
        // The last day comes first.
        let (now, older) = rest.split_at(rest.partition_point(|day| day.days_ago <= days_ago));
        rest = older;
        let records: u64 = now.iter().map(|day| day.records).sum();
        let bytes: u64 = now.iter().map(|day| day.bytes).sum();
        table.row([name.into(), records.to_string().into(), Bytes::new(bytes).to_string().into()]);
    }
    table
}
