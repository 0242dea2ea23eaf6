//! What this device has handed out, for its own limit and where the platform does not tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes handed out and not given back.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts bytes for as long as the result lives, unless there would be more than `limit`: then how many are
    /// left.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64, limit: u64) -> Result<Counted, u64> {
        let room = |now: u64| now.checked_add(bytes).filter(|&sum| sum <= limit);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => Ok(Counted { bytes, tally: Arc::clone(self) }),
            Err(now) => Err(limit.saturating_sub(now)),
        }
    }
}

/// Bytes on the tally.
#[derive(Debug)]
pub(crate) struct Counted {
    bytes: u64,
    tally: Arc<Tally>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tally.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
