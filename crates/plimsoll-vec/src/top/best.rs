//! The best rows of one query.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row and how near it is: less is nearer. Ordered by score, then by row.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Less is nearer. [`Metric::distance`](crate::Metric::distance) makes of it what is told to people.
    pub score: f32,
    /// The row's number.
    pub row: u64,
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Hit {}

/// All by one comparison of whole numbers: a heap compares as often as it moves, and what is guessed wrong is dear.
impl PartialOrd for Hit {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    #[inline]
    fn lt(&self, other: &Self) -> bool {
        self.key() < other.key()
    }

    #[inline]
    fn le(&self, other: &Self) -> bool {
        self.key() <= other.key()
    }

    #[inline]
    fn gt(&self, other: &Self) -> bool {
        self.key() > other.key()
    }

    #[inline]
    fn ge(&self, other: &Self) -> bool {
        self.key() >= other.key()
    }
}

impl Ord for Hit {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hit {
    /// The score, in the order of [`f32::total_cmp`], before the row.
    #[inline]
    fn key(self) -> u128 {
        let bits = self.score.to_bits();
        // Of what is below zero the larger is the less.
        let flip = (bits.cast_signed() >> 31).cast_unsigned() | 1 << 31;
        u128::from(bits ^ flip) << 64 | u128::from(self.row)
    }
}

/// At most `k` hits, the worst on top. A heap and not a buffer that is sorted now and then: its worst is known at every
/// moment, and what is worse is never scored a second time.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    k: usize,
    heap: BinaryHeap<Hit>,
}

impl Best {
    /// None yet.
    pub(crate) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::with_capacity(k) }
    }

    /// A score above this cannot enter.
    pub(crate) fn worst(&self) -> f32 {
        if self.heap.len() < self.k {
            f32::INFINITY
        } else {
            self.heap.peek().map_or(f32::INFINITY, |hit| hit.score)
        }
    }

    /// Takes the hit if it is among the best.
    pub(crate) fn push(&mut self, hit: Hit) {
        if self.heap.len() < self.k {
            self.heap.push(hit);
        } else if let Some(mut top) = self.heap.peek_mut()
            && hit < *top
        {
            // It sinks to its place when `top` is dropped.
            *top = hit;
        }
    }

    /// Takes what another has found in other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        for hit in &other.heap {
            self.push(*hit);
        }
    }

    /// Nearest first.
    pub(crate) fn sorted(&self) -> Vec<Hit> {
        let mut hits: Vec<Hit> = self.heap.iter().copied().collect();
        hits.sort_unstable();
        hits
    }

    /// Forgets what was found.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scores_are_in_the_order_of_all_numbers() {
        let scores = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.0,
            -1e-40,
            -0.0,
            0.0,
            1e-40,
            0.5,
            0.500_000_1,
            f32::MAX,
            f32::INFINITY,
        ];
        for (at, score) in scores.into_iter().enumerate() {
            for (other, less) in scores.into_iter().enumerate() {
                let (one, two) = (Hit { score: less, row: 3 }, Hit { score, row: 3 });
                assert_eq!(one.cmp(&two), less.total_cmp(&score), "{less} and {score}");
                assert_eq!((one < two, one <= two), (other < at, other <= at));
                assert_eq!((one > two, one >= two), (other > at, other >= at));
            }
            assert!(
                Hit { score, row: 3 } < Hit { score, row: u64::MAX }
                    && Hit { score, row: 3 } == Hit { score, row: 3 }
            );
        }
    }

    proptest! {
        #[test]
        fn the_best_are_what_a_sort_puts_first(
            scores in prop::collection::vec(0_u8..20, 0..200),
            k in 1_usize..40,
            cut in 0_usize..200,
        ) {
            let hits: Vec<Hit> =
                scores.iter().zip(0..).map(|(score, row)| Hit { score: f32::from(*score), row }).collect();
            let mut all = hits.clone();
            all.sort_unstable();
            all.truncate(k);
            let (first, second) = hits.split_at(cut.min(hits.len()));
            let mut one = Best::new(k);
            let mut two = Best::new(k);
            for hit in first {
                one.push(*hit);
            }
            // From behind: the order of arrival does not matter.
            for hit in second.iter().rev() {
                two.push(*hit);
            }
            two.merge(&one);
            prop_assert_eq!(two.sorted(), all);
        }
    }
}
