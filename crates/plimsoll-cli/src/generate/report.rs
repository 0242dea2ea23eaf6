//! What was written, and what it took.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_llm::{DeviceSplit, Reads};
use serde::Serialize;

use super::memory::Forecast;

/// What `plimsoll generate --json` prints.
///
/// ```json
/// { "model": "tiny-7m-q8_0.gguf (built in)", "text": " given slice.", "stopped": "limit", "stop": null, "seed": 1,
///   "context": 144, "prompt_tokens": 8, "cached_tokens": 0, "tokens": 5, "first_seconds": 0.02, "seconds": 0.1,
///   "prompt_tokens_per_second": 400.0, "tokens_per_second": 60.0, "demand": null, "coming": null,
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
    /// What was read of weights that are not all in memory.
    pub demand: Option<DemandReport>,
    /// What came of weights that are not all on the device that computed.
    pub coming: Option<ComingReport>,
    /// Memory.
    pub memory: MemoryReport,
}

/// Weights that are read when they are needed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DemandReport {
    /// Shards that the model has: its layers, and pieces of its output.
    pub shards: usize,
    /// How many of them are in memory at once.
    pub slots: usize,
    /// Bytes of one.
    pub shard_bytes: u64,
    /// How many were read.
    pub reads: u64,
    /// Those of them that were waited for from the beginning, because they were not read ahead.
    pub late: u64,
    /// How many are read for each pass through the model: for each token behind the prompt.
    pub reads_per_token: f64,
}

/// Layers that come to a device when they are needed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ComingReport {
    /// Layers that stay there.
    pub stay: usize,
    /// Those that come with every pass: for every token behind the prompt, and for so many of the prompt together.
    pub come: usize,
    /// Tokens of a prompt that a pass has at most.
    pub side_by_side: usize,
    /// What comes with a pass.
    pub pass_bytes: u64,
    /// What page-locked memory has of them.
    pub pinned_bytes: u64,
}

impl ComingReport {
    pub(super) fn of(split: Option<&DeviceSplit>) -> Option<Self> {
        let split = split.filter(|split| split.come > 0)?;
        let DeviceSplit { come, side_by_side, pass_bytes, pinned_bytes, .. } = *split;
        Some(Self { stay: split.stay(), come, side_by_side, pass_bytes, pinned_bytes })
    }
}

impl DemandReport {
    pub(super) fn of(forecast: &Forecast, reads: Option<Reads>) -> Option<Self> {
        let ((shards, slots), reads) = forecast.slots().zip(reads)?;
        #[expect(clippy::cast_precision_loss, reason = "counts of reads")]
        let each = reads.shards as f64 * shards.count as f64 / reads.uses.max(1) as f64;
        Some(Self {
            shards: shards.count,
            slots,
            shard_bytes: shards.bytes,
            reads: reads.shards,
            late: reads.late,
            reads_per_token: each,
        })
    }
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
    pub(super) fn lines(&self) -> Vec<String> {
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
        let mut lines = vec![
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
        ];
        lines.extend(self.demand.map(|demand| {
            format!(
                "weights read when needed: {} of {} parts of {} fit at once; {:.1} read a token, {} of {} not ahead",
                demand.slots,
                demand.shards,
                Bytes::new(demand.shard_bytes),
                demand.reads_per_token,
                demand.late,
                demand.reads
            )
        }));
        lines.extend(self.coming.map(|coming| {
            format!(
                "{} layers stay on the device, {} come with every pass, {} of them, from {} of page-locked memory; prompts {} tokens a pass",
                coming.stay,
                coming.come,
                Bytes::new(coming.pass_bytes),
                Bytes::new(coming.pinned_bytes),
                coming.side_by_side
            )
        }));
        lines
    }
}
