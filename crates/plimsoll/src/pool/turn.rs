//! One at a time, but never for ever.

use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// The least that anyone waits for a turn. Bounded, so that one who takes a second turn on the same thread, from a
/// callback say, is delayed and not locked up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who takes several leases at once does so in turn.
#[derive(Default)]
pub(super) struct Turn {
    taken: Mutex<bool>,
    free: Condvar,
}

/// A turn, passed on when dropped. Without the turn, when waiting for it took too long.
pub(super) struct Taken<'t>(Option<&'t Turn>);

impl Turn {
    pub(super) fn take(&self, patience: Duration) -> Taken<'_> {
        let until = Instant::now().checked_add(patience.max(PATIENCE));
        let mut taken = lock(&self.taken);
        while *taken {
            taken = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => return Taken(None),
                Some(left) => self.free.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.free.wait(taken).unwrap_or_else(PoisonError::into_inner),
            };
        }
        *taken = true;
        Taken(Some(self))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.0 {
            *lock(&turn.taken) = false;
            turn.free.notify_one();
        }
    }
}
