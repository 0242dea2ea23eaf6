//! How many bytes tensors have, and had at most.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes of tensors as they come and go. It is asked between operations of one thread, so that relaxed
/// order is enough.
#[derive(Debug, Default)]
pub(super) struct Meter {
    live: AtomicU64,
    peak: AtomicU64,
}

impl Meter {
    pub(super) fn add(&self, bytes: u64) {
        let now = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, bytes: u64) {
        let before = self.live.fetch_sub(bytes, Ordering::Relaxed);
        assert!(before >= bytes, "more bytes of tensors went than came");
    }

    pub(super) fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// From here on the most is what there is now.
    pub(super) fn restart(&self) {
        self.peak.store(self.live(), Ordering::Relaxed);
    }
}
