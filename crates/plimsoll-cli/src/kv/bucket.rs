//! `plimsoll kv inspect` and `plimsoll kv verify` of an object store.

use std::fmt::Write as _;
use std::time::Duration;

use plimsoll::Bytes;
use plimsoll_kv::store::bucket::{self, BucketSettings, Checked, Share, Survey};
use serde::Serialize;

use super::KvError;
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

/// What `plimsoll kv inspect s3://… --json` prints.
///
/// ```json
/// { "address": "s3://bucket/prefix", "version": 1, "records": 1, "tokens": 64, "bytes": 1, "damaged": 0, "foreign": 0,
///   "roots": [{ "of": "00ff…", "records": 1, "bytes": 1 }], "machines": [{ "of": "00ff…", "records": 1, "bytes": 1 }] }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct BucketReport {
    /// The address.
    pub address: String,
    /// The version of the format.
    pub version: u32,
    /// Blocks, an object each.
    pub records: u64,
    /// Tokens that they stand for.
    pub tokens: u64,
    /// What they take.
    pub bytes: u64,
    /// Objects whose heads do not verify.
    pub damaged: u64,
    /// Objects that are none of ours.
    pub foreign: u64,
    /// What descends from each root, most bytes first.
    pub roots: Vec<ShareReport>,
    /// What each machine wrote, by a hash of its name, most bytes first.
    pub machines: Vec<ShareReport>,
}

/// What belongs to one root, or to one machine.
#[derive(Clone, Debug, Serialize)]
pub struct ShareReport {
    /// Whose.
    pub of: String,
    /// Blocks.
    pub records: u64,
    /// What they take.
    pub bytes: u64,
}

/// What `plimsoll kv verify s3://… --json` prints.
///
/// ```json
/// { "address": "s3://bucket/prefix", "ok": false, "records": 2, "verified_bytes": 1, "gone": 0, "foreign": 0,
///   "damaged": [{ "key": "prefix/v1/…", "offset": 160, "block": "00ab…", "what": "section 0" }] }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// The address.
    pub address: String,
    /// Whether nothing is damaged.
    pub ok: bool,
    /// Objects that were read.
    pub records: u64,
    /// Bytes of sections whose hashes were right.
    pub verified_bytes: u64,
    /// Objects that somebody removed meanwhile.
    pub gone: u64,
    /// Objects that are none of ours.
    pub foreign: u64,
    /// What is damaged.
    pub damaged: Vec<ObjectReport>,
}

/// An object that is damaged.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectReport {
    /// Its key.
    pub key: String,
    /// From where on.
    pub offset: u64,
    /// Of which block it should be.
    pub block: String,
    /// What does not verify.
    pub what: String,
}

impl From<Survey> for BucketReport {
    fn from(survey: Survey) -> Self {
        let share =
            |share: Share| ShareReport { of: share.of, records: share.blocks, bytes: share.bytes.get() };
        Self {
            address: survey.name,
            version: survey.version,
            records: survey.blocks,
            tokens: survey.tokens,
            bytes: survey.bytes.get(),
            damaged: survey.damaged,
            foreign: survey.foreign,
            roots: survey.roots.into_iter().map(share).collect(),
            machines: survey.machines.into_iter().map(share).collect(),
        }
    }
}

impl From<Checked> for CheckReport {
    fn from(checked: Checked) -> Self {
        let damaged = checked.damaged.into_iter().map(|damage| ObjectReport {
            key: damage.key,
            offset: damage.offset,
            block: damage.block.to_string(),
            what: damage.what,
        });
        let damaged: Vec<_> = damaged.collect();
        Self {
            address: checked.name,
            ok: damaged.is_empty(),
            records: checked.blocks,
            verified_bytes: checked.bytes.get(),
            gone: checked.gone,
            foreign: checked.foreign,
            damaged,
        }
    }
}

/// Nobody waits for a block here, so an answer may take its time.
fn settings(address: &str) -> BucketSettings {
    BucketSettings { read_limit: Duration::from_mins(1), ..BucketSettings::new(address, "") }
}

/// Prints what lies under an address.
pub fn inspect(address: &str, printer: &Printer) -> Result<(), CliError> {
    printer.report(&BucketReport::from(bucket::inspect(&settings(address))?), view)
}

/// Checks what lies under an address; damage is a failure.
pub fn verify(address: &str, printer: &Printer) -> Result<(), CliError> {
    let report = CheckReport::from(bucket::verify(&settings(address))?);
    printer.report(&report, view_check)?;
    if report.ok {
        return Ok(());
    }
    Err(KvError::DamagedObjects { address: address.to_owned(), found: report.damaged.len() }.into())
}

/// Draws what lies there.
fn view(report: &BucketReport, pen: &Pen) -> String {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let mut out = format!("{}\n\n", pen.paint(Style::Bold, &report.address));
    let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Left)]);
    let mut row = |name: &str, value: String, aside: &str| {
        table.row([name.into(), value.into(), Cell::new(Style::Dim, aside.to_owned())]);
    };
    row("takes", bytes(report.bytes), &format!("{} records, {} tokens", report.records, report.tokens));
    row("damaged", report.damaged.to_string(), "heads that do not verify");
    row("foreign", report.foreign.to_string(), "objects that are none of ours");
    row("format", report.version.to_string(), "an object a block");
    out.push_str(table.draw(pen).trim_start_matches('\n'));
    for (name, shares) in [("root", &report.roots), ("written by", &report.machines)] {
        if shares.is_empty() {
            continue;
        }
        let mut table = Table::new([(name, Align::Left), ("records", Align::Right), ("takes", Align::Right)]);
        for share in shares {
            table.row([
                share.of.as_str().into(),
                share.records.to_string().into(),
                bytes(share.bytes).into(),
            ]);
        }
        let _ = write!(out, "\n{}", table.draw(pen));
    }
    out
}

/// Draws what a check found.
fn view_check(report: &CheckReport, pen: &Pen) -> String {
    let word = if report.ok { pen.paint(Style::Good, "sound") } else { pen.paint(Style::Bad, "damaged") };
    let mut out = format!(
        "{} {word}\n{} records, {} verified\n",
        pen.paint(Style::Bold, &report.address),
        report.records,
        Bytes::new(report.verified_bytes)
    );
    for (count, what) in [(report.gone, "were removed meanwhile"), (report.foreign, "are none of ours")] {
        if count > 0 {
            out.push_str(&pen.paint(Style::Dim, &format!("{count} objects {what}\n")));
        }
    }
    if !report.damaged.is_empty() {
        let columns = [("key", Align::Left), ("offset", Align::Right), ("does not verify", Align::Left)];
        let mut table = Table::new(columns);
        for damage in &report.damaged {
            let offset = damage.offset.to_string();
            table.row([damage.key.as_str().into(), offset.into(), damage.what.as_str().into()]);
        }
        out.push('\n');
        out.push_str(&table.draw(pen));
    }
    out
}
