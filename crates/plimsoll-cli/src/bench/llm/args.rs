//! What can be typed after `bench llm`.

use std::path::PathBuf;
use std::time::Duration;

use plimsoll::Place;

use crate::bench::made_up::MadeUp;

const EXAMPLES: &str = "\
Examples:
  plimsoll bench llm --model models/tiny-7m-q8_0.gguf
  plimsoll bench llm --shape 1b --threads 2
  plimsoll bench llm --shape 8b --device cuda:0
  plimsoll bench llm --shape 8b --device cuda:0 --partly     and with less of the GPU's memory than it takes
  plimsoll bench llm --quick --json
  plimsoll bench llm --shape 1b --keep made-up-1b.gguf     and measure another engine with the same file

A model of a shape has random weights; it is written to a temporary folder (1.3 GB for 1b, 8.5 GB for 8b) and read from there.";

/// What can be typed after `bench llm`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LlmArgs {
    /// A model file in GGUF; without it, one is made up
    #[arg(long, value_name = "FILE", conflicts_with_all = ["shape", "keep"])]
    pub model: Option<PathBuf>,

    /// The shape of a model that is made up, with weights of type `q8_0` [default: 1b, or 100m with --quick]
    #[arg(long, value_name = "SHAPE", value_enum)]
    pub shape: Option<MadeUp>,

    /// Write the made-up model to this file and leave it there
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,

    /// Compute on this GPU of CUDA (`cuda:0`), with weights, keys and values in its memory
    #[arg(long, value_name = "PLACE", conflicts_with = "threads")]
    pub device: Option<Place>,

    /// And then with three quarters, a half and a quarter of the GPU's memory that it takes, and with the least: layers come from page-locked memory
    /// of the host with every pass
    #[arg(long, requires = "device")]
    pub partly: bool,

    /// Threads [default: as many as processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Short turns and few of them: shows that it works, measures little
    #[arg(long)]
    pub quick: bool,
}

impl LlmArgs {
    /// The shape that is made up.
    pub(super) fn made_up(&self) -> MadeUp {
        self.shape.unwrap_or(if self.quick { MadeUp::HundredM } else { MadeUp::OneB })
    }

    /// Tokens of the prompt, if the context has room for them.
    pub(super) fn prompt(&self) -> usize {
        if self.quick { 64 } else { 512 }
    }

    /// How long tokens are written for in a turn.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 700 })
    }

    /// How often everything is measured; the median counts.
    pub(super) fn turns(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }
}
