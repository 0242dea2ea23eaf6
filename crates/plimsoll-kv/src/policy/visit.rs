//! One request, as far as it tells whether its blocks will come back.

use super::ages::TICKS_PER_S;
use super::classes::{Classes, ROOT};
use super::facts::Facts;

/// A request that walks down a prefix: what all of its blocks have in common.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    pub(super) tick: u32,
    fresh: u16,
    /// The class of the block before, and what it was found by: neighbours are mostly alike.
    last: ((u16, u16), u16),
}

impl Visit {
    pub(super) fn new(tick: u32, blocks: usize, known: usize) -> Self {
        let fresh = u16::try_from((blocks.saturating_sub(known) + 1).ilog2()).unwrap_or(u16::MAX);
        Self { tick, fresh, last: ((u16::MAX, 0), ROOT) }
    }

    /// The class of one of its blocks: how often it was used before, how much of the prompt is new, and how long ago it was
    /// used. A block that is not full of tokens is of a kind of its own: a longer prompt will have another in its place.
    pub(super) fn class(&mut self, classes: &mut Classes, facts: &Facts, whole: bool) -> u16 {
        let kind = if whole { 1 + bucket(facts.uses) } else { 0 };
        let gap = if facts.uses == 0 { 0 } else { gap_class(self.tick.wrapping_sub(facts.tick)) };
        if self.last.0 != (kind, gap) {
            let class = classes.refine(ROOT, kind);
            let class = classes.refine(class, self.fresh);
            self.last = ((kind, gap), classes.refine(class, gap));
        }
        self.last.1
    }
}

/// Below 4 seconds, below 16, below 64, …
#[expect(clippy::cast_possible_truncation, reason = "at most 16")]
const fn gap_class(ticks: u32) -> u16 {
    let seconds = ticks / (TICKS_PER_S as u32);
    if seconds == 0 { 1 } else { 1 + (seconds.ilog2() / 2) as u16 }
}

/// 0, 1, 2, 3–4, 5–8, 9–16, more.
const fn bucket(count: u16) -> u16 {
    match count {
        0..=2 => count,
        3..=4 => 3,
        5..=8 => 4,
        9..=16 => 5,
        _ => 6,
    }
}
