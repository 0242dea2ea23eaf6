//! What it takes to get a block back, as measured; and from that, how much of a prefix is worth restoring. Pure.

use crate::tree::{Tier, Tiers};

/// How much a new measurement counts.
const WEIGHT: f64 = 0.2;

/// Seconds as a straight line over bytes: what a transfer costs at all, and what each byte adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Seconds before the first byte.
    pub latency: f64,
    /// Bytes a second after that.
    pub bandwidth: f64,
}

impl Rate {
    /// A rate that is assumed until one is measured.
    pub const fn new(latency: f64, bandwidth: f64) -> Self {
        Self { latency, bandwidth }
    }

    /// Seconds for so many bytes.
    pub fn seconds(&self, bytes: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let bytes = bytes as f64;
        self.latency + bytes / self.bandwidth.max(1.0)
    }

    /// So many bytes took so long. The latency is taken as it was, unless all of it took less.
    pub fn learn(&mut self, bytes: u64, seconds: f64) {
        if bytes == 0 || !seconds.is_finite() || seconds <= 0.0 {
            return;
        }
        if seconds < self.latency {
            self.latency += WEIGHT * (seconds - self.latency);
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seen = bytes as f64 / (seconds - self.latency).max(seconds / 2.0);
        // Means of times, not of speeds: one stall must count as what it cost.
        self.bandwidth = 1.0 / ((1.0 - WEIGHT) / self.bandwidth.max(1.0) + WEIGHT / seen.max(1.0));
    }
}

/// What each tier and the engine's own computation take, as measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// What it takes to bring a block from each tier into the engine's pages.
    pub tiers: Tiers<Rate>,
    /// Seconds that a token takes to compute.
    pub token: f64,
}

impl Default for Rates {
    /// Assumed until they are measured: memory and a fast disk of this decade, and a slow prefill, so that the first
    /// restores are tried.
    fn default() -> Self {
        Self { tiers: Tiers([Rate::new(0.0, 1e12), Rate::new(5e-6, 5e9), Rate::new(2e-4, 1e9)]), token: 1e-3 }
    }
}

impl Rates {
    /// So many tokens took so long to compute.
    pub fn computed(&mut self, tokens: u64, seconds: f64) {
        if tokens > 0 && seconds.is_finite() && seconds > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let seen = seconds / tokens as f64;
            self.token += WEIGHT * (seen - self.token);
        }
    }

    /// What one block takes from a tier.
    pub fn restore(&self, tier: Tier, bytes: u64) -> f64 {
        self.tiers[tier].seconds(bytes)
    }
}

/// A block of a prefix, as a decision sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Seconds to restore it.
    pub restore: f64,
    /// Seconds to compute it.
    pub recompute: f64,
    /// Whether a sequence can go on after it.
    pub boundary: bool,
}

/// How many blocks of a prefix to restore; the rest is computed.
///
/// # Formula
/// A block can only be restored if all before it are there, and only computed after all before it. So the decision is
/// one cut: the `k` that saves most, `Σ_{i<k} (recompute_i − restore_i)`, among those where a sequence can go on.
/// Blocks that would not pay by themselves are restored where cheaper ones come after them.
pub fn cut(choices: &[Choice]) -> usize {
    let (mut saved, mut best, mut at) = (0.0, 0.0, 0);
    for (index, choice) in choices.iter().enumerate() {
        saved += choice.recompute - choice.restore;
        // A tie goes to the longer prefix: what is hot costs nothing.
        if choice.boundary && saved >= best {
            (best, at) = (saved, index + 1);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(pairs: &[(f64, f64)]) -> Vec<Choice> {
        pairs.iter().map(|&(restore, recompute)| Choice { restore, recompute, boundary: true }).collect()
    }

    #[test]
    fn what_is_cheaper_to_compute_is_computed() {
        assert_eq!(cut(&choices(&[(0.0, 1.0), (2.0, 1.0)])), 1);
        assert_eq!(cut(&choices(&[(2.0, 1.0), (2.0, 1.0)])), 0);
        assert_eq!(cut(&[]), 0);
    }

    #[test]
    fn a_dear_block_is_restored_for_the_sake_of_those_after_it() {
        assert_eq!(cut(&choices(&[(2.0, 1.0), (0.1, 1.0), (0.1, 1.0)])), 3);
    }

    #[test]
    fn a_sequence_goes_on_only_from_boundaries() {
        let mut prefix = choices(&[(0.0, 1.0), (0.0, 1.0), (0.0, 1.0)]);
        prefix[1].boundary = false;
        prefix[2].boundary = false;
        assert_eq!(cut(&prefix), 1);
    }

    #[test]
    fn a_stall_makes_a_tier_slow_at_once_and_it_recovers() {
        let mut rate = Rate::new(1e-4, 1e9);
        let before = rate.seconds(1 << 20);
        rate.learn(1 << 20, 1.0);
        assert!(rate.seconds(1 << 20) > 50.0 * before, "{rate:?}");
        for _ in 0..60 {
            rate.learn(1 << 20, before);
        }
        assert!(rate.seconds(1 << 20) < 2.0 * before, "{rate:?}");
    }
}
