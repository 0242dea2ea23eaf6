//! What a pool holds and how well it does.

use plimsoll_device::Bytes;

use super::tag::Tag;

/// A pool's numbers at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolStats {
    /// Leased now, as placed (rounded to the alignment).
    pub live: Bytes,
    /// Leased now, as asked.
    pub requested: Bytes,
    /// Idle but kept: in threads' caches and free in what is backed.
    pub cached: Bytes,
    /// The part of `cached` that is in threads' caches.
    pub thread_cached: Bytes,
    /// Dropped, and the device may still use it.
    pub pending: Bytes,
    /// The part of `pending` whose fence did not signal in time.
    pub poisoned: Bytes,
    /// What the pool holds on the device, all of it charged: live + cached + pending.
    pub backed: Bytes,
    /// The most that was backed at any moment.
    pub peak_backed: Bytes,
    /// The most that was live. Exact while one thread leases; with several it is the largest sum seen when
    /// these numbers were asked for, because leasing shares no counter.
    pub peak_live: Bytes,
    /// Leases given so far.
    pub leases: u64,
    /// How many of them came from a thread's cache.
    pub hits: u64,
    /// Leases of bytes that their stream still used: see [`LeaseRequest::on`](super::LeaseRequest::on).
    pub reused: u64,
    /// Leases and trims that made the device back or give back memory.
    pub maps: u64,
    /// Those among them that gave memory back: the price of staying small. The rest is growth, paid once.
    pub exchanges: u64,
    /// Blocks moved by compaction.
    pub moved: u64,
    /// The largest free run in what is backed.
    pub largest_free: Bytes,
    /// By tag, largest first.
    pub tags: Vec<TagStats>,
}

/// One tag's part of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagStats {
    /// Which.
    pub tag: Tag,
    /// Leased now under it.
    pub live: Bytes,
    /// Leases given so far under it.
    pub leases: u64,
}

impl PoolStats {
    /// 1 − requested/allocated: what rounding costs.
    pub fn internal_fragmentation(&self) -> f64 {
        if self.live.is_zero() { 0.0 } else { 1.0 - self.requested.ratio(self.live) }
    }

    /// 1 − largest free/free: how scattered the free memory is. What threads' caches hold counts as free.
    pub fn external_fragmentation(&self) -> f64 {
        if self.cached.is_zero() { 0.0 } else { 1.0 - self.largest_free.ratio(self.cached) }
    }

    /// The share of leases that threads' caches served.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn hit_rate(&self) -> f64 {
        if self.leases == 0 { 0.0 } else { self.hits as f64 / self.leases as f64 }
    }
}
