//! The one door to concurrency primitives.
//!
//! Everything that is shared between threads takes its locks, atomics and cells from here, so that the same code
//! runs on the standard library, under loom (`--cfg loom`) and under shuttle (`--cfg shuttle`), which explore
//! interleavings instead of waiting for them to happen.
//!
//! Two things are deliberately not covered. `Arc` is the standard one everywhere: neither checker models the
//! coercion to `Arc<dyn Trait>` that holders and devices need, and a reference count is not what we check. Time is
//! not modelled: a timed wait under loom or shuttle may return at any moment or never, so code under test must be
//! right for both, and tests with deadlines run on the standard library only.

pub use std::sync::{Arc, PoisonError, Weak};

#[cfg(not(any(loom, shuttle)))]
pub use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(all(shuttle, not(loom)))]
pub use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

/// A cell whose content is reached through closures, so that loom can see every access.
#[cfg(not(loom))]
#[derive(Debug, Default)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// A cell with this content.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Lends the content for writing. Dereferencing is the caller's unsafe act.
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Takes a lock whether or not a thread died with it. For data that is whole between any two statements, a
/// poisoned lock says nothing about the data.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
