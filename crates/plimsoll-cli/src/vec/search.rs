//! `plimsoll vec search`: the nearest vectors of each query.

use std::fmt::Write as _;
use std::path::PathBuf;

use plimsoll::{Bytes, Place};
use plimsoll_vec::index::{Answer, Index, Lowered, Probe, Search, VecError};
use plimsoll_vec::input::{Origin, npy_head};
use serde::Serialize;

use super::{budget, numbers, precision};
use crate::draw::{Align, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll vec search index queries.npy                  the ten nearest of each
  plimsoll vec search index queries.npy -k 100 --again 4 look at 400 candidates again, as they came
  plimsoll vec search index queries.npy --recall 0.99    as many lists as that takes, if the index has lists
  plimsoll vec search index queries.npy --memory 64MiB   in passes over what does not fit
  plimsoll vec search index queries.npy --device cuda:0  on a GPU: codes stay in its memory, or stream to it
  plimsoll vec search index queries.npy --dry-run        only say what it would take

Queries are files like those that indexes are built from.";

/// What can be typed after `vec search`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SearchArgs {
    /// The folder of the index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
    /// The queries
    #[arg(value_name = "FILE")]
    pub queries: PathBuf,
    /// Of a Parquet or Arrow file: the column of queries; the only one there is, or vector, embedding or values, unless said
    #[arg(long, value_name = "NAME")]
    pub vector_column: Option<String>,
    /// How many of the nearest
    #[arg(short, long, value_name = "K", default_value_t = 10)]
    pub k: usize,
    /// So many times as many candidates are looked at again with the vectors as they came
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub again: u64,
    /// With codec planes: rows that their signs leave to each query, to be looked at with all four bits; 0 takes twenty
    /// times K, and at least 200
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub signs: usize,
    /// Look into so many lists, if the index has lists
    #[arg(long, value_name = "LISTS", conflicts_with = "recall")]
    pub probe: Option<usize>,
    /// Look into as many lists as were found to hold this share of the nearest; 1 looks at everything
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub recall: f64,
    /// Only these ids may be found: a file of them, as text
    #[arg(long, value_name = "FILE")]
    pub allow: Option<PathBuf>,
    /// The most memory that the search may take
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Threads; all that the machine has, unless said
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Search on this device (`cuda:0`, `gpu:0`): all codecs but product quantization; lists are looked into by CUDA, and
    /// elsewhere every code is looked at
    #[arg(long, value_name = "PLACE")]
    pub device: Option<Place>,
    /// Where memory has not room enough: leave the second look out, and of planes rows that their signs leave, if that
    /// takes fewer passes
    #[arg(long, conflicts_with = "device")]
    pub allow_lower: bool,
    /// The most of the device's memory that the search may take; nine tenths of what is free, unless said
    #[arg(long, value_name = "SIZE", requires = "device")]
    pub device_memory: Option<Bytes>,
    /// Say what it would take, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the ids as a .npy file of int64, a row a query; −1 where there are fewer
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What `plimsoll vec search --json` prints.
///
/// ```json
/// { "k": 1, "answers": [[{ "id": 7, "distance": 0.5 }]],
///   "predicted": { "passes": 0, "queries_a_pass": 1, "kept_bytes": 1, "streamed_bytes": 0, "read_bytes": 1,
///                  "lower_bytes": 0, "peak_bytes": 1, "lists": 4, "of_lists": 512, "recall": 0.95,
///                  "codec_recall": [0.97, 1.0], "seconds": 0.1, "device": null, "device_peak_bytes": null },
///   "measured": { "seconds": 0.1, "passes": 0, "read_bytes": 1, "lower_bytes": 0, "again_bytes": 0,
///                 "peak_bytes": 1, "device_peak_bytes": 0 } }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct SearchReport {
    /// How many were asked for.
    pub k: usize,
    /// The nearest of each query, nearest first.
    pub answers: Vec<Vec<Found>>,
    /// What was said beforehand.
    pub predicted: Predicted,
    /// What came of it; none of a dry run.
    pub measured: Option<Took>,
}

/// A vector that was found.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Found {
    /// Its id.
    pub id: u64,
    /// How far it is.
    pub distance: f32,
}

