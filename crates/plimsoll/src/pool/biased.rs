//! A lock that costs its owner no locked instruction.
//!
//! A thread's cache of free blocks is used by that thread millions of times a second, and by another thread
//! almost never: when memory is short and every idle byte is called in. An ordinary uncontended mutex would
//! take half of the time of a lease. A cache that only its owner can reach strands memory with idle threads,
//! which then shows as an out-of-memory that is none.
//!
//! So the owner announces itself with a plain store and looks whether somebody wants in. Between the two
//! there must be a full barrier, or both could enter; the *visitor* pays for it, by asking the system to run
//! one on every thread of the process (`membarrier` on Linux). Where the system has no such call, the owner
//! executes the barrier itself.
//!
//! ```text
//! owner                      visitor (holds `visitors`)
//!   held = true                wanted = true
//!   (light barrier)            (heavy barrier: every thread passes a full barrier)
//!   wanted? → take the mutex   wait until !held
//!   … use …                    … use …
//!   held = false (release)     wanted = false (release)
//! ```
//!
//! If the owner's store came before the heavy barrier, the visitor sees it and waits. If it came after, the
//! owner's look at `wanted` came after as well, sees it set, and steps back to the mutex.

use crate::sync::atomic::{AtomicBool, Ordering, fence};
use crate::sync::{Mutex, UnsafeCell, lock, thread};

/// A value with one owning thread that may enter cheaply, and visitors that may not.
#[derive(Debug)]
pub(crate) struct Biased<T> {
    held: AtomicBool,
    wanted: AtomicBool,
    /// Whether the system can run barriers on other threads; without it, the owner runs its own.
    light: bool,
    value: UnsafeCell<T>,
    visitors: Mutex<()>,
}

// SAFETY: `value` is reached by the owner while `held` is set and no visitor is inside, or under `visitors`
// once the owner is known to be outside; the protocol above keeps these apart. T moves between threads, hence
// Send; no two threads hold a reference at once, hence T need not be Sync.
unsafe impl<T: Send> Sync for Biased<T> {}
// SAFETY: a Biased owns its T.
unsafe impl<T: Send> Send for Biased<T> {}

/// Leaves the owner's side also when the closure unwinds.
struct Held<'a>(&'a AtomicBool);

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<T> Biased<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            held: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            light: barrier::remote_available(),
            value: UnsafeCell::new(value),
            visitors: Mutex::new(()),
        }
    }

    /// Runs `f` on the value, as the owner, unless somebody else wants in: then `input` comes back unused, and
    /// the caller goes the long way round by [`owner`](Self::owner). Made so that nothing in it is a call.
    ///
    /// # Safety
    /// As for [`owner`](Self::owner).
    #[expect(
        clippy::inline_always,
        reason = "the hot path: a call between its parts costs as much as a part"
    )]
    #[inline(always)]
    pub(crate) unsafe fn try_owner<I, R>(&self, input: I, f: impl FnOnce(&mut T, I) -> R) -> Result<R, I> {
        self.held.store(true, Ordering::Relaxed);
        if self.light {
            std::sync::atomic::compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
        let held = Held(&self.held);
        if self.wanted.load(Ordering::Acquire) {
            return Err(input);
        }
        // SAFETY: `held` is set and no visitor wanted in after the barrier, so a visitor that comes now waits
        // for `held` to clear; the caller promises that no other owner call is active.
        let result = self.value.with_mut(|value| f(unsafe { &mut *value }, input));
        drop(held);
        Ok(result)
    }

    /// Runs `f` on the value, as the owner.
    ///
    /// # Safety
    /// All calls on one `Biased` come from one thread, and `f` does not call `owner` or `visit` on it again.
    pub(crate) unsafe fn owner<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the caller's promise.
        match unsafe { self.try_owner(f, |value, f| f(value)) } {
            Ok(result) => result,
            Err(f) => self.owner_beside_visitor(f),
        }
    }

    #[cold]
    fn owner_beside_visitor<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _turn = lock(&self.visitors);
        // SAFETY: a visitor uses the value only while it holds `visitors`, which we hold; the owner is us.
        self.value.with_mut(|value| f(unsafe { &mut *value }))
    }

    /// Runs `f` on the value, from any thread that is not inside [`owner`](Self::owner). Costs microseconds.
    pub(crate) fn visit<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _turn = lock(&self.visitors);
        self.wanted.store(true, Ordering::Relaxed);
        if self.light {
            barrier::remote();
        }
        fence(Ordering::SeqCst);
        while self.held.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let wanted = Wanted(&self.wanted);
        // SAFETY: `wanted` was set before a barrier on the owner's thread and `held` was clear after it, so
        // the owner is outside and takes the `visitors` mutex, which we hold, before it comes in again.
        let result = self.value.with_mut(|value| f(unsafe { &mut *value }));
        drop(wanted);
        result
    }
}

