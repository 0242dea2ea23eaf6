//! How many bytes of objects may be in memory on their way at once.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes that are lent and come back.
#[derive(Debug)]
pub(super) struct Budget {
    most: u64,
    lent: Mutex<u64>,
    back: Condvar,
}

/// Some of a budget; it comes back when this is dropped.
#[derive(Debug)]
pub(super) struct Loan {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, lent: Mutex::new(0), back: Condvar::new() })
    }

    /// Waits for bytes. More than there are is as much as all of them: such an object goes alone.
    pub fn lend(self: &Arc<Self>, bytes: u64) -> Loan {
        let bytes = bytes.min(self.most);
        let lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |lent: &mut u64| self.most.saturating_sub(*lent) < bytes;
        let mut lent = self.back.wait_while(lent, full).unwrap_or_else(PoisonError::into_inner);
        *lent = lent.saturating_add(bytes);
        Loan { budget: Arc::clone(self), bytes }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut lent = self.budget.lent.lock().unwrap_or_else(PoisonError::into_inner);
        *lent = lent.saturating_sub(self.bytes);
        self.budget.back.notify_all();
    }
}
