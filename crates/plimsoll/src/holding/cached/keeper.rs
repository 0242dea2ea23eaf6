//! What the handles, the hits and the governor share: the shelf behind its lock.
//!
//! The lock guards book-keeping only. Nothing that could block, panic or call back runs under it: not a
//! computation, not an eviction hook, not the drop of a value, not a reservation. That is what lets the governor ask
//! this cache to shrink from within this cache's own request for memory.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::flights::{Board, Flights};
use super::hit::{Hit, Keeper, Stored};
use super::order::Id;
use super::shelf::{Removal, Shelf, Taken};
use super::stats::CachedStats;
use super::{CachedError, Key};
use crate::Bytes;
use crate::governor::{Emergency, HolderKind, Offer, Refusal, Reservation, Shrink};
use crate::holding::{Clock, Site};
use crate::pool::Tag;
use crate::record::Kind;
use crate::sync::{Arc, Mutex, lock, thread};

/// Why something is evicted, by the numbers that recordings have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evicted {
    /// The governor asked.
    Asked = 0,
    /// The cache made room for a value of its own.
    ForOwn = 1,
    /// Its owner said so.
    Wanted = 2,
}

/// Called with what is evicted.
pub(super) type Hook<K, V> = Arc<dyn Fn(&K, &V) + Send + Sync>;

pub(super) struct Shared<K, V> {
    pub(super) name: String,
    /// The same, for recordings.
    tag: Tag,
    pub(super) site: Site,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hook: Mutex<Option<Hook<K, V>>>,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    shelf: Shelf<K, Arc<Stored<V>>>,
    flights: Flights<K>,
    counts: CachedStats,
    closed: bool,
}

