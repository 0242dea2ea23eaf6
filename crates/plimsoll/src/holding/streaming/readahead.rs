//! Learns in which order chunks are asked for. Pure: chunk numbers in, chunk numbers out.
//!
//! Two hypotheses run side by side, because the orders that workloads use are of two kinds:
//!
//! * a *stride*: the last steps were equal (a scan forwards, backwards, every n-th chunk);
//! * a *cycle*: the last accesses were those of one period ago (layers of a model, epochs over shards, a fixed
//!   plan). The period is read from when the present chunk was last asked for, so it costs one look-up whatever the
//!   period is; orders longer than [`MEMORY`] are not remembered.
//!
//! A hypothesis is believed when it has held a few times in a row, and the cycle before the stride, since a cycle
//! knows where a scan turns round. How far the learner predicts follows how often it has lately been right: a right
//! prediction doubles the depth, a wrong one ends predicting until a hypothesis has proved itself anew. Learning works
//! on whole chunks: exact addresses hardly repeat, chunks do.

use std::collections::{HashMap, VecDeque};

/// How many accesses are remembered; no longer period is learnt.
pub const MEMORY: usize = 4096;

/// So many equal steps make a stride believed, so many matching accesses a cycle.
const STRIDE_PROOF: u32 = 2;
const CYCLE_PROOF: u32 = 3;

/// Which order was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// None; nothing is predicted.
    Unknown,
    /// Equal steps.
    Stride(i64),
    /// The same accesses again after so many.
    Cycle(u64),
}

/// Watches accesses and predicts the next.
#[derive(Debug, Default)]
pub struct Learner {
    /// The latest accesses, the newest at the back.
    past: VecDeque<u64>,
    /// When each remembered chunk was last asked for, as a number of accesses before it.
    seen: HashMap<u64, u64>,
    time: u64,
    stride: i64,
    stride_run: u32,
    period: u64,
    period_run: u32,
    depth: u32,
    right: u64,
    wrong: u64,
}

impl Learner {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A chunk was asked for. Asking for the same chunk again is no step in any order and is passed over.
    pub fn access(&mut self, chunk: u64) {
        let last = self.past.back().copied();
        if last == Some(chunk) {
            return;
        }
        self.judge(chunk);
        self.learn_stride(last, chunk);
        self.learn_cycle(chunk);
        self.remember(chunk);
    }

    /// What was found.
    pub fn order(&self) -> Order {
        if self.period_run >= CYCLE_PROOF {
            Order::Cycle(self.period)
        } else if self.stride_run >= STRIDE_PROOF {
            Order::Stride(self.stride)
        } else {
            Order::Unknown
        }
    }

