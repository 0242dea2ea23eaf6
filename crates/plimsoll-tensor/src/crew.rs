//! Threads that stay, for jobs of microseconds.
//!
//! A step of decoding is some eighty products, each of which takes microseconds on a small model: starting threads for
//! each would cost more than the products. So the threads of a crew wait for the next job by looking for it for a while,
//! and sleep only when none comes; a job is begun by one store.
//!
//! A thread enters a job before it does a piece of it, and whoever gave the job closes it when no piece is left and waits
//! for those that are in it, and for no others: on a machine that has more to do than it has processors, a thread that does
//! not get its turn holds up nobody.
//!
//! # What it is not
//! It runs one job at a time and keeps no queue. A job that is given while another one runs (from within its work, or from
//! another thread) is done by the thread that gives it, alone: nobody waits for anybody, so nothing can lock up.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// How often a thread looks for a job, or for the end of one, before it sleeps: some tens of microseconds.
const LOOKS: usize = if cfg!(miri) { 10 } else { 2_000 };

/// Threads that share the pieces of one job. Dropping it ends them.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// let crew = plimsoll_tensor::Crew::new(2);
/// let sum = AtomicUsize::new(0);
/// crew.each(10, &|piece| {
///     sum.fetch_add(piece, Ordering::Relaxed);
/// });
/// assert_eq!(sum.into_inner(), 45);
/// ```
pub struct Crew {
    shared: Arc<Shared>,
    hands: Vec<JoinHandle<()>>,
    /// Held while a job runs.
    job: Mutex<()>,
}

/// What a job does for each of its pieces. Its lifetime is that of the call to [`Crew::each`], which ends after the last
/// use of it.
type Work = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// The number of the job, whether it is open, and how many threads are in it. Threads that have nothing to do look at
    /// this all the time, so nothing that is written during a job lies beside it.
    state: Apart<AtomicUsize>,
    work: UnsafeCell<Option<Work>>,
    pieces: AtomicUsize,
    next: AtomicUsize,
    closing: AtomicBool,
    asleep: Vec<AtomicBool>,
    /// Whether the one who gave the job sleeps until it is done.
    waiting: AtomicBool,
    done: (Mutex<()>, Condvar),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// In a line of memory of its own; processors fetch two at a time.
#[repr(align(128))]
struct Apart<T>(T);

impl<T> std::ops::Deref for Apart<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The part of the state that counts threads, the bit that says that a job is open, and what one job more adds.
const INSIDE: usize = (1 << 12) - 1;
const OPEN: usize = 1 << 12;
const TURN: usize = 1 << 13;

// SAFETY: `work` is written only by the holder of the crew's `job` lock, while the job is closed and nobody is in it; it
// is read only by threads that are in a job, which they entered while it was open.
unsafe impl Sync for Shared {}
// SAFETY: as above; what the pointer names is `Sync`.
unsafe impl Send for Shared {}

impl Crew {
    /// So many threads, the one that calls counted. Where the system gives fewer, those share the work.
    pub fn new(threads: usize) -> Self {
        let helpers = threads.saturating_sub(1).min(INSIDE);
        let shared = Arc::new(Shared {
            state: Apart(AtomicUsize::new(0)),
            work: UnsafeCell::new(None),
            pieces: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            asleep: (0..helpers).map(|_| AtomicBool::new(false)).collect(),
            waiting: AtomicBool::new(false),
            done: (Mutex::new(()), Condvar::new()),
            panic: Mutex::new(None),
        });
        let hand = |number| {
            let shared = Arc::clone(&shared);
            let name = format!("plimsoll-crew-{}", number + 1);
            std::thread::Builder::new().name(name).spawn(move || shared.stay(number)).ok()
        };
        let hands = (0..helpers).map_while(hand).collect();
        Self { shared, hands, job: Mutex::new(()) }
    }

    /// As many threads as this process may use at once.
    pub fn of_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// How many threads work, the one that calls counted.
    pub fn threads(&self) -> usize {
        self.hands.len() + 1
    }

