//! `plimsoll vec info`: what an index is and takes.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_vec::index::{Compaction, Index, IndexFacts, ListFacts};
use serde::Serialize;

use super::{CompactionReport, budget};
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

/// What can be typed after `vec info`.
#[derive(Clone, Debug, clap::Args)]
pub struct InfoArgs {
    /// The folder of the index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
}

/// What `plimsoll vec info --json` prints.
///
/// ```json
/// { "index": "index", "dimension": 768, "metric": "l2", "codec": "int8", "reduced": null, "originals": true,
///   "vectors": 1000, "dead": 0, "young": 0, "disk_bytes": 1, "memory_bytes": 1,
///   "lists": { "count": 512, "largest": 90, "empty": 0, "outside": 0, "expected": [[1, 0.71], [4, 0.97]] },
///   "compaction": { "segments": 2, "into": 1, "rows": 1000, "dead": 20, "needs_bytes": 1, "wins_bytes": 1, "peak_bytes": 1 },
///   "segments": [{ "number": 1, "rows": 1000, "dead": 0, "disk_bytes": 1 }] }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct InfoReport {
    /// The folder.
    pub index: String,
    /// Numbers of a vector.
    pub dimension: usize,
    /// What near means.
    pub metric: String,
    /// How vectors are kept.
    pub codec: String,
    /// How many numbers they are reduced to before; null where they are kept as long as they are.
    pub reduced: Option<usize>,
    /// Whether they are also kept as they came.
    pub originals: bool,
    /// Vectors that live.
    pub vectors: u64,
    /// Rows that are dead and still take room.
    pub dead: u64,
    /// Vectors that are in the log only.
    pub young: u64,
    /// What it takes on disk.
    pub disk_bytes: u64,
    /// What it takes in memory when it is open.
    pub memory_bytes: u64,
    /// Its lists; null where it has none.
    pub lists: Option<ListsReport>,
    /// What `vec compact` would do; null where it would win nothing.
    pub compaction: Option<CompactionReport>,
    /// Its segments.
    pub segments: Vec<SegmentReport>,
}

/// Lists that vectors are divided into.
#[derive(Clone, Debug, Serialize)]
pub struct ListsReport {
    /// How many.
    pub count: usize,
    /// Rows of the largest.
    pub largest: u64,
    /// How many have no row.
    pub empty: usize,
    /// Rows in no list, which every search looks at.
    pub outside: u64,
    /// How many lists were found to hold which share of the nearest.
    pub expected: Vec<(u32, f64)>,
}

impl ListsReport {
    fn new(facts: &ListFacts) -> Self {
        Self {
            count: facts.count,
            largest: facts.largest,
            empty: facts.empty,
            outside: facts.outside,
            expected: facts.expected.iter().map(|one| (one.lists, one.recall())).collect(),
        }
    }
}

/// One segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    /// Its number.
    pub number: u64,
    /// Its rows.
    pub rows: u64,
    /// Of them, the dead.
    pub dead: u64,
    /// What it takes on disk.
    pub disk_bytes: u64,
}

impl InfoReport {
    /// The report of an index.
    pub fn new(index: String, facts: &IndexFacts, compaction: Option<&Compaction>) -> Self {
        let segments = facts.segments.iter().map(|segment| SegmentReport {
            number: segment.number,
            rows: segment.rows,
            dead: segment.dead,
            disk_bytes: segment.disk.get(),
        });
        Self {
            index,
            dimension: facts.shape.dimension,
            metric: facts.shape.metric.to_string(),
            codec: facts.shape.codec.to_string(),
            reduced: facts.shape.reduced,
            originals: facts.shape.originals,
            vectors: facts.vectors,
            dead: facts.dead,
            young: facts.young,
            disk_bytes: facts.disk.get(),
            memory_bytes: facts.memory.get(),
            lists: facts.lists.as_ref().map(ListsReport::new),
            compaction: compaction.map(CompactionReport::new),
            segments: segments.collect(),
        }
    }
}

/// Prints what an index is.
pub fn run(args: &InfoArgs, printer: &Printer) -> Result<(), CliError> {
    let index = Index::open(&args.index, &budget::account(None)?)?;
    let compaction = index.compaction()?;
    let name = args.index.display().to_string();
    printer.report(&InfoReport::new(name, &index.facts(), compaction.as_ref()), view)
}

/// Draws the report.
pub fn view(report: &InfoReport, pen: &Pen) -> String {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let mut out = format!("{}\n\n", pen.paint(Style::Bold, &report.index));
    let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Left)]);
    let mut row = |name: &str, value: String, aside: String| {
        table.row([name.into(), value.into(), Cell::new(Style::Dim, aside)]);
    };
    row("vectors", report.vectors.to_string(), format!("of {} numbers", report.dimension));
    let originals = if report.originals { "originals beside them" } else { "no originals" };
    row("codec", report.codec.clone(), originals.to_owned());
    if let Some(numbers) = report.reduced {
        row("reduced", numbers.to_string(), "numbers of each, which the codec keeps".to_owned());
    }
    row("metric", report.metric.clone(), String::new());
    row("dead", report.dead.to_string(), "deleted and not given back".to_owned());
    if let Some(said) = &report.compaction {
        let aside = format!("back with `vec compact`, which writes {}", bytes(said.needs_bytes));
        row("to be won", bytes(said.wins_bytes), aside);
    }
    row("in the log", report.young.to_string(), "added since the last segment".to_owned());
    row("on disk", bytes(report.disk_bytes), String::new());
    row("in memory", bytes(report.memory_bytes), "when open, without codes that stay".to_owned());
    if let Some(lists) = &report.lists {
        let even = report.vectors / lists.count.max(1) as u64;
        row(
            "lists",
            lists.count.to_string(),
            format!("{even} vectors each, {} the largest, {} empty", lists.largest, lists.empty),
        );
        for wanted in [0.9, 0.95, 0.99] {
            if let Some((probes, found)) = lists.expected.iter().find(|(_, found)| *found >= wanted) {
                let aside = format!("lists to find {:.1}% of the nearest", found * 100.0);
                row(&format!("for {wanted}"), probes.to_string(), aside);
            }
        }
    }
    out.push_str(table.draw(pen).trim_start_matches('\n'));
    if !report.segments.is_empty() {
        let columns = [
            ("segment", Align::Right),
            ("rows", Align::Right),
            ("dead", Align::Right),
            ("takes", Align::Right),
        ];
        let mut table = Table::new(columns);
        for segment in &report.segments {
            table.row([
                segment.number.to_string().into(),
                segment.rows.to_string().into(),
                segment.dead.to_string().into(),
                bytes(segment.disk_bytes).into(),
            ]);
        }
        out.push('\n');
        out.push_str(&table.draw(pen));
    }
    out
}
