//! (to be replaced)
/// F
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts { used: f64 }
/// J
#[derive(Debug, Default)]
pub struct Judge;
/// Q
#[derive(Debug, Default)]
pub struct Queue(std::collections::BTreeSet<u32>);
impl Judge {
/// u
pub fn used(&mut self, facts: &mut Facts, now: f64) { facts.used = now; }
}
impl Queue {
/// i
pub fn insert(&mut self, node: u32) { self.0.insert(node); }
/// c
pub fn contains(&self, node: u32) -> bool { self.0.contains(&node) }
/// r
pub fn remove(&mut self, node: u32) { self.0.remove(&node); }
/// l
pub fn least(&self, facts: impl Fn(u32) -> Facts) -> Option<u32> { self.0.iter().copied().min_by(|&a, &b| facts(a).used.total_cmp(&facts(b).used)) }
}

/// H
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint { /// t
 TurnEnded, /// s
 SubagentFinished, /// t
 TimeToLive(std::time::Duration), /// p
 Pin }