    /// Calls `work` once for each number below `pieces`, on all threads, and returns when all are done. A panic in it is
    /// carried over to the caller after that; pieces that nobody had begun then stay undone.
    pub fn each(&self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        let lock = if pieces < 2 || self.hands.is_empty() { None } else { self.job.try_lock().ok() };
        let Some(lock) = lock else { return (0..pieces).for_each(work) };
        self.begin(pieces, work);
        let mine = catch_unwind(AssertUnwindSafe(|| self.shared.pieces(work)));
        if mine.is_err() {
            self.shared.next.store(pieces, Ordering::Relaxed);
        }
        self.shared.wait();
        let theirs = locked(&self.shared.panic).take();
        drop(lock);
        if let Some(panic) = mine.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    /// Calls `work` with each of the items, on all threads. Items are handed out one by one under a lock, so they should be
    /// few: rows, or runs of them.
    pub fn over<I>(&self, items: I, work: impl Fn(I::Item) + Sync)
    where
        I: IntoIterator,
        I::IntoIter: Send,
    {
        let items = Mutex::new(items.into_iter());
        let next = || locked(&items).next();
        self.each(self.threads(), &|_| {
            while let Some(item) = next() {
                work(item);
            }
        });
    }

    /// The same with something to work with, which one thread has at a time. At most as many threads work as there are of
    /// those.
    pub fn over_with<I, S>(&self, tools: &mut [S], items: I, work: impl Fn(I::Item, &mut S) + Sync)
    where
        I: IntoIterator,
        I::IntoIter: Send,
        S: Send,
    {
        let items = Mutex::new(items.into_iter());
        let next = || locked(&items).next();
        let tools = Mutex::new(tools.iter_mut());
        self.each(self.threads(), &|_| {
            let tool = locked(&tools).next();
            let Some(tool) = tool else { return };
            while let Some(item) = next() {
                work(item, tool);
            }
        });
    }

    fn begin(&self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        let shared = &*self.shared;
        // SAFETY: only the lifetime is another. `each` returns, or unwinds, after the job is closed and nobody is in it, and
        // nobody uses the reference after that.
        let work =
            unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(work) };
        // SAFETY: the caller holds `job`, and the last job ended closed with nobody in it: no thread reads this now.
        unsafe { *shared.work.get() = Some(std::ptr::from_ref(work)) };
        shared.pieces.store(pieces, Ordering::Relaxed);
        shared.next.store(0, Ordering::Relaxed);
        self.call(OPEN);
    }

    /// Says that there is something new.
    fn call(&self, open: usize) {
        // Nobody else changes it: the last job is closed, and nobody is in it.
        self.shared.state.fetch_add(TURN | open, Ordering::SeqCst);
        for (asleep, hand) in self.shared.asleep.iter().zip(&self.hands) {
            if asleep.load(Ordering::SeqCst) {
                hand.thread().unpark();
            }
        }
    }
}

