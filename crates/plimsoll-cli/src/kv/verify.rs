//! `plimsoll kv verify`: whether every byte of a cold store is what was written.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_kv::store::folder::{Verified, verify};
use serde::Serialize;

use super::site::Site;
use crate::draw::{Align, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll kv verify /var/cache/kv
  plimsoll kv verify /var/cache/kv --json | jq .damaged
  AWS_REGION=eu-west-1 plimsoll kv verify s3://bucket/prefix

It reads everything and writes nothing. What is damaged is a miss for whoever reads it, never a wrong byte;
`plimsoll kv compact` drops it from a folder. An object store is read whole, which may cost money.

Exit codes: 0 sound, 1 damaged or in use, 2 not understood.";

/// What can be typed after `kv verify`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The folder, or an object store's address: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///folder`
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// What `plimsoll kv verify --json` prints.
///
/// ```json
/// { "folder": "cold", "ok": false, "segments": 1, "records": 2, "verified_bytes": 1, "unsealed": 0,
///   "damaged": [{ "file": "0000000000000001.segment", "offset": 4096, "block": "00ab…", "what": "section 0" }] }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// The folder.
    pub folder: String,
    /// Whether nothing is damaged.
    pub ok: bool,
    /// Segments that were read.
    pub segments: u64,
    /// Records that were read.
    pub records: u64,
    /// Bytes of sections whose sums were right.
    pub verified_bytes: u64,
    /// Segments without a footer: a process was killed. They are sound.
    pub unsealed: u64,
    /// What is damaged.
    pub damaged: Vec<DamageReport>,
}

/// Something that is damaged.
#[derive(Clone, Debug, Serialize)]
pub struct DamageReport {
    /// In which file.
    pub file: String,
    /// From where on.
    pub offset: u64,
    /// Of which block; `null` if that cannot be read.
    pub block: Option<String>,
    /// What does not verify.
    pub what: String,
}

impl VerifyReport {
    /// The report of a folder.
    pub fn new(folder: String, verified: &Verified) -> Self {
        let damaged = verified.damaged.iter().map(|damage| DamageReport {
            file: damage.file.clone(),
            offset: damage.offset,
            block: damage.block.map(|block| block.to_string()),
            what: damage.what.clone(),
        });
        Self {
            folder,
            ok: verified.damaged.is_empty(),
            segments: verified.segments,
            records: verified.records,
            verified_bytes: verified.bytes.get(),
            unsealed: verified.unsealed,
            damaged: damaged.collect(),
        }
    }
}

/// Checks a folder or an object store; damage is a failure.
pub fn run(args: &VerifyArgs, printer: &Printer) -> Result<(), CliError> {
    if let Site::Address(address) = Site::of(&args.folder) {
        return super::verify_bucket(address, printer);
    }
    let report = VerifyReport::new(args.folder.display().to_string(), &verify(&args.folder)?);
    printer.report(&report, view)?;
    if report.ok {
        return Ok(());
    }
    Err(CliError::Damaged { folder: args.folder.clone(), found: report.damaged.len() })
}

/// Draws the report.
pub fn view(report: &VerifyReport, pen: &Pen) -> String {
    let word = if report.ok { pen.paint(Style::Good, "sound") } else { pen.paint(Style::Bad, "damaged") };
    let mut out = format!(
        "{} {word}\n{} records in {} segments, {} verified\n",
        pen.paint(Style::Bold, &report.folder),
        report.records,
        report.segments,
        Bytes::new(report.verified_bytes)
    );
    if report.unsealed > 0 {
        let text = format!("{} without a footer: a process ended without closing it\n", report.unsealed);
        out.push_str(&pen.paint(Style::Dim, &text));
    }
    if !report.damaged.is_empty() {
        let columns = [
            ("file", Align::Left),
            ("offset", Align::Right),
            ("block", Align::Left),
            ("does not verify", Align::Left),
        ];
        let mut table = Table::new(columns);
        for damage in &report.damaged {
            table.row([
                damage.file.as_str().into(),
                damage.offset.to_string().into(),
                damage.block.as_deref().unwrap_or("-").into(),
                damage.what.as_str().into(),
            ]);
        }
        out.push('\n');
        out.push_str(&table.draw(pen));
    }
    out
}
