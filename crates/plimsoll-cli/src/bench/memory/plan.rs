//! What is measured, and how long.

use std::time::Duration;

use plimsoll::Bytes;

/// How much of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The largest working set in host memory.
    pub host_most: Bytes,
    /// Runs that count, after one that warms up.
    pub runs: u32,
    /// What a run lasts at least; the pass is repeated until then.
    pub run_at_least: Duration,
    /// The file on disk.
    pub file: Bytes,
    /// What one request to the disk moves.
    pub block: Bytes,
    /// Runs on disk: at most so many,
    pub disk_runs: u32,
    /// and none that begins later than this after the first.
    pub disk_at_most: Duration,
    /// What one copy of a device moves.
    pub copied: Bytes,
}

/// The smallest working set of one thread.
pub(super) const LEAST: Bytes = Bytes::kib(1);

impl Plan {
    /// All of it: about a minute and a half where the disk is quick.
    pub const fn full() -> Self {
        Self {
            host_most: Bytes::gib(1),
            runs: 10,
            run_at_least: Duration::from_millis(3),
            file: Bytes::gib(1),
            block: Bytes::mib(4),
            disk_runs: 3,
            disk_at_most: Duration::from_secs(8),
            copied: Bytes::mib(256),
        }
    }

    /// Small sizes: whether everything runs, not how fast.
    pub const fn smoke() -> Self {
        Self {
            host_most: Bytes::kib(64),
            runs: 2,
            run_at_least: Duration::from_micros(100),
            file: Bytes::mib(4),
            block: Bytes::mib(1),
            disk_runs: 1,
            disk_at_most: Duration::from_secs(1),
            copied: Bytes::mib(1),
        }
    }

    /// The working sets of so many threads: each power of two from a kilobyte for each of them.
    pub fn sizes(&self, threads: usize) -> impl Iterator<Item = Bytes> + use<> {
        let least = LEAST.checked_mul(threads.max(1) as u64).map_or(u64::MAX, Bytes::get);
        let most = self.host_most.get();
        let first = least.checked_next_power_of_two();
        std::iter::successors(first, |size| size.checked_mul(2))
            .take_while(move |&size| size <= most)
            .map(Bytes::new)
    }

    /// The same with less host memory: the power of two that is at most half of what is free, because other
    /// programs need some too.
    #[must_use]
    pub fn within(mut self, free: Bytes) -> Self {
        let half = free.get() / 2;
        let power = half.checked_ilog2().map_or(LEAST, |bits| Bytes::new(1 << bits)).max(LEAST);
        self.host_most = self.host_most.min(power);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_two_with_a_kilobyte_for_each_thread() {
        let one: Vec<_> = Plan::full().sizes(1).collect();
        assert_eq!((one.len(), one[0], one[20]), (21, Bytes::kib(1), Bytes::gib(1)));
        assert_eq!(Plan::full().sizes(6).next(), Some(Bytes::kib(8)));
        assert_eq!(Plan::smoke().sizes(1_000).next(), None);
    }

    #[test]
    fn half_of_what_is_free_is_left_to_others() {
        let most = |free| Plan::full().within(free).host_most;
        assert_eq!(most(Bytes::gib(64)), Bytes::gib(1));
        assert_eq!(most(Bytes::gib(2)), Bytes::gib(1));
        assert_eq!(most(Bytes::gib(1)), Bytes::mib(512));
        assert_eq!(most(Bytes::mib(100)), Bytes::mib(32));
        assert_eq!(most(Bytes::ZERO), LEAST);
    }
}