    /// The next chunks in order, at most `most` and no more than confidence allows; none when nothing is believed.
    pub fn predict(&self, most: usize) -> impl Iterator<Item = u64> + '_ {
        let depth = match self.order() {
            Order::Unknown => 0,
            Order::Stride(_) | Order::Cycle(_) => 1_usize << self.depth,
        };
        (1_u64..).map_while(|ahead| self.ahead(ahead)).take(depth.min(most))
    }

    /// How many accesses from now a chunk is expected, looking at most `horizon` ahead. A cache keeps what is
    /// expected soon, and lets go first of what is expected late or not at all.
    pub fn expected_in(&self, chunk: u64, horizon: u64) -> Option<u64> {
        match self.order() {
            Order::Unknown => None,
            Order::Stride(stride) => {
                let last = *self.past.back()?;
                let way = i128::from(chunk) - i128::from(last);
                let stride = i128::from(stride);
                let steps = u64::try_from(way / stride).ok()?;
                (way % stride == 0 && (1..=horizon).contains(&steps)).then_some(steps)
            }
            Order::Cycle(period) => {
                let ago = self.time.checked_sub(*self.seen.get(&chunk)?)?;
                let ahead = period.checked_sub(ago)?;
                (1..=horizon).contains(&ahead).then_some(ahead)
            }
        }
    }

    /// Predictions of the very next chunk that were right, and that were wrong.
    pub fn score(&self) -> (u64, u64) {
        (self.right, self.wrong)
    }

    fn ahead(&self, ahead: u64) -> Option<u64> {
        match self.order() {
            Order::Unknown => None,
            Order::Stride(stride) => {
                let way = stride.checked_mul(i64::try_from(ahead).ok()?)?;
                self.past.back()?.checked_add_signed(way)
            }
            Order::Cycle(period) => {
                let within = (ahead - 1) % period;
                let back = usize::try_from(period - within).ok()?;
                self.past.len().checked_sub(back).map(|at| self.past[at])
            }
        }
    }

    fn judge(&mut self, chunk: u64) {
        let Some(expected) = self.ahead(1) else {
            return;
        };
        if expected == chunk {
            self.right += 1;
            self.depth = (self.depth + 1).min(16);
        } else {
            self.wrong += 1;
            self.depth = 0;
            self.stride_run = 0;
            self.period_run = 0;
        }
    }

    fn learn_stride(&mut self, last: Option<u64>, chunk: u64) {
        let step = last.and_then(|last| {
            let step = i128::from(chunk) - i128::from(last);
            i64::try_from(step).ok()
        });
        match step {
            Some(step) if step == self.stride => self.stride_run = self.stride_run.saturating_add(1),
            Some(step) => {
                self.stride = step;
                self.stride_run = 0;
            }
            None => self.stride_run = 0,
        }
    }

    fn learn_cycle(&mut self, chunk: u64) {
        // `time` is the number of the access that is now being made.
        let period = self.seen.get(&chunk).map(|&seen| self.time + 1 - seen);
        match period {
            Some(period) if period == self.period => self.period_run = self.period_run.saturating_add(1),
            Some(period) => {
                self.period = period;
                self.period_run = 0;
            }
            None => self.period_run = 0,
        }
    }

    fn remember(&mut self, chunk: u64) {
        self.time += 1;
        self.past.push_back(chunk);
        self.seen.insert(chunk, self.time);
        if self.past.len() > MEMORY
            && let Some(old) = self.past.pop_front()
        {
            let forgotten = self.time - MEMORY as u64;
            if self.seen.get(&old) == Some(&forgotten) {
                self.seen.remove(&old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the accesses were among the four predicted before them, and how many were predicted at all.
    fn hits(accesses: impl IntoIterator<Item = u64>) -> (usize, usize) {
        let mut learner = Learner::new();
        let (mut hits, mut predicted) = (0, 0);
        for chunk in accesses {
            let ahead: Vec<u64> = learner.predict(4).collect();
            predicted += ahead.len();
            hits += usize::from(ahead.contains(&chunk));
            learner.access(chunk);
        }
        (hits, predicted)
    }

    fn random(seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 33
        })
    }

    #[test]
    fn a_scan_is_learnt_after_three_steps() {
        assert_eq!(hits(0..100).0, 96);
        assert_eq!(hits((0..100).rev()).0, 96);
    }

    #[test]
    fn strides_are_learnt_in_both_directions() {
        assert_eq!(hits((0..100).map(|i| 7 + i * 12)).0, 96);
        assert_eq!(hits((0..100).rev().map(|i| i * 5)).0, 96);
    }

    #[test]
    fn a_backward_scan_stops_at_the_first_chunk() {
        let mut learner = Learner::new();
        for chunk in (1..10).rev() {
            learner.access(chunk);
        }
        assert_eq!(learner.predict(8).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_cycle_in_any_order_is_learnt_in_its_second_round() {
        let round = [3, 90, 14, 2, 77, 41, 5, 60];
        let accesses: Vec<u64> = round.iter().copied().cycle().take(8 * 20).collect();
        let (hits, _) = hits(accesses);
        assert!(hits >= 8 * 20 - 8 - 5, "{hits}");
    }

    #[test]
    fn a_cycle_knows_where_the_scan_turns_round() {
        let mut learner = Learner::new();
        for chunk in (0..10).cycle().take(35) {
            learner.access(chunk);
        }
        assert_eq!(learner.order(), Order::Cycle(10));
        assert_eq!(learner.predict(8).collect::<Vec<_>>(), [5, 6, 7, 8, 9, 0, 1, 2]);
        assert_eq!(learner.expected_in(5, 100), Some(1));
        assert_eq!(learner.expected_in(4, 100), Some(10));
        assert_eq!(learner.expected_in(3, 5), None);
        assert_eq!(learner.expected_in(77, 100), None);
    }

    #[test]
    fn distances_follow_a_stride() {
        let mut learner = Learner::new();
        for chunk in [10, 13, 16, 19] {
            learner.access(chunk);
        }
        assert_eq!(learner.expected_in(25, 10), Some(2));
        assert_eq!(learner.expected_in(26, 10), None);
        assert_eq!(learner.expected_in(16, 10), None);
    }

    #[test]
    fn random_order_is_not_guessed_at() {
        let (hits, predicted) = hits(random(1).take(10_000));
        assert_eq!((hits, predicted), (0, 0));
        // Among few chunks chance looks like order now and then; it must stay rare.
        let few = self::hits(random(2).take(10_000).map(|draw| draw % 16));
        assert!(few.1 < 1_500, "{few:?}");
    }

    #[test]
    fn a_wrong_prediction_stops_it_and_order_resumes_it() {
        let mut learner = Learner::new();
        for chunk in 0..20 {
            learner.access(chunk);
        }
        assert_eq!(learner.predict(64).count(), 64);
        learner.access(1_000);
        assert_eq!(learner.order(), Order::Unknown);
        assert_eq!(learner.predict(64).count(), 0);
        for chunk in [1_001, 1_002, 1_003] {
            learner.access(chunk);
        }
        assert_eq!(learner.order(), Order::Stride(1));
        assert_eq!(learner.predict(64).next(), Some(1_004));
        assert!(learner.predict(64).count() < 64, "confidence is earned again step by step");
        assert_eq!(learner.score().1, 1);
    }

    #[test]
    fn the_same_chunk_again_changes_nothing() {
        let mut learner = Learner::new();
        for chunk in 0..10 {
            learner.access(chunk);
            learner.access(chunk);
        }
        assert_eq!(learner.order(), Order::Stride(1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut learner = Learner::new();
        for chunk in random(3).take(3 * MEMORY) {
            learner.access(chunk);
        }
        assert!(learner.past.len() <= MEMORY && learner.seen.len() <= MEMORY);
    }
}
