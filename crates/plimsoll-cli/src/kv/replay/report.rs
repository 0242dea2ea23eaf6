//! The rows of a replay's report; `--json` prints them as a list.

use plimsoll::Bytes;
use plimsoll_kv::replay::{Outcome, RuleName};
use serde::Serialize;

/// What one policy found at one capacity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayRow {
    /// Its name.
    pub policy: &'static str,
    /// The capacity as a share of the trace's different blocks, 0 to 1.
    pub capacity: f64,
    /// The same in blocks.
    pub capacity_blocks: usize,
    /// Found blocks of all that were asked for, 0 to 1.
    pub hit_blocks: f64,
    /// Tokens that need not be computed of all that were asked for, 0 to 1.
    pub hit_tokens: f64,
    /// Requests in the trace.
    pub requests: u64,
    /// Blocks that were asked for.
    pub blocks: u64,
    /// Tokens that were asked for.
    pub tokens: u64,
    /// What moved between tiers, if that was asked for and the policy has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierRow>,
}

/// What moved in one tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TierRow {
    /// hot, warm or cold.
    pub tier: &'static str,
    /// Bytes that requests found here; from warm and cold they move to hot.
    pub moved_bytes: u64,
    /// Bytes that were put here.
    pub written_bytes: u64,
}

impl ReplayRow {
    pub(super) fn new(
        policy: RuleName,
        capacity: f64,
        capacity_blocks: usize,
        block: Bytes,
        outcome: &Outcome,
    ) -> Self {
        let tiers = outcome.tiers.into_iter().flatten().map(|moved| TierRow {
            tier: moved.tier,
            moved_bytes: moved.read.saturating_mul(block.get()),
            written_bytes: moved.written.saturating_mul(block.get()),
        });
        Self {
            policy: policy.name(),
            capacity,
            capacity_blocks,
            hit_blocks: outcome.hit_ratio(),
            hit_tokens: outcome.token_ratio(),
            requests: outcome.requests,
            blocks: outcome.blocks,
            tokens: outcome.tokens,
            tiers: tiers.collect(),
        }
    }
}
