//! `plimsoll vec train-codec`: a neural codec is learned from vectors, and compared with what needs no learning.

mod report;

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_vec::neural::{NeuralError, Training, train};

pub use report::{ContenderReport, TrainReport};

use self::report::view;
use super::budget;
use super::progress::Learning;
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll vec train-codec vectors.npy --latent 128 -o codec.safetensors
  plimsoll vec train-codec vectors.npy --latent 64 --normalized -o codec.safetensors   for cosine
  plimsoll vec train-codec vectors.npy --latent 128 -o codec.safetensors --memory 300MiB --sample 50000
  plimsoll vec train-codec vectors.npy --latent 248 --epochs 0 -o components.safetensors   components alone
  plimsoll vec build vectors.npy --into index --reduce components.safetensors --codec planes

Vectors become latents of a byte a number, and a scale. The report says whether that finds more neighbours than codecs
of the same bytes that need no learning; where it does not, do not use it.";

/// What can be typed after `vec train-codec`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    /// The vectors to learn from
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Numbers of a latent, a byte each
    #[arg(long, value_name = "L")]
    pub latent: usize,
    /// The file of weights to write (safetensors)
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace that file if it is there
    #[arg(long)]
    pub force: bool,
    /// Bring vectors to length one first, as for cosine
    #[arg(long)]
    pub normalized: bool,
    /// The most vectors that are looked at
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub sample: usize,
    /// How often each is learned from; 0 leaves the start, which is principal components
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub epochs: u64,
    /// What chance is made from
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The most memory that training may take
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Threads; all that the machine has, unless said
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
}

/// Trains.
pub fn run(args: &TrainArgs, printer: &Printer) -> Result<(), CliError> {
    // Said before the work, and not after it.
    if !args.force && args.output.exists() {
        return Err(NeuralError::Exists { path: args.output.clone() }.into());
    }
    let account = budget::account(args.memory)?;
    let usual = Training::to(args.latent);
    let training = Training {
        normalized: args.normalized,
        sample: args.sample,
        epochs: usize::try_from(args.epochs).unwrap_or(usize::MAX),
        seed: args.seed,
        threads: if args.threads == 0 { usual.threads } else { args.threads },
        ..usual
    };
    let began = std::time::Instant::now();
    let progress = Learning::new();
    let trained = train(&args.input, &account, &training, |stage| progress.at(stage))?;
    drop(progress);
    trained.weights.write(&args.output, args.force)?;
    let report = TrainReport::new(args.output.display().to_string(), &trained, began.elapsed());
    printer.report(&report, view)
}
