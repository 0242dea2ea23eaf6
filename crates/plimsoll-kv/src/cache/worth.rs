//! What blocks are worth, and which go next: the policy, as the book uses it.

use std::collections::HashMap;

use crate::block::BlockId;
use crate::policy::{Facts, Hint, Judge, Queue, Visit};
use crate::tree::{NodeId, Tier, Tiers};

/// How much is remembered of prompts that were looked for, and of whose blocks nothing came yet.
const REMEMBERED: usize = 1 << 16;

/// What is known of a block's worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing(Facts);

impl Default for Standing {
    fn default() -> Self {
        Self(Facts::new(0.0))
    }
}

impl Standing {
    /// What it takes to get the block back.
    pub fn price(&mut self, seconds: f32, bytes: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a price")]
        let bytes = bytes.max(1) as f32;
        self.0 = self.0.priced(seconds.max(0.0) / bytes);
    }

    /// What that was, for so many bytes.
    pub fn seconds(&self, bytes: u64) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "a price")]
        let bytes = bytes.max(1) as f32;
        self.0.price() * bytes
    }

    /// How often it was used, its making included.
    pub fn uses(&self) -> u32 {
        u32::from(self.0.uses())
    }

    /// What its session said of it.
    pub fn hint(&mut self, hint: Hint) {
        self.0 = self.0.hinted(hint);
    }
}

/// The blocks that each tier could let go of, in order of their worth.
#[derive(Debug)]
pub(super) struct Order {
    judge: Judge,
    queues: Tiers<Queue>,
    /// What is remembered of blocks that prompts miss, until they are computed.
    expected: HashMap<BlockId, Standing>,
    /// The prompts that miss them, by their first missing block.
    visits: HashMap<BlockId, Visit>,
}

impl Order {
    pub fn new(ghosts: usize) -> Self {
        Self {
            judge: Judge::new(ghosts),
            queues: Tiers::default(),
            expected: HashMap::new(),
            visits: HashMap::new(),
        }
    }

    /// A prompt comes, of which the first `length` blocks are stored.
    pub fn visit(&mut self, now: f64, ids: &[BlockId], length: usize) -> Visit {
        let missed = ids.get(length..).unwrap_or_default();
        if self.expected.len() + missed.len() > REMEMBERED {
            self.expected.clear();
        }
        let (expected, mut left) = (&mut self.expected, missed.iter().rev());
        let recalled = self.judge.recall(missed.iter().map(|&id| key(id)), |facts| {
            if let (Some(&id), Some(facts)) = (left.next(), facts) {
                expected.insert(id, Standing(facts));
            }
        });
        let visit = self.judge.visit(now, ids.len(), length + recalled);
        if let Some(&first) = missed.first() {
            if self.visits.len() >= REMEMBERED {
                self.visits.clear();
            }
            self.visits.insert(first, visit);
        }
        visit
    }

    /// What is known of a block that comes in: something, if it was here before.
    pub fn born(&mut self, id: BlockId) -> Standing {
        self.expected.remove(&id).unwrap_or_default()
    }

    /// The prompt whose first missing block this is.
    pub fn visit_of(&mut self, id: BlockId) -> Option<Visit> {
        self.visits.remove(&id)
    }

    pub fn used(&mut self, visit: &mut Visit, id: BlockId, standing: &mut Standing) {
        self.judge.used(visit, key(id), true, &mut standing.0);
    }

    /// The block left.
    pub fn gone(&mut self, id: BlockId, standing: &Standing) {
        self.judge.forgotten(key(id), &standing.0);
    }

    pub fn insert(&mut self, tier: Tier, node: NodeId, standing: &Standing) {
        self.queues[tier].insert(node.get(), &standing.0);
    }

    pub fn remove(&mut self, tier: Tier, node: NodeId) {
        self.queues[tier].remove(node.get());
    }

    #[cfg(test)]
    pub fn contains(&self, tier: Tier, node: NodeId) -> bool {
        self.queues[tier].contains(node.get())
    }

    pub fn least(&mut self, tier: Tier, now: f64, standing: impl Fn(NodeId) -> Standing) -> Option<NodeId> {
        let facts = |node| standing(NodeId::new(node)).0;
        self.queues[tier].least(now, &self.judge, facts).map(NodeId::new)
    }

    pub fn worth(&self, standing: &Standing, now: f64) -> f64 {
        self.judge.value(&standing.0, now)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
const fn key(id: BlockId) -> u64 {
    id.get() as u64
}
