//! What can be typed after `bench train`.

use plimsoll::{Bytes, Place};
use plimsoll_llm::{Family, Pairs, Shape};

const EXAMPLES: &str = "\
Examples:
  plimsoll bench train --quick                     the shipped model's shape on the host, in seconds
  plimsoll bench train --shape 1b --device cuda:0  a model of 1.2 billion weights on a GPU, in 16 bits
  plimsoll bench train --shape 8b --device cuda:0 --weights q8_0

Weights are drawn by lot: neither memory nor time depends on them.

Exit codes: 0 measured, 1 failed, 2 not understood.";

/// What can be typed after `bench train`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainBenchArgs {
    /// Whose shape: the shipped model's, Llama 3.2 1B, or Llama 3.1 8B
    #[arg(long, value_enum, default_value_t = ShapeOf::Tiny)]
    pub shape: ShapeOf,
    /// Where to compute: host, cuda:0, or several GPUs that learn together, as cuda:0,cuda:1
    #[arg(
        long,
        visible_alias = "devices",
        value_name = "PLACES",
        value_delimiter = ',',
        default_value = "host"
    )]
    pub device: Vec<Place>,
    /// The most memory that it may take there
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Tokens of a row
    #[arg(long, value_name = "N")]
    pub sequence: Option<usize>,
    /// Rows side by side
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch: usize,
    /// The rank of changes
    #[arg(long, value_name = "R", default_value_t = 16)]
    pub rank: usize,
    /// How the matrices of layers are kept: as they flow, `q8_0` or `q4_0`
    #[arg(long, value_name = "KIND", default_value = "as-they-flow", value_parser = crate::train::kept)]
    pub weights: crate::train::WeightsAs,
    /// How the optimizer's states are kept: singles, or 8bit
    #[arg(long, value_name = "KIND", default_value = "singles", value_parser = crate::train::states)]
    pub states: plimsoll_tensor::StatesAs,
    /// Several GPUs divide the optimizer's states: each has its share, and what it learns of it goes to all
    #[arg(long)]
    pub divide_states: bool,
    /// The most page-locked memory beside a GPU for ways that keep things there; 0: none of these ways; half of the
    /// host's memory, unless said
    #[arg(long, value_name = "SIZE")]
    pub away: Option<Bytes>,
    /// Only the ways that have this in their names
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Steps that are timed in each way
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub steps: u32,
    /// Fewer ways and fewer steps
    #[arg(long)]
    pub quick: bool,
}

/// Whose shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ShapeOf {
    /// The shipped model's.
    Tiny,
    /// Llama 3.2 1B's.
    #[value(name = "1b")]
    One,
    /// Llama 3.1 8B's.
    #[value(name = "8b")]
    Eight,
}

impl ShapeOf {
    /// The shape, and whether the embedding is the output too.
    pub(super) fn shape(self) -> (Shape, bool) {
        let of = |layers, width, heads, kv_heads, inner, vocabulary, context| Shape {
            family: Family::Llama,
            layers,
            width,
            heads,
            kv_heads,
            key_width: width / heads,
            value_width: width / heads,
            inner,
            vocabulary,
            context,
            epsilon: 1e-5,
            rope_width: width / heads,
            rope_base: 500_000.0,
            rope_divisor: 1.0,
            rope_pairs: Pairs::Halves,
            first_token: None,
        };
        match self {
            Self::Tiny => (of(8, 256, 4, 2, 768, 4096, 1024), true),
            Self::One => (of(16, 2048, 32, 8, 8192, 128_256, 131_072), true),
            Self::Eight => (of(32, 4096, 32, 8, 14_336, 128_256, 131_072), false),
        }
    }
}