/// What a search would take.
#[derive(Clone, Debug, Serialize)]
pub struct Predicted {
    /// Passes over what is on disk; none where all codes are in memory.
    pub passes: u64,
    /// Queries that share one.
    pub queries_a_pass: usize,
    /// Codes that stay in memory.
    pub kept_bytes: u64,
    /// Codes that each pass reads.
    pub streamed_bytes: u64,
    /// Codes that are read altogether.
    pub read_bytes: u64,
    /// Lower planes that are read of what the signs leave, about.
    pub lower_bytes: u64,
    /// The most memory.
    pub peak_bytes: u64,
    /// Lists that each query looks into; none where it looks at everything.
    pub lists: Option<usize>,
    /// Of so many.
    pub of_lists: Option<usize>,
    /// The share of the nearest that was found in so many lists when the index was built.
    pub recall: Option<f64>,
    /// The share of the ten nearest that such codes are expected to find of what is looked at, from and to: what other vectors
    /// gave, as `plimsoll plan index` has it, and no promise. None where signs are counted.
    pub codec_recall: Option<[f64; 2]>,
    /// About how long it takes, by a trial of a little of it; none where nothing was there to try, or a device looks.
    pub seconds: Option<f64>,
    /// The device that looks; none where the host does.
    pub device: Option<String>,
    /// The most of its memory.
    pub device_peak_bytes: Option<u64>,
}

/// What a search took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Took {
    /// How long.
    pub seconds: f64,
    /// Passes.
    pub passes: u64,
    /// Codes that were read.
    pub read_bytes: u64,
    /// Lower planes that were read of what the signs left.
    pub lower_bytes: u64,
    /// Originals of candidates that were read.
    pub again_bytes: u64,
    /// The most memory that was charged.
    pub peak_bytes: u64,
    /// The most of the device's memory that was charged.
    pub device_peak_bytes: u64,
}

/// Searches.
pub fn run(args: &SearchArgs, printer: &Printer) -> Result<(), CliError> {
    let account = match args.device {
        Some(place) => budget::account_with(args.memory, place, args.device_memory)?,
        None => budget::account(args.memory)?,
    };
    let index = Index::open(&args.index, &account)?;
    let origin = Origin { vector: args.vector_column.as_deref(), ..Origin::from(&args.queries) };
    let vectors = numbers::vectors(origin, &account)?;
    let (dimension, queries) = (vectors.dimension, &vectors.numbers);
    if dimension != index.shape().dimension {
        return Err(VecError::Dimension { found: dimension, expected: index.shape().dimension }.into());
    }
    let search = Search {
        k: args.k,
        again: usize::try_from(args.again).unwrap_or(usize::MAX),
        signs: args.signs,
        allow: args.allow.as_deref().map(numbers::ids).transpose()?,
        threads: args.threads,
        probe: match args.probe {
            Some(lists) => Probe::Lists(lists),
            None => Probe::Recall(args.recall),
        },
    };
    let search =
        if args.allow_lower { lowered(&index, queries.len() / dimension, &search, printer)? } else { search };
    let mut device = args.device.map(|place| index.on_device(place)).transpose()?;
    let seconds = match device {
        Some(_) => None,
        None => index.expected_time(queries, &search)?.map(|time| time.as_secs_f64()),
    };
    let expected = precision::expected(&index.shape(), index.facts().vectors);
    let codec_recall = expected.map(|[alone, again]| if search.again > 1 { again } else { alone });
    let beside = |predicted: Predicted| Predicted { codec_recall, seconds, ..predicted };
    if args.dry_run {
        let count = queries.len() / dimension;
        let forecast = match &device {
            Some(device) => device.forecast(count, &search)?,
            None => index.forecast(count, &search)?,
        };
        let report = SearchReport {
            k: args.k,
            answers: Vec::new(),
            predicted: beside(Predicted::new(&forecast)),
            measured: None,
        };
        return printer.report(&report, view);
    }
    let answer = match &mut device {
        Some(device) => device.search(queries, &search)?,
        None => index.search(queries, &search)?,
    };
    if let Some(path) = &args.output {
        let written = std::fs::write(path, npy(&answer));
        written.map_err(|source| CliError::Write { path: path.clone(), source })?;
    }
    let report = SearchReport::new(&answer);
    printer.report(&SearchReport { predicted: beside(report.predicted), ..report }, view)
}

/// The search that memory has room for, and a note of what was left out.
fn lowered(index: &Index, queries: usize, search: &Search, printer: &Printer) -> Result<Search, CliError> {
    let (search, lowered) = index.lowered(queries, search)?;
    match lowered {
        Lowered::Nothing => {}
        Lowered::Again => {
            printer.note("memory has no room for a second look in so few passes: it is left out");
        }
        Lowered::Signs => printer.note(
            "memory has no room for so many rows of planes: their signs leave four for each that is wanted",
        ),
    }
    Ok(search)
}

