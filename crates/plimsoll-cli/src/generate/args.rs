//! What can be typed after `generate`.

use std::path::PathBuf;

use plimsoll::{Bytes, Place};
use plimsoll_llm::Sampling;

const EXAMPLES: &str = "\
Examples:
  plimsoll generate --prompt \"Returns the number of elements\"         with the small model that is built in
  plimsoll generate --model qwen3-0.6b-q8_0.gguf --prompt \"Once\" -n 200
  plimsoll generate --model llama-3.2-1b/ --file question.txt --memory 4GiB
  plimsoll generate --model llama-3.1-70b-q4_k_m.gguf --prompt \"Once\" --memory 16GiB    layers are read when needed
  plimsoll generate --model qwen3-8b-q8_0.gguf --prompt \"Once\" --device cuda:0
  plimsoll generate --model qwen3-32b-q8_0.gguf --prompt \"Once\" --device cuda:0 --memory 20GiB    layers come when needed
  plimsoll generate --adapter tuned/ --prompt \"Returns\"                 what `plimsoll train lora -o tuned/` learned
  cat notes.txt | plimsoll generate --file - --cache ~/.cache/plimsoll   keep the prompt's keys and values
  plimsoll generate --prompt \"fn main\" --temperature 0 --stop \"```\"     always the likeliest, to the end of the code
  plimsoll generate --model qwen3-0.6b-q8_0.gguf --chat --prompt \"What is a borrow?\" --system \"Be brief.\"
  plimsoll generate --prompt \"Box\" --json | jq .memory

The text goes to stdout as it comes, everything else to stderr. Ctrl-C ends it; what was computed is kept in the cache.
Exit codes: 0 done or ended by Ctrl-C, 1 failed or refused, 2 not understood.";

/// What can be typed after `generate`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("text").required(true).args(["prompt", "file"])))]
pub struct GenerateArgs {
    /// A GGUF file, or a folder with safetensors, config.json and tokenizer.json; a small model that writes documentation of
    /// Rust is built in
    #[arg(long, value_name = "FILE|DIR")]
    pub model: Option<PathBuf>,

    /// What a fine-tuning changed: a folder of `plimsoll train lora`, or of PEFT
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,

    /// The text to go on after
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,

    /// The same out of a file, or of stdin with `-`
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Prompt and text are numbers of tokens, and no tokenizer is needed
    #[arg(long)]
    pub ids: bool,

    /// The prompt is what somebody asks, written as the model's chat template has it; without one, turns are between
    /// `<|im_start|>` and `<|im_end|>` if the model has these tokens, and else a text without marks
    #[arg(long, conflicts_with = "ids")]
    pub chat: bool,

    /// What the model is told before that
    #[arg(long, value_name = "TEXT", requires = "chat", allow_hyphen_values = true)]
    pub system: Option<String>,

    /// A chat template (Jinja) instead of the model's
    #[arg(long, value_name = "FILE", requires = "chat")]
    pub template: Option<PathBuf>,

    /// A name that the template looks at, such as `enable_thinking=false`; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "chat")]
    pub names: Vec<String>,

    /// Tokens to write at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 128)]
    pub tokens: usize,

    /// 0 takes the likeliest token always, 1 draws each as often as the model expects it, more is wilder
    #[arg(long, value_name = "T", default_value_t = Sampling::default().temperature)]
    pub temperature: f32,

    /// Draw among so many of the likeliest; 0 is all
    #[arg(long, value_name = "K", default_value_t = Sampling::default().top_k)]
    pub top_k: usize,

    /// Draw among the likeliest that have this chance together; 1 is all
    #[arg(long, value_name = "P", default_value_t = Sampling::default().top_p)]
    pub top_p: f32,

    /// Draw among those with this share of the likeliest one's chance; 0 is all
    #[arg(long, value_name = "P", default_value_t = Sampling::default().min_p)]
    pub min_p: f32,

    /// Make tokens less likely that stood there lately; 1 does not
    #[arg(long, value_name = "X", default_value_t = Sampling::default().repeat_penalty)]
    pub repeat_penalty: f32,

    /// How many tokens are lately
    #[arg(long, value_name = "N", default_value_t = Sampling::default().repeat_window)]
    pub repeat_window: usize,

    /// The same seed writes the same text
    #[arg(long, value_name = "N", default_value_t = Sampling::default().seed)]
    pub seed: u64,

    /// End before this text; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub stop: Vec<String>,

    /// Tokens of prompt and text together at most; what the model was trained for, unless said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub context: Option<u64>,

    /// Compute on this GPU of CUDA (`cuda:0`), with weights, keys and values in its memory
    #[arg(long, value_name = "PLACE")]
    pub device: Option<Place>,

    /// The line: the most memory that it may take where it computes, weights included; what it needs, unless said. Below that,
    /// weights are read when they are needed, if two layers fit, or come to a GPU from page-locked memory
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,

    /// The most page-locked memory of the host for layers that a GPU's line does not hold: they come when they are needed. 0: none; half
    /// of the host's memory, unless said
    #[arg(long, value_name = "SIZE", requires = "device")]
    pub away: Option<Bytes>,

    /// Keep the keys and values of prompts in this folder, so that they are not computed again
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,

    /// The most that the folder may take
    #[arg(long, value_name = "SIZE", default_value = "1GiB", requires = "cache")]
    pub cache_size: Bytes,
}

impl GenerateArgs {
    /// How tokens are drawn.
    pub(super) fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repeat_penalty: self.repeat_penalty,
            repeat_window: self.repeat_window,
            seed: self.seed,
        }
    }
}
