//! What can be typed after `docs qa`.

use std::path::PathBuf;

use plimsoll::Bytes;

const EXAMPLES: &str = "\
Examples:
  plimsoll docs qa library -o pairs.jsonl --model qwen3-4b-q4_k_m.gguf
  plimsoll docs qa library -o pairs.jsonl --url http://127.0.0.1:8080 --key secret    by a service that runs
  plimsoll docs qa library -o pairs.jsonl --limit 100

A line has question, answer, document, passage, at, page, heading, context and model. Lines are written as they come; the same command
goes on with the passages that have none yet. A passage's second request finds what the first computed of it in the service's cache.";

/// What can be typed after `docs qa`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct QaArgs {
    /// The folder of the library
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,
    /// Where lines go; those that are there stay, and their passages are passed over
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The model, a GGUF file or a folder with safetensors; the small one that is built in, unless said
    #[arg(long, value_name = "FILE|DIR", conflicts_with = "url")]
    pub model: Option<PathBuf>,
    /// A service that speaks OpenAI's interface, instead of a model of our own
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The key that it wants
    #[arg(long, value_name = "KEY", requires = "url")]
    pub key: Option<String>,
    /// The most memory that the model may take; what the machine should spare, unless said
    #[arg(long, value_name = "SIZE", conflicts_with = "url")]
    pub line: Option<Bytes>,
    /// Passages at most
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Passages that are asked about side by side
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub at_once: u16,
    /// Tokens of an answer at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub tokens: u32,
}
