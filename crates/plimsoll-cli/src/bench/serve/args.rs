//! What can be typed after `bench serve`.

use std::path::PathBuf;

use plimsoll::{Bytes, Place};
use plimsoll_serve::model::EngineChoice;

use crate::bench::made_up::MadeUp;

const EXAMPLES: &str = "\
Examples:
  plimsoll bench serve                                  with the small model that is built in
  plimsoll bench serve --model qwen3-0.6b-q8_0.gguf --line 3GiB --prompt 2000
  plimsoll bench serve --shape 1b --line 4GiB --restart  a model of a real size, with random weights
  plimsoll bench serve --quick --json
  plimsoll bench serve --crowd 32 --shape 1b --line 4GiB --device cuda:0    texts at once, on a GPU
  plimsoll bench serve --mixed 30 --line 256MiB         does the line hold, and does it stay as fast
  llama-server -m m.gguf -c 16384 --port 9000 &
  plimsoll bench serve --model m.gguf --engine llama-cpp --beside http://127.0.0.1:9000 --beside-pid $! --trace agent-sessions.jsonl.gz";

/// What can be typed after `bench serve`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeBenchArgs {
    /// A GGUF file, or a folder of safetensors; the built-in model, unless said
    #[arg(long, value_name = "FILE|DIR")]
    pub model: Option<PathBuf>,

    /// The shape of a model that is made up, with weights of type `q8_0` and a word for each token
    #[arg(long, value_name = "SHAPE", value_enum, conflicts_with = "model")]
    pub shape: Option<MadeUp>,

    /// Only how soon a first token comes: new, again, and after a kill
    #[arg(long, conflicts_with_all = ["mixed", "beside"])]
    pub restart: bool,

    /// Only how much so many texts at once are written, beside the decoder's own steps of as many
    #[arg(long, value_name = "N", conflicts_with_all = ["restart", "mixed", "beside"])]
    pub crowd: Option<usize>,

    /// The GPU that computes (`cuda:0`)
    #[arg(long, value_name = "PLACE", requires = "crowd")]
    pub device: Option<Place>,

    /// How much of its memory the service may take [default: nine tenths of what is free]
    #[arg(long, value_name = "SIZE", requires = "device")]
    pub device_memory: Option<Bytes>,

    /// The line
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    pub line: Bytes,

    /// How much of it is for keys and values [default: two fifths]
    #[arg(long, value_name = "SIZE")]
    pub kv: Option<Bytes>,

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

    /// Connections on which nothing is asked, to see what one takes
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub connections: usize,

    /// Minutes of a mixed load instead of all else: sessions of a trace, documents taken in, searches; on the program as a process of its
    /// own, with the line at a third of what the load would like
    #[arg(long, value_name = "MINUTES", conflicts_with = "beside")]
    pub mixed: Option<f64>,

    /// What is to compute the model: auto, native, or llama-cpp
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    pub engine: EngineChoice,

    /// Another server with the same model, asked the same in turns: the turns of a trace's sessions, and nothing else
    #[arg(long, value_name = "URL", requires = "trace")]
    pub beside: Option<String>,

    /// The other server's process, to say what memory it had (Linux)
    #[arg(long, value_name = "PID", requires = "beside")]
    pub beside_pid: Option<u32>,

    /// Sessions, as `plimsoll kv simulate` reads them
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// How many sessions of it
    #[arg(long, value_name = "N", default_value_t = 48)]
    pub sessions: usize,

    /// Turns of each at most
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub turns: usize,

    /// Fewer of everything: shows that it works, measures little
    #[arg(long)]
    pub quick: bool,
}
