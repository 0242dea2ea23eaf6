//! What a cache has done and holds.

use crate::Bytes;

/// Counts since the cache was opened, and sums at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachedStats {
    /// Values that were there when asked for, or came while waiting for another thread's computation.
    pub hits: u64,
    /// Values that were not there.
    pub misses: u64,
    /// Values that were given up for memory.
    pub evictions: u64,
    /// Values that the account did not carry.
    pub refusals: u64,
    /// Eviction hooks, or drops of an evicted value, that panicked.
    pub hook_panics: u64,
    /// Values that a key leads to.
    pub entries: usize,
    /// All bytes that are kept and charged.
    pub bytes: Bytes,
    /// Of those, bytes in use: they cannot be evicted.
    pub pinned: Bytes,
    /// Of those, bytes that were removed and are still in use by a hit.
    pub withdrawn: Bytes,
}

impl CachedStats {
    /// The share of requests that were hits; zero before the first.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            all => self.hits as f64 / all as f64,
        }
    }
}
