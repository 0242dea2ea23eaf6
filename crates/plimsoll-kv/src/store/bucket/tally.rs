//! What a bucket has done and what it knows.

use std::sync::atomic::{AtomicU64, Ordering};

use plimsoll::Bytes;

/// Counts, from any thread.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub puts: AtomicU64,
    pub gets: AtomicU64,
    pub lists: AtomicU64,
    pub deletes: AtomicU64,
    pub sent: AtomicU64,
    pub received: AtomicU64,
    pub failures: AtomicU64,
    pub doubts: AtomicU64,
}

impl Tally {
    pub fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }

    pub fn requests(&self) -> Requests {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Requests {
            puts: of(&self.puts),
            gets: of(&self.gets),
            lists: of(&self.lists),
            deletes: of(&self.deletes),
            sent: Bytes::new(of(&self.sent)),
            received: Bytes::new(of(&self.received)),
            failures: of(&self.failures),
            doubts: of(&self.doubts),
        }
    }
}

/// What was asked of the service since the bucket was opened. What a request was tried again for counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Objects written.
    pub puts: u64,
    /// Reads of an object or a part of one.
    pub gets: u64,
    /// Listings, of however many pages.
    pub lists: u64,
    /// Objects deleted.
    pub deletes: u64,
    /// Bytes of objects sent.
    pub sent: Bytes,
    /// Bytes of objects received.
    pub received: Bytes,
    /// Requests that failed for good.
    pub failures: u64,
    /// Objects that were there and not believed.
    pub doubts: u64,
}

/// What is known of a bucket without asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its address.
    pub name: String,
    /// What this machine is called there.
    pub machine: String,
    /// Blocks that this machine wrote.
    pub own_blocks: u64,
    /// What they take.
    pub own_bytes: Bytes,
    /// Blocks that others wrote, as of the last listing.
    pub other_blocks: u64,
    /// What they take.
    pub other_bytes: Bytes,
    /// What is on its way there.
    pub flying_bytes: Bytes,
    /// What may have arrived, and is charged until that is known.
    pub unsure_bytes: Bytes,
    /// The most that this machine may have there, if there is a limit.
    pub max_bytes: Option<Bytes>,
    /// Objects under the prefix that are none of ours, as of the last listing.
    pub foreign_objects: u64,
    /// Whether the service is left alone for a while because it does not answer.
    pub resting: bool,
    /// What was asked of the service.
    pub requests: Requests,
}
