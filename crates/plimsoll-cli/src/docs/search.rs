//! `plimsoll docs search`: passages that answer a question.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use plimsoll::Bytes;
use plimsoll_docs::{Library, Match, Query};
use serde::Serialize;

use super::budget;
use crate::draw::{Pen, Style, wrap};
use crate::{CliError, Printer};

/// What can be typed after `docs search`.
#[derive(Clone, Debug, clap::Args)]
pub struct SearchArgs {
    /// The folder of the library
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,
    /// The question
    #[arg(value_name = "QUESTION", required = true)]
    pub question: Vec<String>,
    /// How many passages
    #[arg(short, long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub k: u16,
    /// The most memory that it may take
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
}

/// What `plimsoll docs search --json` prints.
///
/// ```json
/// { "question": "who", "seconds": 0.001, "passages": [{ "passage": 7, "score": 3.1, "document": 2, "name": "a.md",
///   "kind": "markdown", "ordinal": 0, "at": [0, 120], "heading": "Lines", "text": "…" }] }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct SearchReport {
    /// The question.
    pub question: String,
    /// How long it took.
    pub seconds: f64,
    /// The passages, the best first.
    pub passages: Vec<Match>,
}

/// Searches.
pub fn run(args: &SearchArgs, printer: &Printer) -> Result<(), CliError> {
    let library = Library::open(&args.library, &budget::account(args.memory)?)?;
    let question = args.question.join(" ");
    let began = Instant::now();
    let passages = library.search(&Query::words(&question, args.k.into()))?;
    let seconds = began.elapsed().as_secs_f64();
    printer.report(&SearchReport { question, seconds, passages }, view)
}

/// Draws the report: each passage with where it stands.
pub fn view(report: &SearchReport, pen: &Pen) -> String {
    let mut out = String::new();
    for (number, found) in report.passages.iter().enumerate() {
        let name = pen.paint(Style::Bold, &format!("[{}] {}", number + 1, found.name));
        let mut place = String::new();
        if let Some(page) = found.page {
            let _ = write!(place, ", page {page}");
        }
        if let Some(record) = &found.record {
            let _ = write!(place, ", record {record}");
        }
        if let Some(heading) = &found.heading {
            let _ = write!(place, ", {heading}");
        }
        if found.page.is_none() {
            let _ = write!(place, ", bytes {} to {}", found.at.start, found.at.end);
        }
        let aside = format!("{place} ({:.2})", found.score);
        let _ = writeln!(out, "{name}{}", pen.paint(Style::Dim, &aside));
        for line in found.text.lines() {
            // Programs keep their indentation.
            let indent = &line[..line.len() - line.trim_start().len()];
            for line in wrap(line, pen.width.saturating_sub(2 + indent.len()).max(20)) {
                let _ = writeln!(out, "  {indent}{line}");
            }
        }
        out.push('\n');
    }
    let found = if report.passages.is_empty() { "nothing was found" } else { "found" };
    let line = format!("{found} in {:.1} ms", report.seconds * 1e3);
    let _ = writeln!(out, "{}", pen.paint(Style::Dim, &line));
    out
}
