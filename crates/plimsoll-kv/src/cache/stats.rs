//! What a cache has done.

use std::sync::atomic::{AtomicU64, Ordering};

use plimsoll::Bytes;

use super::Rates;
use crate::tree::Tiers;

/// One tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierStats {
    /// Blocks that have a copy in it.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: Bytes,
    /// Blocks that were found in it when a prefix was restored.
    pub hits: u64,
    /// Bytes that were brought up from it.
    pub restored: Bytes,
    /// Bytes that were brought down into it.
    pub demoted: Bytes,
    /// Copies that it gave up.
    pub evicted: u64,
}

/// All of it, at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheStats {
    /// Each tier.
    pub tiers: Tiers<TierStats>,
    /// Blocks in the index.
    pub blocks: u64,
    /// What the index takes of memory for each.
    pub index_bytes_per_block: f64,
    /// Prefixes that were sought, and blocks in them.
    pub sought: u64,
    /// Blocks that were asked for.
    pub asked_blocks: u64,
    /// Of those, found and restored or used in place.
    pub restored_blocks: u64,
    /// Found, and computed all the same because that took less or because restoring failed.
    pub declined_blocks: u64,
    /// Pages that were given back because the same block was there already.
    pub deduplicated: Bytes,
    /// Copies that were there and were not what they should be: damaged, or another block's of the same identity.
    pub doubts: u64,
    /// Blocks that were to be kept in a store and were not, because it failed, was full or had written enough today.
    pub unsaved: u64,
    /// How often a thread of the cache failed and was started again.
    pub restarts: u64,
    /// What transfers and computing take, as measured.
    pub rates: Rates,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub sought: Count,
    pub asked: Count,
    pub restored_blocks: Count,
    pub declined: Count,
    pub deduplicated: Count,
    pub doubts: Count,
    pub unsaved: Count,
    pub restarts: Count,
    pub tiers: Tiers<TierCounts>,
}

#[derive(Debug, Default)]
pub(super) struct TierCounts {
    pub hits: Count,
    pub restored: Count,
    pub demoted: Count,
    pub evicted: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> Bytes {
        Bytes::new(self.get())
    }
}