impl Predicted {
    fn new(forecast: &plimsoll_vec::index::Forecast) -> Self {
        Self {
            passes: forecast.passes,
            queries_a_pass: forecast.queries_a_pass,
            kept_bytes: forecast.kept.get(),
            streamed_bytes: forecast.streamed.get(),
            read_bytes: forecast.read.get(),
            lower_bytes: forecast.lower.get(),
            peak_bytes: forecast.charged().get(),
            lists: forecast.lists.map(|probed| probed.lists),
            of_lists: forecast.lists.map(|probed| probed.of),
            recall: forecast.lists.and_then(plimsoll_vec::index::Probed::recall),
            codec_recall: None,
            seconds: None,
            device: forecast.device.map(|share| share.place.to_string()),
            device_peak_bytes: forecast.device.map(|share| share.peak.get()),
        }
    }
}

impl SearchReport {
    /// The report of an answer.
    pub fn new(answer: &Answer) -> Self {
        let queries = answer.ids.len() / answer.k.max(1);
        let found = |query| answer.of(query).map(|(id, distance)| Found { id, distance }).collect();
        let measured = answer.measured;
        Self {
            k: answer.k,
            answers: (0..queries).map(found).collect(),
            predicted: Predicted::new(&answer.forecast),
            measured: Some(Took {
                seconds: measured.took.as_secs_f64(),
                passes: measured.passes,
                read_bytes: measured.read.get(),
                lower_bytes: measured.lower.get(),
                again_bytes: measured.again.get(),
                peak_bytes: measured.peak.get(),
                device_peak_bytes: measured.device_peak.get(),
            }),
        }
    }
}

/// Ids as `NumPy` reads them. The id of no vector is −1 as a signed number.
fn npy(answer: &Answer) -> Vec<u8> {
    let rows = answer.ids.len() / answer.k.max(1);
    let mut bytes = npy_head("<i8", rows as u64, answer.k);
    bytes.extend(answer.ids.iter().flat_map(|id| id.to_le_bytes()));
    bytes
}

/// Draws the report: a row a query, its nearest first.
pub fn view(report: &SearchReport, pen: &Pen) -> String {
    const SHOWN: usize = 5;
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let mut out = String::new();
    if report.measured.is_some() {
        let mut table = Table::new([("query", Align::Right), ("nearest: id (distance)", Align::Left)]);
        for (query, found) in report.answers.iter().enumerate() {
            let mut text = String::new();
            for one in found.iter().take(SHOWN) {
                let _ = write!(text, "{} ({:.4})  ", one.id, one.distance);
            }
            if found.len() > SHOWN {
                let _ = write!(text, "and {} more", found.len() - SHOWN);
            }
            table.row([query.to_string().into(), text.trim_end().into()]);
        }
        out.push_str(&table.draw(pen));
        out.push('\n');
    }
    let said = &report.predicted;
    let way = match (said.passes, &said.device) {
        (0, None) => "all codes in memory".to_owned(),
        (0, Some(device)) => format!("all codes on {device}"),
        (passes, _) => format!(
            "{passes} passes of {} over the disk, {} kept",
            bytes(said.streamed_bytes),
            bytes(said.kept_bytes)
        ),
    };
    let lists = match (said.lists, said.of_lists) {
        (Some(lists), Some(of)) => {
            let recall =
                said.recall.map(|recall| format!(", recall {recall:.3} expected")).unwrap_or_default();
            format!("; {lists} of {of} lists{recall}")
        }
        _ => String::new(),
    };
    let there = |peak: Option<u64>| match (&said.device, peak) {
        (Some(device), Some(peak)) => format!(", {} of {device}", bytes(peak)),
        _ => String::new(),
    };
    let time = said.seconds.map(|seconds| format!("about {seconds:.3} s; ")).unwrap_or_default();
    let codes = match said.codec_recall {
        Some([from, to]) if from < to => format!("; codes find {from:.2} to {to:.2} elsewhere"),
        _ => String::new(),
    };
    let line = format!(
        "predicted: {} of memory{}, {} read; {time}{way}{lists}{codes}",
        bytes(said.peak_bytes),
        there(said.device_peak_bytes),
        bytes(said.read_bytes + said.lower_bytes)
    );
    let _ = writeln!(out, "{}", pen.paint(Style::Dim, &line));
    if let Some(took) = report.measured {
        let line = format!(
            "measured:  {} of memory{}, {} read; {:.3} s",
            bytes(took.peak_bytes),
            there(Some(took.device_peak_bytes)),
            bytes(took.read_bytes + took.lower_bytes + took.again_bytes),
            took.seconds
        );
        let _ = writeln!(out, "{}", pen.paint(Style::Dim, &line));
    }
    out
}