impl Shared {
    /// The life of a thread.
    fn stay(&self, number: usize) {
        let mut seen = 0;
        loop {
            self.sleep_until_called(number, seen);
            seen = self.state.load(Ordering::Acquire) / TURN;
            if self.closing.load(Ordering::Relaxed) {
                return;
            }
            if !self.enter(seen) {
                continue;
            }
            // SAFETY: it was written before the job was opened, and is not written before this thread has left.
            if let Some(work) = unsafe { *self.work.get() } {
                // SAFETY: the call to `each` that lent it waits until this thread has left.
                let work = unsafe { &*work };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.pieces(work))) {
                    self.next.store(self.pieces.load(Ordering::Relaxed), Ordering::Relaxed);
                    locked(&self.panic).get_or_insert(panic);
                }
            }
            let before = self.state.fetch_sub(1, Ordering::SeqCst);
            if before & INSIDE == 1 && self.waiting.load(Ordering::SeqCst) {
                drop(locked(&self.done.0));
                self.done.1.notify_all();
            }
        }
    }

    /// Counts a thread in, if this job is open still.
    fn enter(&self, turn: usize) -> bool {
        let one_more = |state: usize| (state / TURN == turn && state & OPEN != 0).then_some(state + 1);
        self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more).is_ok()
    }

    fn sleep_until_called(&self, number: usize, seen: usize) {
        for _ in 0..LOOKS {
            if self.state.load(Ordering::Acquire) / TURN != seen {
                return;
            }
            std::hint::spin_loop();
        }
        // Who calls raises the turn and then looks for sleepers; who sleeps says so and then looks at the turn: one of them
        // sees the other.
        self.asleep[number].store(true, Ordering::SeqCst);
        while self.state.load(Ordering::SeqCst) / TURN == seen {
            std::thread::park();
        }
        self.asleep[number].store(false, Ordering::Relaxed);
    }

    /// Does pieces until none is left.
    fn pieces(&self, work: &(dyn Fn(usize) + Sync)) {
        let pieces = self.pieces.load(Ordering::Relaxed);
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return;
            }
            work(piece);
        }
    }

    /// Closes the job, and waits until nobody is in it.
    fn wait(&self) {
        self.state.fetch_and(!OPEN, Ordering::SeqCst);
        for _ in 0..LOOKS {
            if self.state.load(Ordering::Acquire) & INSIDE == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        let mut guard = locked(&self.done.0);
        self.waiting.store(true, Ordering::SeqCst);
        while self.state.load(Ordering::SeqCst) & INSIDE != 0 {
            guard = self.done.1.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.waiting.store(false, Ordering::Relaxed);
    }
}

/// A panic is carried over with the lock free, so what a lock guards is whole after one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.call(0);
        for hand in self.hands.drain(..) {
            // Panics of work were carried over before; there are no others.
            drop(hand.join());
        }
    }
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: usize = if cfg!(miri) { 20 } else { 1_000 };

    #[test]
    fn every_piece_is_done_once_in_each_of_many_jobs() {
        for threads in [1, 2, 5] {
            let crew = Crew::new(threads);
            assert_eq!(crew.threads(), threads);
            for job in 0..JOBS {
                let counts: Vec<AtomicUsize> = (0..job % 7).map(|_| AtomicUsize::new(0)).collect();
                crew.each(counts.len(), &|piece| {
                    counts[piece].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn items_are_handed_out_once() {
        let mut rows = vec![1; 90];
        Crew::new(3).over(rows.chunks_mut(7).enumerate(), |(number, row)| row.fill(number));
        assert!(rows.iter().enumerate().all(|(at, number)| at / 7 == *number));
        let mut tools = [0, 0];
        Crew::new(3).over_with(&mut tools, rows, |number, sum| *sum += number);
        assert_eq!(tools.iter().sum::<usize>(), (0..12).sum::<usize>() * 7 + 12 * 6);
    }

    #[test]
    fn threads_that_went_to_sleep_are_woken() {
        let crew = Crew::new(3);
        for _ in 0..3 {
            while !crew.shared.asleep.iter().all(|asleep| asleep.load(Ordering::SeqCst)) {
                std::thread::yield_now();
            }
            let names = Mutex::new(Vec::new());
            let all = std::sync::Barrier::new(3);
            crew.each(3, &|_| {
                all.wait();
                locked(&names).push(std::thread::current().id());
            });
            let mut names = names.into_inner().unwrap();
            names.dedup();
            assert_eq!(names.len(), 3, "each piece had a thread of its own");
        }
    }

    #[test]
    fn a_panic_is_carried_over_and_the_crew_works_on() {
        let crew = Crew::new(2);
        for bad in 0..4 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                crew.each(4, &|piece| assert!(piece != bad, "piece {piece}"));
            }));
            let message = *caught.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(message, format!("piece {bad}"));
            let count = AtomicUsize::new(0);
            crew.each(9, &|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 9);
        }
    }

    #[test]
    fn a_job_within_a_job_and_jobs_of_several_threads_are_done() {
        let crew = Crew::new(2);
        let count = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..JOBS / 10 {
                        crew.each(3, &|_| {
                            crew.each(4, &|_| {
                                count.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 3 * (JOBS / 10) * 12);
    }
}
