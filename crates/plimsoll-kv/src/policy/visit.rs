//! One request, as far as it tells whether its blocks will come back.

use super::classes::{Classes, ROOT};
use super::facts::Facts;

/// A request that walks down a prefix: what all of its blocks have in common.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    pub(super) tick: u32,
    turns: u16,
    fresh: u16,
    /// The class of the block before, and what it was found by: neighbours are mostly alike.
    last: (u16, u16),
}

impl Visit {
    pub(super) fn new(tick: u32, blocks: usize, known: usize, last_known: Option<&Facts>) -> Self {
        let turns = last_known.filter(|_| known > 1).map_or(0, |facts| facts.turns.saturating_add(1));
        let fresh = u16::try_from((blocks.saturating_sub(known) + 1).ilog2()).unwrap_or(u16::MAX);
        Self { tick, turns, fresh, last: (u16::MAX, ROOT) }
    }

    /// How many turns the sequence had before this one.
    pub const fn turns(&self) -> u16 {
        self.turns
    }

    /// The class of one of its blocks: used so often before, and whole or not.
    pub(super) fn class(&mut self, classes: &mut Classes, uses: u16, whole: bool) -> u16 {
        let kind = if whole { 1 + bucket(uses) } else { 0 };
        if self.last.0 != kind {
            let class = classes.refine(ROOT, kind);
            let class = classes.refine(class, self.fresh);
            self.last = (kind, classes.refine(class, bucket(self.turns)));
        }
        self.last.1
    }
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
