//! An allocator that is not made for threads: owned by the only thread there is, or behind a mutex.

use std::sync::{Arc, Mutex, PoisonError};

/// One thread uses such an allocator directly. Several have to share it behind a lock, which is what its users do.
pub enum Shared<A> {
    /// The only thread.
    Own(Box<A>),
    /// One of several.
    Locked(Arc<Mutex<A>>),
}

impl<A> Shared<A> {
    /// A handle for each of so many threads.
    pub fn among(threads: usize, allocator: A) -> Vec<Self> {
        if threads <= 1 {
            return vec![Self::Own(Box::new(allocator))];
        }
        let shared = Arc::new(Mutex::new(allocator));
        (0..threads).map(|_| Self::Locked(shared.clone())).collect()
    }

    /// Runs `what` with the allocator.
    #[inline]
    pub fn with<R>(&mut self, what: impl FnOnce(&mut A) -> R) -> R {
        match self {
            Self::Own(allocator) => what(allocator),
            Self::Locked(allocator) => what(&mut allocator.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}
