//! What can be typed after `bench serve`.

use std::path::PathBuf;

use plimsoll::Bytes;

const EXAMPLES: &str = "\
Examples:
  plimsoll bench serve                                  with the small model that is built in
  plimsoll bench serve --model qwen3-0.6b-q8_0.gguf --line 3GiB --prompt 2000
  plimsoll bench serve --quick --json";

/// What can be typed after `bench serve`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeBenchArgs {
    /// A GGUF file, or a folder of safetensors; the built-in model, unless said
    #[arg(long, value_name = "FILE|DIR")]
    pub model: Option<PathBuf>,

    /// The line
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    pub line: Bytes,

    /// Tokens of the prompt whose first answer is timed; all that the context holds, up to 2,000, unless said
    #[arg(long, value_name = "N")]
    pub prompt: Option<usize>,

    /// Conversations at once under load
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub clients: usize,

    /// Seconds of load
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub seconds: u64,

    /// Streams that wait, to see what one takes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub streams: usize,

    /// Fewer of everything: shows that it works, measures little
    #[arg(long)]
    pub quick: bool,
}
