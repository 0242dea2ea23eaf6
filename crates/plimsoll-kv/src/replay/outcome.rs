//! What came out of a replay.

use super::{Rule, Trace};

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

/// Sends a trace's requests through a rule.
pub fn replay(trace: &Trace, rule: &mut dyn Rule) -> Outcome {
    let mut outcome = Outcome::default();
    let mut path = Vec::new();
    for request in trace.requests() {
        trace.path(request, &mut path);
        let hits = rule.serve(request, &path);
        outcome.requests += 1;
        outcome.blocks += path.len() as u64;
        outcome.hit_blocks += hits as u64;
        outcome.tokens += request.tokens;
        outcome.hit_tokens += trace.tokens_of(request, hits);
    }
    outcome
}
