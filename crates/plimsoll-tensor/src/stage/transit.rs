//! Copies between stages that may still be under way.
//!
//! A copy runs beside the work of both stages, on a stream of its own. So whoever uses what is copied waits for it, when it
//! is used and not before: the host by waiting, a GPU by ordering its streams, the pool by keeping what was dropped.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use plimsoll_device::Fence;

/// What a copy does to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is read: others may read it too.
    Leaving,
    /// It is written.
    Arriving,
}

struct Transit {
    range: Range<u64>,
    way: Way,
    fence: Fence,
}

/// The copies of one stage that may still be under way.
#[derive(Default)]
pub(super) struct Transits {
    /// Whether there are any: what every operation looks at.
    any: AtomicBool,
    all: Mutex<Vec<Transit>>,
}

impl Transits {
    fn all(&self) -> MutexGuard<'_, Vec<Transit>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a copy down; those that are done are forgotten.
    pub(super) fn add(&self, range: Range<u64>, way: Way, fence: Fence, done: impl Fn(Fence) -> bool) {
        let mut all = self.all();
        all.retain(|transit| !done(transit.fence));
        all.push(Transit { range, way, fence });
        self.any.store(true, Ordering::Release);
    }

    /// The copies that whoever reads some memory, or writes it, has to wait for.
    pub(super) fn of(&self, range: &Range<u64>, writes: bool) -> Vec<Fence> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let waits = |transit: &&Transit| {
            transit.range.start < range.end
                && range.start < transit.range.end
                && (writes || transit.way == Way::Arriving)
        };
        self.all().iter().filter(waits).map(|transit| transit.fence).collect()
    }

    /// Copies that need not be waited for again.
    pub(super) fn forget(&self, fences: &[Fence]) {
        let mut all = self.all();
        all.retain(|transit| !fences.contains(&transit.fence));
        self.any.store(!all.is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_device::Stream;

    use super::*;

    #[test]
    fn who_reads_waits_for_what_arrives_and_who_writes_for_all() {
        let transits = Transits::default();
        let fence = |seq| Fence { stream: Stream(1), seq };
        assert!(transits.of(&(0..100), true).is_empty());
        transits.add(0..10, Way::Leaving, fence(1), |_| false);
        transits.add(10..20, Way::Arriving, fence(2), |_| false);
        assert_eq!(transits.of(&(5..15), false), [fence(2)]);
        assert_eq!(transits.of(&(5..15), true), [fence(1), fence(2)]);
        assert!(transits.of(&(20..30), true).is_empty());
        transits.add(40..50, Way::Arriving, fence(3), |done| done == fence(1));
        assert_eq!(transits.of(&(0..100), true), [fence(2), fence(3)]);
        transits.forget(&[fence(2)]);
        assert_eq!(transits.of(&(0..100), true), [fence(3)]);
        transits.forget(&[fence(3)]);
        assert!(transits.of(&(0..100), true).is_empty());
    }
}
