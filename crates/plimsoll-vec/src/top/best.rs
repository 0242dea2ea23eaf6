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

/// From so many on, hits are collected, and what is behind is given up now and then.
const COLLECTED: usize = 64;

/// The best `k` hits. Few are a heap, whose worst is known at every moment. Of many that would be dear: a hit that enters
/// moves half a dozen others, and what is guessed wrong on the way costs more than looking at a few hits in vain. So those are
/// collected in half as much room again; full, what is behind the `k`th goes, and the `k`th is the new limit.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    k: usize,
    hits: Hits,
    /// A score above this cannot enter, as others know.
    limit: f32,
}

#[derive(Clone, Debug)]
enum Hits {
    Heap(BinaryHeap<Hit>),
    /// The hits, and the `k`th of them when they were last full.
    Collected(Vec<Hit>, Option<Hit>),
}

impl Best {
    /// None yet.
    pub(crate) fn new(k: usize) -> Self {
        let hits = if k < COLLECTED {
            Hits::Heap(BinaryHeap::with_capacity(k))
        } else {
            Hits::Collected(Vec::with_capacity(Self::room(k)), None)
        };
        Self { k, hits, limit: f32::INFINITY }
    }

    /// What that takes: itself, and its hits on the heap.
    pub(crate) fn bytes(k: usize) -> usize {
        size_of::<Self>().saturating_add(Self::room(k).saturating_mul(size_of::<Hit>()))
    }

    /// Hits that there is room for.
    fn room(k: usize) -> usize {
        if k < COLLECTED { k } else { k.saturating_add(k / 2) }
    }

    /// A score above this cannot enter.
    pub(crate) fn worst(&self) -> f32 {
        let own = match &self.hits {
            Hits::Heap(heap) if heap.len() == self.k => heap.peek().map(|hit| hit.score),
            Hits::Heap(_) => None,
            Hits::Collected(_, last) => last.map(|hit| hit.score),
        };
        own.map_or(self.limit, |own| if own < self.limit { own } else { self.limit })
    }

    /// From now on a score above this is not wanted: others have as many that are no worse.
    pub(crate) fn limit(&mut self, score: f32) {
        if score < self.limit {
            self.limit = score;
        }
    }

    /// Takes the hit if it is among the best.
    pub(crate) fn push(&mut self, hit: Hit) {
        match &mut self.hits {
            Hits::Heap(heap) if heap.len() < self.k => heap.push(hit),
            Hits::Heap(heap) => {
                if let Some(mut top) = heap.peek_mut()
                    && hit < *top
                {
                    // It sinks to its place when `top` is dropped.
                    *top = hit;
                }
            }
            Hits::Collected(hits, last) => {
                if last.is_some_and(|last| hit > last) {
                    return;
                }
                hits.push(hit);
                if hits.len() == Self::room(self.k) {
                    self.settle();
                }
            }
        }
    }

    /// Takes what another has found in other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        for hit in other.unsorted() {
            self.push(*hit);
        }
    }

    /// What there is: once [settled](Self::settle), the best `k`.
    pub(crate) fn unsorted(&self) -> &[Hit] {
        match &self.hits {
            Hits::Heap(heap) => heap.as_slice(),
            Hits::Collected(hits, _) => hits,
        }
    }

    /// Gives up all but the best `k`.
    pub(crate) fn settle(&mut self) {
        if let Hits::Collected(hits, last) = &mut self.hits
            && hits.len() > self.k
        {
            let (_, kth, _) = hits.select_nth_unstable(self.k - 1);
            *last = Some(*kth);
            hits.truncate(self.k);
        }
    }

    /// Nearest first.
    pub(crate) fn sorted(&self) -> Vec<Hit> {
        let mut hits = self.unsorted().to_vec();
        if hits.len() > self.k {
            hits.select_nth_unstable(self.k - 1);
            hits.truncate(self.k);
        }
        hits.sort_unstable();
        hits
    }

    /// Forgets what was found.
    pub(crate) fn clear(&mut self) {
        self.limit = f32::INFINITY;
        match &mut self.hits {
            Hits::Heap(heap) => heap.clear(),
            Hits::Collected(hits, last) => {
                hits.clear();
                *last = None;
            }
        }
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
            scores in prop::collection::vec(0_u8..20, 0..400),
            k in prop_oneof![1_usize..40, 64_usize..90],
            cut in 0_usize..200,
            known in prop::option::of(0_u8..20),
        ) {
            let hits: Vec<Hit> =
                scores.iter().zip(0..).map(|(score, row)| Hit { score: f32::from(*score), row }).collect();
            let mut all = hits.clone();
            all.sort_unstable();
            all.truncate(k);
            let (first, second) = hits.split_at(cut.min(hits.len()));
            let mut one = Best::new(k);
            let mut two = Best::new(k);
            // What cannot be among the best of all is not wanted of either.
            let kth = all.get(k - 1).map(|hit| hit.score);
            if let (Some(kth), Some(known)) = (kth, known) {
                one.limit(kth + f32::from(known));
                two.limit(kth + f32::from(known));
            }
            let enter = |best: &mut Best, hit: &Hit| {
                if hit.score <= best.worst() {
                    best.push(*hit);
                }
            };
            for hit in first {
                enter(&mut one, hit);
            }
            // From behind: the order of arrival does not matter.
            for hit in second.iter().rev() {
                enter(&mut two, hit);
            }
            two.merge(&one);
            if let Some(kth) = kth {
                prop_assert!(two.worst() >= kth);
            }
            prop_assert_eq!(two.sorted(), all);
        }
    }
}
