//! Where threads meet.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Where threads meet before each batch. They spin: a thread that sleeps wakes tens of microseconds late, which
/// is as long as a batch. They yield while they spin, so that fewer cores than threads still get on.
#[derive(Debug)]
pub(in crate::bench) struct Rendezvous {
    threads: usize,
    arrived: AtomicUsize,
    broken: AtomicBool,
}

/// Lets the others go on when a thread panics, so that its panic is seen instead of a standstill.
pub(in crate::bench) struct Leaving<'r>(pub(in crate::bench) &'r Rendezvous);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Rendezvous {
    pub(in crate::bench) const fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }

    pub(in crate::bench) const fn threads(&self) -> usize {
        self.threads
    }

    pub(in crate::bench) fn meet(&self) {
        if self.threads == 1 {
            return;
        }
        let ticket = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (ticket / self.threads + 1) * self.threads;
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < all && !self.broken.load(Ordering::Acquire) {
            spins += 1;
            if spins.is_multiple_of(1_000) {
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}
