//! Wakes tasks at a time. One small thread for the whole process, started when the first future waits.
//!
//! A future that is dropped leaves its entry behind until it is due, so no entry is set further away than a
//! second; a future that is woken early looks, finds nothing and sets another.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use real::wake_at;

#[cfg(not(any(loom, shuttle)))]
mod real {
    use std::cmp::Reverse;
    use std::collections::BTreeMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::OnceLock;
    use std::task::Waker;
    use std::time::{Duration, Instant};

    use crate::sync::{Condvar, Mutex, PoisonError, lock, thread};

    const FURTHEST: Duration = Duration::from_secs(1);

    #[derive(Default)]
    struct Timer {
        due: Mutex<Due>,
        changed: Condvar,
    }

    #[derive(Default)]
    struct Due {
        wakers: BTreeMap<(Instant, Reverse<u64>), Waker>,
        count: u64,
    }

    static TIMER: OnceLock<&'static Timer> = OnceLock::new();

    /// Wakes a task at a time or earlier.
    pub(crate) fn wake_at(at: Instant, waker: Waker) {
        let timer = TIMER.get_or_init(|| {
            let timer: &'static Timer = Box::leak(Box::default());
            // Without the thread, futures still end by grants; only their deadlines come late.
            drop(thread::Builder::new().name("plimsoll-timer".to_owned()).spawn(move || timer.run()));
            timer
        });
        let at = at.min(Instant::now() + FURTHEST);
        let mut due = lock(&timer.due);
        due.count += 1;
        let key = (at, Reverse(due.count));
        let first = due.wakers.first_key_value().is_none_or(|(first, _)| key < *first);
        due.wakers.insert(key, waker);
        drop(due);
        if first {
            timer.changed.notify_one();
        }
    }

    impl Timer {
        fn run(&self) {
            let mut due = lock(&self.due);
            loop {
                let now = Instant::now();
                match due.wakers.first_entry() {
                    None => due = self.changed.wait(due).unwrap_or_else(PoisonError::into_inner),
                    Some(entry) if entry.key().0 <= now => {
                        let waker = entry.remove();
                        drop(due);
                        drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
                        due = lock(&self.due);
                    }
                    Some(entry) => {
                        let left = entry.key().0 - now;
                        due = self.changed.wait_timeout(due, left).unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
            }
        }
    }
}

/// Checkers have no time: nothing is ever due.
#[cfg(any(loom, shuttle))]
pub(crate) fn wake_at(_at: std::time::Instant, _waker: std::task::Waker) {}
