//! Which records go when a folder is opened with less room than it takes. Pure.
//!
//! # Formula
//! `value = seconds × (1 + uses) × 2^(−age / one day) ÷ bytes`, leaves first, so that every prefix stays whole: a record
//! can go when no other that stays descends from it. This is asked once, at a start, before there is a cache whose policy
//! would know better.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use crate::block::BlockId;
use crate::store::Worth;

const HALF_LIFE_SECONDS: f64 = 86_400.0;
/// What a record is taken to have cost when nobody said.
const SECONDS_LEAST: f64 = 1e-6;

/// A record that could go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub id: BlockId,
    pub parent: Option<BlockId>,
    pub bytes: u64,
    pub worth: Worth,
}

/// What a byte of a record is worth at a moment, as a power of two: after some years the value itself would be zero.
pub(super) fn log_value(candidate: &Candidate, now: u64) -> f64 {
    let worth = &candidate.worth;
    let seconds = f64::from(worth.seconds);
    let seconds = if seconds.is_finite() { seconds.max(SECONDS_LEAST) } else { SECONDS_LEAST };
    #[expect(clippy::cast_precision_loss, reason = "seconds and bytes far below 2^52")]
    let (age, bytes) = (now.saturating_sub(worth.used_at) as f64, candidate.bytes.max(1) as f64);
    (seconds * (1.0 + f64::from(worth.uses)) / bytes).log2() - age / HALF_LIFE_SECONDS
}

/// The records to remove so that at least `excess` bytes come free, or all.
pub(super) fn victims(candidates: &[Candidate], excess: u64, now: u64) -> Vec<BlockId> {
    let place: HashMap<BlockId, usize> =
        candidates.iter().enumerate().map(|(index, candidate)| (candidate.id, index)).collect();
    let parent = |index: usize| candidates[index].parent.and_then(|parent| place.get(&parent).copied());
    let mut children = vec![0_usize; candidates.len()];
    (0..candidates.len()).filter_map(parent).for_each(|parent| children[parent] += 1);
    let ranked = |index: usize| Ranked { value: log_value(&candidates[index], now), index };
    let mut leaves: BinaryHeap<Ranked> =
        (0..candidates.len()).filter(|&index| children[index] == 0).map(ranked).collect();
    let (mut freed, mut victims) = (0_u64, Vec::new());
    while freed < excess {
        // What is left in circles, which only a hostile folder has, is found by the caller on its next turn.
        let Some(Ranked { index, .. }) = leaves.pop() else { break };
        freed = freed.saturating_add(candidates[index].bytes);
        victims.push(candidates[index].id);
        if let Some(parent) = parent(index) {
            children[parent] -= 1;
            if children[parent] == 0 {
                leaves.push(ranked(parent));
            }
        }
    }
    victims
}

/// The least valuable is the greatest, for the heap.
#[derive(Debug)]
struct Ranked {
    value: f64,
    index: usize,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.value.total_cmp(&self.value).then_with(|| other.index.cmp(&self.index))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u128, parent: Option<u128>, seconds: f32, used_at: u64) -> Candidate {
        let worth = Worth { seconds, uses: 0, used_at };
        Candidate { id: BlockId::new(id), parent: parent.map(BlockId::new), bytes: 10, worth }
    }

    #[test]
    fn leaves_go_first_and_of_them_what_is_least_worth() {
        let all = [
            candidate(1, None, 0.1, 1_000),
            candidate(2, Some(1), 5.0, 1_000),
            candidate(3, Some(1), 1.0, 1_000),
            candidate(4, None, 3.0, 1_000),
        ];
        let ids = |excess| victims(&all, excess, 1_000).iter().map(|id| id.get()).collect::<Vec<_>>();
        assert_eq!(ids(1), [3]);
        assert_eq!(ids(11), [3, 4]);
        assert_eq!(ids(30), [3, 4, 2], "the cheapest stays as long as another needs it");
        assert_eq!(ids(1_000), [3, 4, 2, 1]);
    }

    #[test]
    fn age_and_uses_count_and_nonsense_does_not_sort_first() {
        let old = candidate(1, None, 1.0, 0);
        let new = candidate(2, None, 1.0, 864_000);
        assert!(log_value(&old, 864_000) < log_value(&new, 864_000));
        let used = Candidate { worth: Worth { uses: 9, ..old.worth }, ..old };
        assert!(log_value(&used, 864_000) > log_value(&old, 864_000));
        let mad = candidate(3, None, f32::NAN, u64::MAX);
        assert!(log_value(&mad, 0).is_finite());
        let ancient = candidate(4, None, 2.0, 0);
        assert!(log_value(&ancient, 2_000_000_000) > log_value(&old, 2_000_000_000));
    }
}
