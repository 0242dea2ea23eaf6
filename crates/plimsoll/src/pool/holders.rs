//! How a pool stands before the governor: its idle memory and its pending memory are called in first.

use std::sync::{Arc, Weak};

use plimsoll_device::Bytes;

use super::core::PoolCore;
use crate::governor::{Emergency, HolderKind, Offer, Shrink};

/// Idle memory: in threads' caches, and free in what is backed.
pub(super) struct Idle(pub(super) Weak<PoolCore>);

impl Shrink for Idle {
    fn name(&self) -> &'static str {
        "idle pool memory"
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Idle
    }

    fn offer(&self) -> Offer {
        let bytes = self.0.upgrade().map_or(0, |core| core.thread_cached() + core.free_bytes());
        Offer { bytes: Bytes::new(bytes), worth: 0.0 }
    }

    fn shrink(&self, _want: Bytes, _emergency: &Emergency) -> Bytes {
        // All of it: whoever asks is about to evict something of worth instead.
        self.0.upgrade().and_then(|core| core.trim(Bytes::ZERO).ok()).unwrap_or(Bytes::ZERO)
    }

    fn largest_free_run(&self) -> Option<Bytes> {
        self.0.upgrade().map(|core| Bytes::new(core.central().arena.largest_free()))
    }
}

/// Memory that was dropped while the device still used it.
pub(super) struct Fenced(pub(super) Weak<PoolCore>);

impl Shrink for Fenced {
    fn name(&self) -> &'static str {
        "memory that waits for the device"
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Pending
    }

    fn offer(&self) -> Offer {
        let bytes = self.0.upgrade().map_or(Bytes::ZERO, |core| core.central().pending.bytes());
        Offer { bytes, worth: 0.0 }
    }

    fn shrink(&self, _want: Bytes, _emergency: &Emergency) -> Bytes {
        let Some(core) = self.0.upgrade().filter(|core| !core.central().pending.is_empty()) else {
            return Bytes::ZERO;
        };
        core.trim(Bytes::ZERO).unwrap_or(Bytes::ZERO)
    }
}

/// Both of a pool's holders, to be registered with the governor.
pub(super) fn of(core: &Arc<PoolCore>) -> [Arc<dyn Shrink>; 2] {
    [Arc::new(Idle(Arc::downgrade(core))), Arc::new(Fenced(Arc::downgrade(core)))]
}
