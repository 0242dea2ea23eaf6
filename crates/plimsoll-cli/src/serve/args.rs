//! What can be typed after `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use plimsoll::{Bytes, Place};
use plimsoll_serve::model::EngineChoice;

const EXAMPLES: &str = "\
Examples:
  plimsoll serve                                   the small model that is built in, at 127.0.0.1:8080
  plimsoll serve --model qwen3-0.6b-q8_0.gguf --line 4GiB
  plimsoll serve --model qwen3-0.6b-q8_0.gguf --device cuda:0     on a GPU
  plimsoll serve --models ~/models --line 16GiB --kv 6GiB     each loaded when it is asked for
  plimsoll serve --model qwen3-0.6b-q8_0.gguf --library ~/notes-library     answers from documents too
  plimsoll serve --config serve.toml               the same from a file; flags win
  PLIMSOLL_KEY=secret plimsoll serve --listen 0.0.0.0:8080    for others, who bring the key

Ctrl-C, or SIGTERM, takes nobody in any more and lets answers end; a second one ends at once.
A file may have: listen, line, device, device_memory, away, kv, model (one path or several), models (a folder), engine, library (one or several), embed, docs, cache,
cache_size, keys, answer_tokens, parallel, waiting, patience_seconds, drain_seconds. The environment may have the same in capitals behind PLIMSOLL_ (PLIMSOLL_KEY
for one key); it wins over the file, and flags win over both.";

/// What can be typed after `serve`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// Settings in TOML
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where to listen; only this machine unless said [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,

    /// The most memory that it may take, everything included; what the machine should spare, unless said
    #[arg(long, value_name = "SIZE")]
    pub line: Option<Bytes>,

    /// Compute models on this GPU of CUDA (`cuda:0`), with weights, keys and values in its memory; if it is lost, the host computes
    #[arg(long, value_name = "PLACE")]
    pub device: Option<Place>,

    /// The most of the GPU's memory that it may take, everything included; nine tenths of what is free, unless said
    #[arg(long, value_name = "SIZE")]
    pub device_memory: Option<Bytes>,

    /// How much of the line is page-locked memory, for the layers of models that the GPU's memory does not hold: they come when they are needed.
    /// 0: none; as much as these models need, up to a half of the line, unless said
    #[arg(long, value_name = "SIZE")]
    pub away: Option<Bytes>,

    /// How much is for keys and values, of the line or, with a GPU, of its memory [default: two fifths]
    #[arg(long, value_name = "SIZE")]
    pub kv: Option<Bytes>,

    /// A GGUF file, or a folder with safetensors; may be given several times, the first is meant where a request names none
    #[arg(long, value_name = "FILE|DIR")]
    pub model: Vec<PathBuf>,

    /// A folder of models, each loaded when it is asked for
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,

    /// What is to compute models: auto (the native engine if it can, otherwise llama.cpp where it is built in), native, or llama-cpp
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<EngineChoice>,

    /// A library of documents, as `plimsoll docs ingest` makes them, or a folder for a new one; may be given several times, the first is
    /// meant where a request names none. Without one and without a model, one of this program's own documentation is served
    #[arg(long, value_name = "[NAME=]DIR")]
    pub library: Vec<String>,

    /// The model that makes vectors of passages and questions, by its name; without one passages are found by their words
    #[arg(long, value_name = "MODEL")]
    pub embed: Option<String>,

    /// How much of the line is for documents [default: a sixteenth, from 24MiB to 512MiB]
    #[arg(long, value_name = "SIZE")]
    pub docs: Option<Bytes>,

    /// Where keys and values are kept beyond this run [default: plimsoll/serve in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,

    /// The most that folder may take [default: 4GiB, or a tenth of what is free there]
    #[arg(long, value_name = "SIZE")]
    pub cache_size: Option<Bytes>,

    /// Keep nothing beyond this run
    #[arg(long, conflicts_with_all = ["cache", "cache_size"])]
    pub no_cache: bool,

    /// A key that requests must bring; may be given several times
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<String>,

    /// Tokens of an answer to a conversation that does not say how many [default: 512]
    #[arg(long, value_name = "N")]
    pub answer_tokens: Option<usize>,

    /// Sequences of a model that are computed together [default: 16; 32 on a GPU]
    #[arg(long, value_name = "N")]
    pub parallel: Option<usize>,

    /// Requests that may wait for memory [default: 256]
    #[arg(long, value_name = "N")]
    pub waiting: Option<usize>,

    /// How long each may, in seconds [default: 60]
    #[arg(long, value_name = "S")]
    pub patience_seconds: Option<u64>,

    /// How long a stop lets answers end, in seconds [default: 20]
    #[arg(long, value_name = "S")]
    pub drain_seconds: Option<u64>,
}
