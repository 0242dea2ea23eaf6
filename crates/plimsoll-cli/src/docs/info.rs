//! `plimsoll docs info`: what a library has and takes.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_docs::{Document, Library, State};
use serde::Serialize;

use super::budget;
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

/// What can be typed after `docs info`.
#[derive(Clone, Debug, clap::Args)]
pub struct InfoArgs {
    /// The folder of the library
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,
    /// List its documents too
    #[arg(long)]
    pub documents: bool,
}

/// What `plimsoll docs info --json` prints.
///
/// ```json
/// { "library": "library", "documents": 12, "unfinished": 0, "passages": 400, "dead": 3, "parts": 2, "disk_bytes": 1,
///   "memory_bytes": 1, "vectors": { "model": "qwen", "dimension": 384, "passages": 400 },
///   "list": [{ "id": 1, "name": "a.md", "kind": "markdown", "bytes": 1, "passages": 3, "whole": true }] }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct InfoReport {
    /// The folder.
    pub library: String,
    /// Documents that are whole.
    pub documents: u64,
    /// Documents that are read in part.
    pub unfinished: u64,
    /// Passages that can be found.
    pub passages: u64,
    /// Passages of documents that are gone.
    pub dead: u64,
    /// Parts.
    pub parts: usize,
    /// What it takes on disk.
    pub disk_bytes: u64,
    /// What it takes in memory when it is open.
    pub memory_bytes: u64,
    /// Its vectors; null where it has none.
    pub vectors: Option<VectorsJson>,
    /// Its documents; null where they were not asked for.
    pub list: Option<Vec<DocumentJson>>,
}

/// A library's vectors.
#[derive(Clone, Debug, Serialize)]
pub struct VectorsJson {
    /// The model that made them.
    pub model: String,
    /// Numbers of one.
    pub dimension: usize,
    /// Passages that have one.
    pub passages: u64,
}

/// A document.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentJson {
    /// Its number.
    pub id: u64,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its passages so far.
    pub passages: u64,
    /// Whether all of it is there.
    pub whole: bool,
}

impl From<&Document> for DocumentJson {
    fn from(document: &Document) -> Self {
        Self {
            id: document.id,
            name: document.name.clone(),
            kind: document.kind.to_string(),
            bytes: document.bytes,
            passages: document.passages,
            whole: document.state == State::Whole,
        }
    }
}

/// Prints what a library is.
pub fn run(args: &InfoArgs, printer: &Printer) -> Result<(), CliError> {
    let library = Library::open(&args.library, &budget::account(None)?)?;
    let facts = library.facts();
    let all = || library.list(0, usize::MAX).iter().map(DocumentJson::from).collect();
    let report = InfoReport {
        library: args.library.display().to_string(),
        documents: facts.documents,
        unfinished: facts.unfinished,
        passages: facts.passages - facts.dead,
        dead: facts.dead,
        parts: facts.parts,
        disk_bytes: facts.disk.get(),
        memory_bytes: facts.memory.get(),
        vectors: facts.vectors.map(|(model, dimension, passages)| VectorsJson { model, dimension, passages }),
        list: args.documents.then(all),
    };
    printer.report(&report, view)
}

/// Draws the report.
pub fn view(report: &InfoReport, pen: &Pen) -> String {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let mut out = format!("{}\n\n", pen.paint(Style::Bold, &report.library));
    let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Left)]);
    let mut row = |name: &str, value: String, aside: String| {
        table.row([name.into(), value.into(), Cell::new(Style::Dim, aside)]);
    };
    row("documents", report.documents.to_string(), format!("{} read in part", report.unfinished));
    row("passages", report.passages.to_string(), format!("{} of documents that are gone", report.dead));
    row("on disk", bytes(report.disk_bytes), format!("{} parts, vectors not included", report.parts));
    row("in memory", bytes(report.memory_bytes), "when open".to_owned());
    if let Some(vectors) = &report.vectors {
        row(
            "vectors",
            vectors.passages.to_string(),
            format!("{} numbers, by {}", vectors.dimension, vectors.model),
        );
    }
    out.push_str(table.draw(pen).trim_start_matches('\n'));
    if let Some(list) = &report.list {
        let columns = [
            ("id", Align::Right),
            ("kind", Align::Left),
            ("bytes", Align::Right),
            ("passages", Align::Right),
            ("name", Align::Left),
        ];
        let mut table = Table::new(columns);
        for one in list {
            let name = if one.whole { one.name.clone() } else { format!("{} (in part)", one.name) };
            let id = one.id.to_string();
            table.row([
                id.into(),
                one.kind.clone().into(),
                bytes(one.bytes).into(),
                one.passages.to_string().into(),
                name.into(),
            ]);
        }
        out.push('\n');
        out.push_str(&table.draw(pen));
    }
    out
}
