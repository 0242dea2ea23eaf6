//! Threads that share the pieces of one job.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads that share the pieces of one job.
#[derive(Debug)]
pub struct Crew {
    threads: usize,
}

impl Crew {
    /// So many threads, the one that calls counted.
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.max(1) }
    }

    /// How many threads work, the one that calls counted.
    pub const fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work` once for each number below `pieces`, on all threads, and returns when all are done.
    pub fn each(&self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let run = || {
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    return;
                }
                work(piece);
            }
        };
        if self.threads == 1 || pieces < 2 {
            return run();
        }
        std::thread::scope(|scope| {
            for _ in 1..self.threads.min(pieces) {
                scope.spawn(run);
            }
            run();
        });
    }
}
