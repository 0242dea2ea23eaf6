//! What was written, and what it took.

use std::path::PathBuf;

use plimsoll::Bytes;
use serde::Serialize;

/// What `plimsoll generate --json` prints.
///
/// ```json
/// { "model": "tiny-7m-q8_0.gguf (built in)", "text": " given slice.", "stopped": "limit", "stop": null, "seed": 1,
///   "context": 144, "prompt_tokens": 8, "cached_tokens": 0, "tokens": 5, "first_seconds": 0.02, "seconds": 0.1,
///   "prompt_tokens_per_second": 400.0, "tokens_per_second": 60.0,
///   "memory": { "line": 21000000,
///     "predicted": { "weights": 7948608, "kv": 8388608, "work": 1600000, "sum": 17937216 },
///     "measured": { "weights": 7948608, "kv": 4194304, "work": 1600000, "sum": 13742912 } } }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct GenerateReport {
    /// The model's file.
    pub model: PathBuf,
    /// What it wrote; numbers of tokens with `--ids`.
    pub text: String,
    /// Why it ended.
    pub stopped: StoppedBy,
    /// At which `--stop`, as typed.
    pub stop: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Tokens that there was room for.
    pub context: usize,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that came from the cache.
    pub cached_tokens: usize,
    /// Tokens that were written.
    pub tokens: usize,
    /// Seconds to the first of them.
    pub first_seconds: f64,
    /// Seconds in all.
    pub seconds: f64,
    /// Tokens of the prompt a second, those that were computed.
    pub prompt_tokens_per_second: f64,
    /// Tokens a second behind the first.
    pub tokens_per_second: f64,
    /// Memory.
    pub memory: MemoryReport,
}

/// Bytes that were said to be needed, and those that were charged.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryReport {
    /// The line.
    pub line: u64,
    /// Before.
    pub predicted: Parts,
    /// The most at any moment.
    pub measured: Parts,
}

/// Bytes by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Weights.
    pub weights: u64,
    /// Keys and values: pages, and what passes to the cache's folder.
    pub kv: u64,
    /// What steps work with, and the tokenizer.
    pub work: u64,
    /// All of it at once.
    pub sum: u64,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StoppedBy {
    /// So many tokens were asked for.
    Limit,
    /// The context is full.
    Context,
    /// The model ended it.
    End,
    /// A text of `--stop`.
    Stop,
    /// Ctrl-C.
    Interrupt,
}

impl GenerateReport {
    /// What is said to people behind the text.
    pub(super) fn lines(&self) -> [String; 2] {
        let cached = match self.cached_tokens {
            0 => String::new(),
            some => format!(", {some} of them from the cache"),
        };
        let ended = match (self.stopped, &self.stop) {
            (StoppedBy::Limit, _) => "as many as asked for".to_owned(),
            (StoppedBy::Context, _) => format!("the context of {} is full", self.context),
            (StoppedBy::End, _) => "the model ended it".to_owned(),
            (StoppedBy::Stop, stop) => format!("ended before {:?}", stop.as_deref().unwrap_or_default()),
            (StoppedBy::Interrupt, _) => "interrupted".to_owned(),
        };
        let parts = |parts: &Parts| {
            let [weights, kv, work, sum] = [parts.weights, parts.kv, parts.work, parts.sum].map(Bytes::new);
            format!("{sum} ({weights} weights, {kv} keys and values, {work} work)")
        };
        [
            format!(
                "prompt tokens {}{cached}; written {} at {:.1} a second, the first after {:.3} s; {ended}",
                self.prompt_tokens, self.tokens, self.tokens_per_second, self.first_seconds
            ),
            format!(
                "memory predicted {}, measured {}, line {}",
                parts(&self.memory.predicted),
                parts(&self.memory.measured),
                Bytes::new(self.memory.line)
            ),
        ]
    }
}
