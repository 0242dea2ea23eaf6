//! `plimsoll vec bench`: how fast indexes are searched here, beside what memory and disk can do in the same run.

mod data;
mod device;
mod device_lists;
mod lists;
mod stand;
mod svg;
mod trial;
mod view;

use std::path::PathBuf;

pub(super) use data::Source;
pub(super) use device::pools;
use plimsoll::Place;
use plimsoll_vec::Codec;
use plimsoll_vec::index::Lists;
use serde::Serialize;

use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll vec bench --quick                 under 40 seconds
  plimsoll vec bench --rows 2000000          larger than any cache: 12 GB on disk, 6 GB of memory
  plimsoll vec bench --vectors base.npy --queries queries.npy
                                             real ones: what each codec finds among them
  plimsoll vec bench --within /mnt/nvme      on another disk
  plimsoll vec bench --device cuda:0         on a GPU: rows in its memory, and streamed to it; indexes in lists
  plimsoll vec bench --device cuda:0 --only lists --lists 1024
                                             lists there alone, and an index of signs
  plimsoll vec bench --codecs int8,int4      two codecs, and f32, which says what is right
  plimsoll vec bench --svg bench.svg         recall against queries a second, as a picture
  plimsoll vec bench --only lists --lists 1024 --leave peers
                                             lists alone, on vectors that others are measured with afterwards:
                                             crates/bench-compare/peers/vec.py peers --metric l2 \"faiss IVF\"

Vectors are near one of 1,000 centres, from a fixed seed, and so are queries, unless they are given; recall is of the ten nearest that f32 finds.";

/// What can be typed after `vec bench`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// Fewer vectors and turns: under 40 seconds
    #[arg(long)]
    pub quick: bool,
    /// Vectors of one's own (.npy, .fvecs, ...) instead of made ones; with `--queries`
    #[arg(long, value_name = "FILE", requires = "queries", conflicts_with_all = ["rows", "dimension", "leave", "device"])]
    pub vectors: Option<PathBuf>,
    /// The queries to them: the first hundred are asked
    #[arg(long, value_name = "FILE", requires = "vectors")]
    pub queries: Option<PathBuf>,
    /// How many vectors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10_000..=50_000_000))]
    pub rows: Option<u64>,
    /// Numbers of each
    #[arg(long, value_name = "N", default_value_t = 768, value_parser = clap::value_parser!(u64).range(8..=4096))]
    pub dimension: u64,
    /// The folder in which indexes are built, and removed again
    #[arg(long, value_name = "FOLDER")]
    pub within: Option<PathBuf>,
    /// Into how many lists vectors are divided where few are looked into
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    pub lists: Lists,
    /// Draw recall against queries a second, over codecs and lists
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Measure only these
    #[arg(long, value_name = "WHAT")]
    pub only: Option<Only>,
    /// Measure these codecs alone, and the exact answers of f32 beside them: `f16,int4`
    #[arg(long, value_name = "CODECS", value_delimiter = ',')]
    pub codecs: Vec<Codec>,
    /// Leave vectors and queries in this folder as base.npy and queries.npy, for other engines
    #[arg(long, value_name = "FOLDER", conflicts_with = "device")]
    pub leave: Option<PathBuf>,
    /// Threads; all that the machine has, unless said
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Search on this device instead (`cuda:0`, `gpu:0`), beside what it copies: a million vectors, unless said
    #[arg(long, value_name = "PLACE")]
    pub device: Option<Place>,
}

/// What is measured, where not everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Only {
    /// All codes in memory, with each codec
    Flat,
    /// An index that is larger than its budget; on a device, rows of another memory
    Streamed,
    /// Few of many lists; on a device, an index of signs, too
    Lists,
}

/// One row of what `plimsoll vec bench --json` prints, which is a list of them.
#[derive(Clone, Debug, Serialize)]
pub struct BenchRow {
    /// What was done.
    pub work: String,
    /// Who did it.
    pub engine: &'static str,
    /// Queries a second.
    pub qps: f64,
    /// Milliseconds for all queries that were asked together.
    pub ms: f64,
    /// Codes that were looked at, a second.
    pub gb_per_s: f64,
    /// That, of what memory (or the disk, where codes come from it) was read with in the same run; on a device, of
    /// what it copies, bytes read and written, or of what comes to it where rows are streamed.
    pub bandwidth_fraction: f64,
    /// Of the ten nearest, how many were found.
    pub recall: f64,
}

/// Measures.
pub fn run(args: &BenchArgs, printer: &Printer) -> Result<(), CliError> {
    let settings = stand::Settings::new(args)?;
    let note = |what: &str| printer.note(what);
    let rows = match args.device {
        Some(place) => device::all(&settings, place, &note)?,
        None => trial::all(&settings, &note)?,
    };
    if let Some(path) = &args.svg {
        let failed = |source| CliError::Write { path: path.clone(), source };
        let picture = svg::draw(&rows).map_err(CliError::Bench)?;
        std::fs::write(path, picture).map_err(failed)?;
    }
    printer.report(&rows, |rows, pen| view::view(&settings, rows, pen))
}
