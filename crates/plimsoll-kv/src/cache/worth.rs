//! (policy adapter)
use crate::policy::{Facts, Hint, Judge, Queue};
use crate::tree::{NodeId, Tier, Tiers};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    facts: Facts,
    depth: u32,
}

impl Standing {
    pub const fn depth(&self) -> u32 {
        self.depth
    }
}

#[derive(Debug, Default)]
pub(super) struct Order {
    judge: Judge,
    queues: Tiers<Queue>,
}

impl Order {
    pub fn born(&mut self, depth: u32, now: f64) -> Standing {
        let mut facts = Facts::default();
        self.judge.used(&mut facts, now);
        Standing { facts, depth }
    }
    pub fn used(&mut self, standing: &mut Standing, now: f64) {
        self.judge.used(&mut standing.facts, now);
    }
    pub fn gone(&mut self, _standing: &Standing) {}
    pub fn hint(&mut self, _standing: &mut Standing, _hint: Hint, _now: f64) {}
    pub fn insert(&mut self, tier: Tier, node: NodeId, _standing: &Standing) {
        self.queues[tier].insert(node.get());
    }
    pub fn remove(&mut self, tier: Tier, node: NodeId) {
        self.queues[tier].remove(node.get());
    }
    #[cfg(test)]
    pub fn contains(&self, tier: Tier, node: NodeId) -> bool {
        self.queues[tier].contains(node.get())
    }
    pub fn least(&mut self, tier: Tier, _now: f64, standing: impl Fn(NodeId) -> Standing) -> Option<NodeId> {
        self.queues[tier].least(|node| standing(NodeId::new(node)).facts).map(NodeId::new)
    }
    pub fn worth(&self, standing: &Standing, now: f64, seconds: f32, bytes: u64) -> f64 {
        let _ = (standing, now);
        f64::from(seconds) / bytes.max(1) as f64
    }
}