/// Lets the owner in again also when the visitor's closure unwinds.
struct Wanted<'a>(&'a AtomicBool);

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Barriers that one thread runs on all threads of the process.
#[cfg(all(target_os = "linux", not(any(loom, shuttle, miri))))]
mod barrier {
    use std::sync::OnceLock;

    const CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes three integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    /// Registers this process, once.
    pub(super) fn remote_available() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED
            .get_or_init(|| membarrier(CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(CMD_PRIVATE_EXPEDITED))
    }

    pub(super) fn remote() {
        let done = membarrier(CMD_PRIVATE_EXPEDITED);
        assert!(done, "the system took back a barrier that it had granted");
    }
}

#[cfg(not(all(target_os = "linux", not(any(loom, shuttle, miri)))))]
mod barrier {
    pub(super) const fn remote_available() -> bool {
        false
    }

    pub(super) const fn remote() {}
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn owner_and_visitors_never_overlap() {
        let rounds = if cfg!(miri) { 50 } else { 20_000 };
        let shared = Arc::new(Biased::new((0_u64, 0_u64)));
        let done = Arc::new(AtomicBool::new(false));
        let owner = {
            let (shared, done) = (Arc::clone(&shared), Arc::clone(&done));
            std::thread::spawn(move || {
                let mut entries = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    // SAFETY: only this thread calls `owner` on `shared`.
                    unsafe {
                        shared.owner(|pair| {
                            pair.0 += 1;
                            pair.1 += 1;
                        });
                    }
                    entries += 1;
                }
                entries
            })
        };
        let mut visits = 0;
        for _ in 0..rounds {
            shared.visit(|pair| {
                assert_eq!(pair.0, pair.1, "a visitor saw the owner's half-done work");
                pair.0 += 1;
                pair.1 += 1;
            });
            visits += 1;
        }
        done.store(true, Ordering::Relaxed);
        let entries = owner.join().unwrap();
        assert_eq!(shared.visit(|pair| *pair), (entries + visits, entries + visits));
    }

    #[test]
    fn a_panic_on_either_side_leaves_the_value_reachable() {
        let shared = Biased::new(1);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            shared.visit(|_| panic!("visitor"));
        }));
        assert!(caught.is_err());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // SAFETY: this thread is the only owner.
            unsafe { shared.owner(|_| panic!("owner")) }
        }));
        assert!(caught.is_err());
        assert_eq!(shared.visit(|value| *value), 1);
    }
}

#[cfg(all(test, loom))]
mod explored {
    use loom::sync::Arc;
    use loom::thread::JoinHandle;

    use super::Biased;

    // The value is in loom's cell, which fails the test when two are inside at once and when one comes in
    // without having synchronised with the one before; the sum fails it when an entry is lost.

    fn enter(shared: &Biased<usize>) {
        // SAFETY: each test calls this on one thread only.
        unsafe { shared.owner(|value| *value += 1) }
    }

    fn visitor(shared: &Arc<Biased<usize>>) -> JoinHandle<()> {
        let shared = Arc::clone(shared);
        loom::thread::spawn(move || shared.visit(|value| *value += 1))
    }

    #[test]
    fn loom_owner_and_visitor_are_never_inside_together() {
        loom::model(|| {
            let shared = Arc::new(Biased::new(0_usize));
            let visitor = visitor(&shared);
            enter(&shared);
            enter(&shared);
            visitor.join().unwrap();
            assert_eq!(shared.visit(|value| *value), 3);
        });
    }

    /// The second visitor comes when the first has let the owner in again, or has not yet.
    #[test]
    fn loom_visitors_take_turns_with_each_other_and_the_owner() {
        loom::model(|| {
            let shared = Arc::new(Biased::new(0_usize));
            let visitors = [visitor(&shared), visitor(&shared)];
            enter(&shared);
            for visitor in visitors {
                visitor.join().unwrap();
            }
            enter(&shared);
            assert_eq!(shared.visit(|value| *value), 4);
        });
    }
}
