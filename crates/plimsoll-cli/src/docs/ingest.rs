//! `plimsoll docs ingest`: files into a library.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plimsoll::Bytes;
use plimsoll_docs::passage::Chunking;
use plimsoll_docs::source::Kind;
use plimsoll_docs::{DocsError, IngestReport, IngestSettings, Library};
use serde::Serialize;

use super::budget;
use super::progress::Bar;
use crate::draw::{Pen, Style};
use crate::{CliError, Printer, interrupt};

/// What can be typed after `docs ingest`.
#[derive(Clone, Debug, clap::Args)]
pub struct IngestArgs {
    /// Files and folders; what a folder's .gitignore leaves out is left out
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// The folder of the library; made if it is not there
    #[arg(long, value_name = "LIBRARY")]
    pub into: PathBuf,
    /// What all files are, whatever they look like: plain, markdown, html, pdf, code, jsonl
    #[arg(long, value_name = "KIND")]
    pub kind: Option<Kind>,
    /// Bytes of a passage at most
    #[arg(long, value_name = "N", default_value_t = Chunking::default().most)]
    pub passage: usize,
    /// Bytes that a passage may repeat of the one before
    #[arg(long, value_name = "N", default_value_t = Chunking::default().overlap)]
    pub overlap: usize,
    /// Keep passages alone, without their words: half the room and more than half the time, and they cannot be searched by words
    #[arg(long)]
    pub no_words: bool,
    /// The most memory that it may take
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Threads that pack and index; all that the machine has, unless said
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Seconds after which what was read counts, so that a kill loses no more
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub counts_every: u64,
}

/// What `plimsoll docs ingest --json` prints.
///
/// ```json
/// { "library": "library", "documents": 12, "unchanged": 3, "duplicates": 1, "left": 1,
///   "left_out": [{ "path": "a.png", "why": "it is not text" }], "bytes": 1, "passages": 1, "replaced": 0, "skipped": 0,
///   "seconds": 0.1, "bytes_per_second": 1.0, "paused_seconds": 0.0, "stopped": false,
///   "has_documents": 15, "has_passages": 1, "disk_bytes": 1, "peak_bytes": 1 }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct IngestJson {
    /// The folder.
    pub library: String,
    /// Documents that are whole now and were not before.
    pub documents: u64,
    /// Files that are as they were.
    pub unchanged: u64,
    /// Files that say what another document says.
    pub duplicates: u64,
    /// Files that were left out.
    pub left: u64,
    /// The first thousand of them.
    pub left_out: Vec<LeftJson>,
    /// Bytes that were read.
    pub bytes: u64,
    /// Passages that were made.
    pub passages: u64,
    /// Bytes that were no text and were replaced.
    pub replaced: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// How long it took.
    pub seconds: f64,
    /// Bytes of that a second.
    pub bytes_per_second: f64,
    /// How long of that it stood still for other programs.
    pub paused_seconds: f64,
    /// Whether it was told to stop.
    pub stopped: bool,
    /// Documents that the library has.
    pub has_documents: u64,
    /// Passages that it has.
    pub has_passages: u64,
    /// What it takes on disk.
    pub disk_bytes: u64,
    /// The most memory that was charged.
    pub peak_bytes: u64,
}

/// A file that was left out.
#[derive(Clone, Debug, Serialize)]
pub struct LeftJson {
    /// Which.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Opens a library to be written, or makes one.
fn library(args: &IngestArgs, account: &plimsoll::EngineAccount) -> Result<Library, CliError> {
    match Library::open_to_write(&args.into, account) {
        Err(DocsError::NoLibrary { .. }) => Ok(Library::create(&args.into, !args.no_words, account)?),
        opened => Ok(opened?),
    }
}

/// Takes files in.
pub fn run(args: &IngestArgs, printer: &Printer) -> Result<(), CliError> {
    let (account, _watch) = budget::watched(args.memory)?;
    for path in &args.paths {
        // Told before anything is made.
        std::fs::metadata(path).map_err(|source| CliError::Read { path: path.clone(), source })?;
    }
    let library = library(args, &account)?;
    let settings = IngestSettings {
        chunking: Chunking { most: args.passage, overlap: args.overlap },
        kind: args.kind,
        below: None,
        threads: args.threads,
        counts_every: Duration::from_secs(args.counts_every),
    };
    let bar = Bar::new();
    let stop = interrupt::flag();
    let report = library.ingest(&args.paths, &settings, &mut |progress| {
        bar.at(progress);
        !stop.load(Ordering::Relaxed)
    })?;
    drop(bar);
    let json = IngestJson::new(args.into.display().to_string(), &report, &library);
    printer.report(&json, view)
}

impl IngestJson {
    /// The report of what was taken in.
    pub fn new(name: String, report: &IngestReport, library: &Library) -> Self {
        let facts = library.facts();
        let left = |one: &plimsoll_docs::LeftOut| LeftJson {
            path: one.path.display().to_string(),
            why: one.why.clone(),
        };
        let seconds = report.took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = report.bytes as f64 / seconds.max(1e-9);
        Self {
            library: name,
            documents: report.documents,
            unchanged: report.unchanged,
            duplicates: report.duplicates,
            left: report.left,
            left_out: report.left_out.iter().map(left).collect(),
            bytes: report.bytes,
            passages: report.passages,
            replaced: report.replaced,
            skipped: report.skipped,
            seconds,
            bytes_per_second: rate,
            paused_seconds: report.paused.as_secs_f64(),
            stopped: report.stopped,
            has_documents: facts.documents,
            has_passages: facts.passages - facts.dead,
            disk_bytes: facts.disk.get(),
            peak_bytes: library.account().peak(plimsoll::Place::Host).get(),
        }
    }
}

/// Draws the report.
pub fn view(report: &IngestJson, pen: &Pen) -> String {
    const SHOWN: usize = 10;
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}  {} documents, {} passages, {} on disk",
        pen.paint(Style::Bold, &report.library),
        report.has_documents,
        report.has_passages,
        bytes(report.disk_bytes)
    );
    let mut said = format!("{} taken in", report.documents);
    for (count, what) in [
        (report.unchanged, "as they were"),
        (report.duplicates, "said the same as others"),
        (report.left, "left out"),
    ] {
        if count > 0 {
            let _ = write!(said, ", {count} {what}");
        }
    }
    let _ = writeln!(out, "{said}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
    let rate = bytes(report.bytes_per_second as u64);
    let line = format!(
        "{} read in {:.2} s ({rate}/s), {} of memory at most",
        bytes(report.bytes),
        report.seconds,
        bytes(report.peak_bytes)
    );
    let _ = writeln!(out, "{}", pen.paint(Style::Dim, &line));
    for (count, what) in [
        (report.replaced, "bytes were no text and were replaced"),
        (report.skipped, "records could not be read"),
    ] {
        if count > 0 {
            let _ = writeln!(out, "{}", pen.paint(Style::Warn, &format!("{count} {what}")));
        }
    }
    for left in report.left_out.iter().take(SHOWN) {
        let _ = writeln!(out, "{}", pen.paint(Style::Dim, &format!("left out: {}: {}", left.path, left.why)));
    }
    if report.left_out.len() > SHOWN {
        let _ = writeln!(
            out,
            "{}",
            pen.paint(Style::Dim, &format!("and {} more (--json has them)", report.left_out.len() - SHOWN))
        );
    }
    if report.stopped {
        let _ = writeln!(out, "stopped; the same command goes on from here");
    }
    out
}