impl<K: Key, V: Send + Sync + 'static> Shared<K, V> {
    pub(super) fn new(name: String, site: Site, clock: Arc<dyn Clock>) -> Self {
        Self {
            tag: Tag::new(&name),
            name,
            site,
            clock,
            hook: Mutex::new(None),
            state: Mutex::new(State {
                shelf: Shelf::new(),
                flights: Flights::new(),
                counts: CachedStats::default(),
                closed: false,
            }),
        }
    }

    /// The value, pinned, if it is here.
    pub(super) fn find(self: &Arc<Self>, key: &K) -> Option<Hit<V>> {
        let mut state = lock(&self.state);
        let hit = self.pin(&mut state, key);
        if hit.is_none() {
            state.counts.misses += 1;
        }
        hit
    }

    /// The value if it is here or comes while waiting; otherwise the right, and duty, to compute it.
    pub(super) fn find_or_board(self: &Arc<Self>, key: &K) -> Result<Sought<K, V>, CachedError<V>> {
        let me = thread::current().id();
        let mut state = lock(&self.state);
        loop {
            if let Some(hit) = self.pin(&mut state, key) {
                return Ok(Sought::Found(hit));
            }
            if state.closed {
                return Err(CachedError::Closed { value: None });
            }
            match state.flights.board(key, me) {
                Board::Compute => {
                    state.counts.misses += 1;
                    let (shared, key) = (Arc::clone(self), key.clone());
                    return Ok(Sought::Compute(Landing { shared, key }));
                }
                Board::Wait(landed) => {
                    state = landed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                    state.flights.awake(me);
                }
                Board::Circle => return Err(CachedError::Circle),
            }
        }
    }

    /// Puts a value that is paid for on the shelf. What stood there is let go of.
    pub(super) fn put(
        self: &Arc<Self>,
        key: K,
        value: V,
        paid: Option<Reservation>,
        bytes: Bytes,
        cost: Duration,
    ) -> Result<Hit<V>, CachedError<V>> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(CachedError::Closed { value: Some(value) });
        }
        let charge = paid.map(Reservation::back);
        let stored = Arc::new(Stored { value, bytes, _charge: charge });
        let (id, displaced) = state.shelf.insert(key, Arc::clone(&stored), bytes, cost);
        drop(state);
        drop(displaced);
        Ok(Hit::new(stored, self.keeper(), id))
    }

    /// Bytes for a value. When the governor finds nothing more at once, the cache makes room among its own, but only
    /// if that is enough: emptying itself for nothing helps nobody. Waiting comes last.
    pub(super) fn pay(&self, bytes: Bytes) -> Result<Option<Reservation>, Refusal> {
        if self.site.is_free(bytes) {
            return Ok(None);
        }
        let refusal = match self.site.reserve_now(bytes) {
            Ok(reservation) => return Ok(Some(reservation)),
            Err(refusal) => refusal,
        };
        let short = bytes.saturating_sub(refusal.fits_now);
        let idle = lock(&self.state).shelf.offer().0;
        if !short.is_zero() && short <= idle {
            self.release(short, Evicted::ForOwn);
        } else if self.site.never_waits() {
            return Err(refusal);
        }
        self.site.reserve(bytes).map(Some)
    }

    /// Takes a value off the shelf. True when there was one.
    pub(super) fn remove(&self, key: &K) -> bool {
        let removal = lock(&self.state).shelf.remove(key);
        !matches!(removal, Removal::Absent)
    }

    /// Takes everything off the shelf; for good, when `close`.
    pub(super) fn clear(&self, close: bool) {
        let keys = {
            let mut state = lock(&self.state);
            state.closed |= close;
            state.shelf.keys()
        };
        for key in keys {
            self.remove(&key);
        }
    }

    /// Evicts the cheapest until so many bytes are released, or nothing idle is left.
    pub(super) fn release(&self, want: Bytes, why: Evicted) -> Bytes {
        let mut released = Bytes::ZERO;
        while released < want {
            let Some(taken) = lock(&self.state).shelf.evict() else {
                break;
            };
            released += taken.bytes;
            self.site.note(Kind::Evict, taken.bytes, self.tag, why as u64);
            self.let_go(taken);
        }
        self.site.settle(released)
    }

    pub(super) fn stats(&self) -> CachedStats {
        let state = lock(&self.state);
        let totals = state.shelf.totals();
        CachedStats {
            entries: totals.entries,
            bytes: totals.bytes,
            pinned: totals.pinned,
            withdrawn: totals.withdrawn,
            ..state.counts
        }
    }

    pub(super) fn refused(&self, bytes: Bytes, refusal: &Refusal) {
        self.site.note_refusal(bytes, refusal);
        lock(&self.state).counts.refusals += 1;
    }

    /// Tells the hook, then drops the value and with it the charge, whatever the hook does.
    fn let_go(&self, taken: Taken<K, Arc<Stored<V>>>) {
        let hook = lock(&self.hook).clone();
        let told = catch_unwind(AssertUnwindSafe(|| {
            if let Some(hook) = hook {
                hook(&taken.key, &taken.stored.value);
            }
        }));
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(taken)));
        let mut state = lock(&self.state);
        state.counts.evictions += 1;
        state.counts.hook_panics += u64::from(told.is_err() || dropped.is_err());
    }

    fn pin(self: &Arc<Self>, state: &mut State<K, V>, key: &K) -> Option<Hit<V>> {
        let (id, stored) = state.shelf.pin(key)?;
        let stored = Arc::clone(stored);
        state.counts.hits += 1;
        Some(Hit::new(stored, self.keeper(), id))
    }

    fn keeper(self: &Arc<Self>) -> Arc<dyn Keeper> {
        let shared: Arc<Self> = Arc::clone(self);
        shared
    }
}

impl<K: Key, V: Send + Sync + 'static> Keeper for Shared<K, V> {
    fn pin_again(&self, id: Id) {
        lock(&self.state).shelf.pin_again(id);
    }

    fn unpin(&self, id: Id) {
        let gone = lock(&self.state).shelf.unpin(id);
        drop(gone);
    }
}

impl<K: Key, V: Send + Sync + 'static> Shrink for Shared<K, V> {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Holder
    }

    fn offer(&self) -> Offer {
        let (bytes, worth) = lock(&self.state).shelf.offer();
        Offer { bytes, worth }
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        self.release(want, Evicted::Asked)
    }
}

impl<K, V> fmt::Debug for Shared<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a request for a value finds.
pub(super) enum Sought<K: Key, V: Send + Sync + 'static> {
    /// The value.
    Found(Hit<V>),
    /// The duty to compute it.
    Compute(Landing<K, V>),
}

/// The right to compute one value. Dropped, also by a panic, it lets those who wait look again.
pub(super) struct Landing<K: Key, V: Send + Sync + 'static> {
    shared: Arc<Shared<K, V>>,
    key: K,
}

impl<K: Key, V: Send + Sync + 'static> Drop for Landing<K, V> {
    fn drop(&mut self) {
        lock(&self.shared.state).flights.land(&self.key);
    }
}
