//! What can be typed after `kv replay`.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_kv::replay::{Capacity, RuleName, Trace};

use crate::kv::KvError;

const EXAMPLES: &str = "\
Examples:
  plimsoll kv replay conversation.jsonl.gz
  plimsoll kv replay conversation.jsonl.gz --capacity 1%,5%,20% --policy plimsoll,lru,belady
  plimsoll kv replay agents.jsonl --capacity 8GiB --block-bytes 8MiB --tiers
  plimsoll kv replay conversation.jsonl.gz --svg hits.svg --json

A hit is a block at the front of a prompt that is there with all blocks before it. belady is the bound that no cache
can pass, because it knows what will be asked for. Percentages are of the trace's different blocks.

A trace is lines of JSON, plain or gzipped: {timestamp, input_length, hash_ids} with blocks of 512 tokens, or
{session, block_tokens, requests: [{t, type, in, keep, new}]}, whose sessions are interleaved by their times.";

/// What can be typed after `kv replay`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The trace, as .jsonl or .jsonl.gz
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,

    /// How much the cache holds: 5% of the trace's different blocks, 2000 blocks, 8GiB; several with commas
    #[arg(long, value_name = "SIZE", value_delimiter = ',', default_value = "1%,5%,10%,20%,40%")]
    pub capacity: Vec<Capacity>,

    /// Which policies: plimsoll, plimsoll+hints, lru, lfu, arc, s3-fifo, belady; several with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values_t = RuleName::ALL)]
    pub policy: Vec<RuleName>,

    /// What a block weighs, where sizes are in bytes
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = weight)]
    pub block_bytes: Bytes,

    /// Count what moves between a hot, a warm and a cold tier, 60, 30 and 10% of the capacity
    #[arg(long)]
    pub tiers: bool,

    /// Draw hits over capacity into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

fn weight(text: &str) -> Result<Bytes, String> {
    let bytes: Bytes = text.parse().map_err(|error: plimsoll::ParseBytesError| error.to_string())?;
    if bytes.is_zero() { Err("a block weighs at least one byte".to_owned()) } else { Ok(bytes) }
}

impl ReplayArgs {
    /// The capacities as shares and in blocks; more than the trace has is a mistake.
    pub(super) fn sizes(&self, trace: &Trace) -> Result<Vec<(f64, usize)>, KvError> {
        let different = trace.blocks();
        let size = |capacity: &Capacity| {
            let blocks = capacity.blocks(different, self.block_bytes);
            if blocks > different.max(1) {
                let (capacity, path) = (capacity.to_string(), self.trace.clone());
                return Err(KvError::Capacity { capacity, blocks, path, different });
            }
            Ok((capacity.share(different, self.block_bytes), blocks))
        };
        self.capacity.iter().map(size).collect()
    }
}
