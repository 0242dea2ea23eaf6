//! How often a simulated device was called, so that tests can say how often it should be.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a [`SimDevice`](super::SimDevice) has done since it was opened. Refused calls do not count.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> Counts {
                Counts { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counts! {
    /// Plain allocations.
    allocations,
    /// Growable ranges.
    reserves,
    /// Regions given back.
    frees,
    /// Calls of `commit`.
    commits,
    /// Calls of `decommit`.
    decommits,
    /// Bytes that were allocated.
    allocated_bytes,
    /// Bytes that were committed.
    committed_bytes,
    /// Bytes that were decommitted.
    decommitted_bytes,
    /// Copies on the device.
    copies,
    /// Bytes copied on the device.
    copied_bytes,
    /// Fills.
    fills,
    /// Uploads.
    uploads,
    /// Bytes uploaded.
    uploaded_bytes,
    /// Downloads.
    downloads,
    /// Bytes downloaded.
    downloaded_bytes,
    /// Host reads.
    reads,
    /// Host writes.
    writes,
    /// Syncs of managed memory.
    syncs,
    /// Operations of `kernels`.
    kernels,
    /// Fences.
    fences,
    /// Calls of `wait`.
    waits,
    /// Failures that were injected.
    injected,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
}
