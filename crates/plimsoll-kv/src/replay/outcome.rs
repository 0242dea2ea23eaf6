//! What came out of a replay.

use super::tiers::{Moved, Tiers};
use super::{RuleName, Trace};

/// What a rule found of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests.
    pub requests: u64,
    /// Blocks that were asked for.
    pub blocks: u64,
    /// Of these, those that were there with all before them.
    pub hit_blocks: u64,
    /// Tokens that were asked for.
    pub tokens: u64,
    /// Of these, those that need not be computed.
    pub hit_tokens: u64,
    /// What moved between tiers, where that was asked for; the bound has no tiers.
    pub tiers: Option<[Moved; 3]>,
}

impl Outcome {
    /// Hits of all blocks, 0 to 1.
    pub fn hit_ratio(&self) -> f64 {
        ratio(self.hit_blocks, self.blocks)
    }

    /// Hits of all tokens, 0 to 1.
    pub fn token_ratio(&self) -> f64 {
        ratio(self.hit_tokens, self.tokens)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Sends a trace's requests through an empty cache of `capacity` blocks under a rule, and follows its blocks through tiers
/// if `tiers` says so.
pub fn replay(trace: &Trace, rule: RuleName, capacity: usize, tiers: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut tiers = (tiers && rule != RuleName::Belady).then(|| Tiers::new(trace.blocks(), capacity));
    let mut rule = rule.rule(trace, capacity);
    let (mut path, mut gone) = (Vec::new(), Vec::new());
    for request in trace.requests() {
        trace.path(request, &mut path);
        gone.clear();
        let hits = rule.serve(request, &path, &mut gone);
        if let Some(tiers) = &mut tiers {
            gone.retain(|block| !rule.holds(*block));
            tiers.served(&path, hits, &gone);
        }
        outcome.requests += 1;
        outcome.blocks += path.len() as u64;
        outcome.hit_blocks += hits as u64;
        outcome.tokens = outcome.tokens.saturating_add(request.tokens);
        outcome.hit_tokens = outcome.hit_tokens.saturating_add(trace.tokens_of(request, hits));
    }
    outcome.tiers = tiers.map(|tiers| tiers.moved());
    outcome
}
