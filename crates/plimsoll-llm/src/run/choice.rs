//! Choosing among candidates: who may be drawn, and whom the lot falls on.

use plimsoll_kv::block::Token;

/// A logit and its token.
pub(super) type Candidate = (f32, Token);

/// Who may be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// So many of the likeliest; 0 is all.
    pub(super) top_k: usize,
    /// The fewest of the likeliest that have this chance together; 1 is all.
    pub(super) top_p: f64,
    /// Those whose logits lie no further from the greatest than this, which is below zero; minus infinity is all.
    pub(super) least: f32,
}

impl Limits {
    /// Leaves of the candidates those that may be drawn, in the order of their tokens.
    pub(super) fn leave(&self, candidates: &mut Vec<Candidate>) {
        let Self { top_k, top_p, least } = *self;
        if top_k > 0 && top_k < candidates.len() {
            sort_first(candidates, top_k);
            candidates.truncate(top_k);
        }
        let most = most(candidates);
        let least = most + least;
        if top_p < 1.0 {
            reach(candidates, most, top_p);
        }
        if least > f32::NEG_INFINITY {
            candidates.retain(|candidate| candidate.0 >= least);
        }
        // One order, however they were found.
        candidates.sort_unstable_by_key(|candidate| candidate.1);
    }
}

/// Leaves the fewest of the greatest whose chances together are `top_p` of all.
fn reach(candidates: &mut Vec<Candidate>, most: f32, top_p: f64) {
    let chance = |candidate: &Candidate| f64::from(candidate.0 - most).exp();
    let wanted = candidates.iter().map(chance).sum::<f64>() * top_p;
    // Most often few are enough, so only as many are sorted.
    let mut sorted = 64.min(candidates.len());
    loop {
        sort_first(candidates, sorted);
        let mut sum = 0.0;
        let enough = candidates[..sorted].iter().position(|candidate| {
            sum += chance(candidate);
            sum >= wanted
        });
        if let Some(last) = enough {
            return candidates.truncate(last + 1);
        }
        if sorted == candidates.len() {
            return;
        }
        sorted = sorted.saturating_mul(4).min(candidates.len());
    }
}

/// The candidate that the lot falls on: candidates stand in the order of their tokens, and it is the one at which the running sum of their
/// chances passes `share` of the whole.
pub(super) fn fall(candidates: &[Candidate], share: f64, temperature: f64) -> Token {
    let most = most(candidates);
    let chance = |candidate: &Candidate| (f64::from(candidate.0 - most) / temperature).exp();
    let mut left = share * candidates.iter().map(chance).sum::<f64>();
    for candidate in candidates {
        left -= chance(candidate);
        if left < 0.0 {
            return candidate.1;
        }
    }
    // Rounding left a crumb.
    candidates.iter().find(|candidate| candidate.0 >= most).map_or(0, |candidate| candidate.1)
}

fn most(candidates: &[Candidate]) -> f32 {
    candidates.iter().map(|candidate| candidate.0).fold(f32::NEG_INFINITY, f32::max)
}

/// Brings the greatest to the beginning, sorted; of equals the first token.
fn sort_first(candidates: &mut [Candidate], count: usize) {
    let order = |one: &Candidate, other: &Candidate| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1));
    let count = count.min(candidates.len());
    if count == 0 {
        return;
    }
    if count < candidates.len() {
        candidates.select_nth_unstable_by(count - 1, order);
    }
    candidates[..count].sort_unstable_by(order);
}

/// All tokens that can be drawn, and their logits.
pub(super) fn possible(logits: &[f32]) -> impl Iterator<Item = Candidate> {
    logits.iter().copied().zip(0..).filter(|(logit, _)| *logit > f32::NEG_INFINITY)
}
