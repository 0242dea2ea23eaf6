//! `plimsoll vec build`: a file of vectors becomes an index.

use std::path::PathBuf;

use plimsoll::{Bytes, EngineAccount};
use plimsoll_vec::index::{BuildReport, Index, Lists, Shape};
use plimsoll_vec::input::Input;
use plimsoll_vec::neural::{Reduction, Weights};
use plimsoll_vec::{Codec, Metric};
use serde::Serialize;

use super::precision::{self, Allowed, Chosen};
use super::progress::Progress;
use super::{Columns, budget, numbers};
use crate::draw::{Pen, Style};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll vec build vectors.npy --into index                      as they are, exactly
  plimsoll vec build vectors.npy --into index --codec int8         a quarter of it, originals on disk
  plimsoll vec build vectors.npy --into index --codec pq8          a sixtieth: search with --again 20
  plimsoll vec build vectors.npy --into index --codec auto --memory 1GiB
                                                                   the most precise codes that a search finds in 1 GiB
  plimsoll vec build vectors.npy --into index --lists auto         searches look into few of many lists
  plimsoll vec build vectors.fvecs --into index --memory 200MiB    never more than that
  plimsoll vec build vectors.npy --into index --reduce codec.safetensors --codec int8
                                                                   as fewer numbers, which `vec train-codec` has learnt
  plimsoll vec build rows.parquet --into index --vector-column e   a column of a table

Files: .npy (float16, float32, float64, int8, uint8), .fvecs, .bvecs, lines of JSON: [0.1, …] or
{\"id\": 7, \"vector\": [0.1, …]}, and, in a program built with the feature arrow, .parquet, .arrow and .feather: a column of
lists of numbers, and one of ids if there is one.";

/// What can be typed after `vec build`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BuildArgs {
    /// The vectors
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// The folder of the index, which must not be there yet, or be empty
    #[arg(long, value_name = "INDEX")]
    pub into: PathBuf,
    /// How vectors are kept: f32, f16, bf16, int8, int8a, int4, binary, planes, and pq2, pq4, pq8, which learn from the file
    /// first: half a byte for two, four and eight numbers. Of several, as f16,int8,int4, the first whose codes all stay in --memory
    /// while they are searched; auto takes them from the best to the smallest, as `plimsoll plan index` has them
    #[arg(long, default_value = "f32", value_name = "CODEC|auto")]
    pub codec: Allowed,
    /// What near means: l2, ip, cosine, hamming
    #[arg(long, default_value = "l2")]
    pub metric: Metric,
    /// Do not keep the vectors as they came; then candidates cannot be looked at again
    #[arg(long)]
    pub no_originals: bool,
    /// Divide vectors into so many lists, of which a search looks into few; auto takes about 4 √n
    #[arg(long, value_name = "auto|N")]
    pub lists: Option<Lists>,
    /// Reduce vectors to fewer numbers before they are kept, as this neural codec does (see `vec train-codec`); not with
    /// hamming
    #[arg(long, value_name = "SAFETENSORS")]
    pub reduce: Option<PathBuf>,
    /// Ids of the vectors, as text
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// Columns of a table
    #[command(flatten)]
    pub columns: Columns,
    /// The most memory that building may take
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
}

/// What `plimsoll vec build --json` and `vec add --json` print.
///
/// ```json
/// { "index": "index", "vectors": 1000, "seconds": 0.5, "vectors_per_second": 2000.0,
///   "lists": 0, "predicted_peak_bytes": 1, "peak_bytes": 1, "disk_bytes": 1,
///   "chosen": { "codec": "int8", "stays": true, "recall": [0.97, 1.0], "recall_again": [0.995, 1.0] } }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct BuildJson {
    /// The folder.
    pub index: String,
    /// Vectors that were taken in.
    pub vectors: u64,
    /// How long it took.
    pub seconds: f64,
    /// The rate.
    pub vectors_per_second: f64,
    /// Lists that they lie in; 0 where the index has none.
    pub lists: usize,
    /// What was predicted of memory.
    pub predicted_peak_bytes: u64,
    /// The most that was charged.
    pub peak_bytes: u64,
    /// What they take on disk.
    pub disk_bytes: u64,
    /// The codec, where it was chosen by what memory has room for.
    pub chosen: Option<Chosen>,
}

impl BuildJson {
    /// The report of what was built.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn new(index: String, report: &BuildReport) -> Self {
        let seconds = report.took.as_secs_f64();
        Self {
            index,
            vectors: report.vectors,
            seconds,
            vectors_per_second: report.vectors as f64 / seconds.max(1e-9),
            lists: report.lists,
            predicted_peak_bytes: report.predicted.get(),
            peak_bytes: report.peak.get(),
            disk_bytes: report.disk.get(),
            chosen: None,
        }
    }
}

/// Builds.
pub fn run(args: &BuildArgs, printer: &Printer) -> Result<(), CliError> {
    let account = budget::account(args.memory)?;
    let origin = args.columns.of(&args.input);
    let facts = Input::facts_of(origin).map_err(plimsoll_vec::index::VecError::from)?;
    let reduction = reduction(args, &account)?;
    let any = Shape {
        dimension: facts.dimension,
        metric: args.metric,
        codec: Codec::F32,
        originals: !args.no_originals,
        lists: args.lists,
        reduced: reduction.as_ref().map(|reduction| reduction.weights().shape().latent),
    };
    let memory = args.memory.unwrap_or_else(crate::budget::half);
    let (codec, chosen) = precision::choose(&args.codec, any, facts.rows, memory)?;
    if let Some(chosen) = &chosen {
        printer.note(&chosen.line(memory));
    }
    // Exact codes are originals, but not of what was reduced.
    let originals = !args.no_originals && (codec != Codec::F32 || reduction.is_some());
    let shape = Shape { codec, originals, reduced: None, ..any };
    let ids = args.ids.as_deref().map(numbers::ids).transpose()?;
    let there = args.into.exists();
    let index = match &reduction {
        Some(reduction) => Index::create_reduced(&args.into, shape, reduction, &account)?,
        None => Index::create(&args.into, shape, &account)?,
    };
    // What was read of weights is in the index.
    drop(reduction);
    let progress = Progress::new(facts.rows);
    let built = index.build(origin, ids, |built| progress.at(built));
    drop(progress);
    let report = match built {
        Ok(report) => report,
        Err(error) => {
            // The next try would find it there.
            index.discard();
            if !there {
                let _ = std::fs::remove_dir(&args.into);
            }
            return Err(error.into());
        }
    };
    let report = BuildJson::new(args.into.display().to_string(), &report);
    printer.report(&BuildJson { chosen, ..report }, view)
}

/// What vectors are reduced by, if that was asked for.
fn reduction(args: &BuildArgs, account: &EngineAccount) -> Result<Option<Reduction>, CliError> {
    let Some(codec) = &args.reduce else { return Ok(None) };
    Ok(Some(Weights::read(codec, account)?.orthonormal(account)?))
}

/// Draws the report.
pub fn view(report: &BuildJson, pen: &Pen) -> String {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    format!(
        "{}  {} vectors{} in {:.2} s ({:.0}/s), {} on disk\n{}\n",
        pen.paint(Style::Bold, &report.index),
        report.vectors,
        if report.lists > 0 { format!(" in {} lists,", report.lists) } else { String::new() },
        report.seconds,
        report.vectors_per_second,
        bytes(report.disk_bytes),
        pen.paint(
            Style::Dim,
            &format!(
                "memory: {} at most, {} predicted",
                bytes(report.peak_bytes),
                bytes(report.predicted_peak_bytes)
            )
        ),
    )
}
