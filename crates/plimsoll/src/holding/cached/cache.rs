//! The cache as its user sees it.

use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use super::hit::Hit;
use super::keeper::{Evicted, Shared, Sought};
use super::stats::CachedStats;
use super::{CachedError, TryCachedError};
use crate::Bytes;
use crate::governor::{Refusal, Registration, Reservation, Shrink};
use crate::holding::{Clock, Site, WallClock, Weigh};
use crate::sync::{Arc, lock};

/// What can be a key: anything that can be compared, hashed, cloned and shared among threads.
pub trait Key: Eq + Hash + Clone + Send + Sync + 'static {}

impl<T: Eq + Hash + Clone + Send + Sync + 'static> Key for T {}

/// Values that may go away, each priced by what it costs to get back.
///
/// # What it is not
/// It has no size of its own: how much it may hold is its account's matter, and changes while it runs. It does not
/// expire by time, and it does not write anywhere: the [`on_evict`](Self::on_evict) hook does that, if wanted. The
/// book-keeping itself (keys and some 150 bytes an entry) is not charged; keys that are large belong into the
/// value's weight.
///
/// # Who owns what
/// The cache owns its values until they are evicted or removed; a [`Hit`] lends one and keeps it from being evicted.
/// Each value carries its own charge, which is released when the value is really gone: a value removed while a
/// hit uses it stays charged until that hit is dropped. Handles are cheap to clone; when the last is dropped all that
/// is not in use goes at once.
///
/// # Example
/// ```no_run
/// # use plimsoll::{Bytes, holding::{Cached, Site}};
/// # fn open(site: &Site) -> Result<(), Box<dyn std::error::Error>> {
/// let features: Cached<u64, Vec<f32>> = Cached::open(site, "features");
/// let hit = features.get_or_insert_with(&7, || vec![0.5; 768])?; // computed once, pinned while `hit` lives
/// assert_eq!(hit.len(), 768);
/// # Ok(()) }
/// ```
///
/// # Formula
/// An entry's price is `L + uses · cost ÷ bytes` in seconds per byte; the lowest goes first, and raises `L`
/// (GreedyDual-Size-Frequency). What is in use has no price: it cannot go.
pub struct Cached<K: Key, V: Send + Sync + 'static> {
    owner: Arc<Owner<K, V>>,
}

/// Lives as long as the last handle; hits hold the shared part only, and keep nothing else.
struct Owner<K: Key, V: Send + Sync + 'static> {
    shared: Arc<Shared<K, V>>,
    _registration: Registration,
}

impl<K: Key, V: Send + Sync + 'static> Drop for Owner<K, V> {
    fn drop(&mut self) {
        self.shared.clear(true);
    }
}

impl<K: Key, V: Send + Sync + 'static> Cached<K, V> {
    /// An empty cache that the governor knows under this name.
    pub fn open(site: &Site, name: impl Into<String>) -> Self {
        Self::with_clock(site, name, Arc::new(WallClock::default()))
    }

    /// The same, measuring what values cost on this clock.
    pub fn with_clock(site: &Site, name: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared::new(name.into(), site.clone(), clock));
        let holder: Arc<dyn Shrink> = shared.clone();
        let owner = Owner { _registration: site.register(&holder), shared };
        Self { owner: Arc::new(owner) }
    }

    /// Calls this with every key and value that is evicted, before it is dropped; not with what its owner removes.
    ///
    /// It runs on whatever thread needs the memory, holding no lock of the cache, with the value still charged.
    /// Memory that it reserves on that thread comes from what is free or from the emergency reserve. A panic in it is caught and counted, and the value goes all the same.
    #[must_use]
    pub fn on_evict(self, hook: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        *lock(&self.shared().hook) = Some(Arc::new(hook));
        self
    }

    /// The value, if it is here.
    pub fn get(&self, key: &K) -> Option<Hit<V>> {
        self.shared().find(key)
    }

    /// The value, computed now if it is not here.
    ///
    /// However many threads ask, one computes; the others wait for it. When the computation panics, or its value is
    /// refused, one of those who waited computes in turn. A computation may use this cache for other keys; when it asks
    /// for its own, directly or through threads that wait for each other, that is [`CachedError::Circle`] rather than
    /// a deadlock. Circles through two different caches are not found.
    ///
    /// The value is weighed and charged when it exists. To have its bytes granted first, use
    /// [`get_or_insert_sized`](Self::get_or_insert_sized).
    pub fn get_or_insert_with(&self, key: &K, compute: impl FnOnce() -> V) -> Result<Hit<V>, CachedError<V>>
    where
        V: Weigh,
    {
        no_failure(self.try_get_or_insert_with(key, || Ok(compute())))
    }

    /// The same for a computation that may fail; then nothing is kept or charged.
    pub fn try_get_or_insert_with<E>(
        &self,
        key: &K,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<Hit<V>, TryCachedError<V, E>>
    where
        V: Weigh,
    {
        let _landing = match self.shared().find_or_board(key)? {
            Sought::Found(hit) => return Ok(hit),
            Sought::Compute(landing) => landing,
        };
        let (value, cost) = self.timed(compute)?;
        let bytes = value.weigh();
        Ok(self.keep(key.clone(), value, bytes, cost)?)
    }

    /// The value, computed now if it is not here, for which `bytes` are granted before the computation begins.
    pub fn get_or_insert_sized(
        &self,
        key: &K,
        bytes: Bytes,
        compute: impl FnOnce() -> V,
    ) -> Result<Hit<V>, CachedError<V>> {
        no_failure(self.try_get_or_insert_sized(key, bytes, || Ok(compute())))
    }

    /// The same for a computation that may fail; then nothing is kept or charged.
    pub fn try_get_or_insert_sized<E>(
        &self,
        key: &K,
        bytes: Bytes,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<Hit<V>, TryCachedError<V, E>> {
        let _landing = match self.shared().find_or_board(key)? {
            Sought::Found(hit) => return Ok(hit),
            Sought::Compute(landing) => landing,
        };
        let paid = self.pay(bytes).map_err(|refusal| CachedError::Refused { value: None, refusal })?;
        let (value, cost) = self.timed(compute)?;
        Ok(self.shared().put(key.clone(), value, paid, bytes, cost)?)
    }

    /// Keeps a value of so many bytes that cost so much to come by. What the key led to is removed.
    pub fn insert(&self, key: K, value: V, bytes: Bytes, cost: Duration) -> Result<Hit<V>, CachedError<V>> {
        self.keep(key, value, bytes, cost)
    }

    /// Removes a value without telling the hook; true when there was one. In use, it stays charged until its last
    /// hit is dropped.
    pub fn remove(&self, key: &K) -> bool {
        self.shared().remove(key)
    }

    /// Removes all values.
    pub fn clear(&self) {
        self.shared().clear(false);
    }

    /// Evicts the cheapest values until so many bytes are released, or nothing more may be. Says how many were.
    pub fn evict(&self, bytes: Bytes) -> Bytes {
        self.shared().release(bytes, Evicted::Wanted)
    }

    /// Counts and sums.
    pub fn stats(&self) -> CachedStats {
        self.shared().stats()
    }

    /// What the governor knows it as.
    pub fn name(&self) -> &str {
        &self.shared().name
    }

    fn shared(&self) -> &Arc<Shared<K, V>> {
        &self.owner.shared
    }

    fn timed<E>(
        &self,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<(V, Duration), TryCachedError<V, E>> {
        let clock = &self.shared().clock;
        let started = clock.now();
        let value = compute().map_err(TryCachedError::Failed)?;
        Ok((value, clock.now().saturating_sub(started)))
    }

    fn pay(&self, bytes: Bytes) -> Result<Option<Reservation>, Refusal> {
        self.shared().pay(bytes).inspect_err(|refusal| self.shared().refused(bytes, refusal))
    }

    fn keep(&self, key: K, value: V, bytes: Bytes, cost: Duration) -> Result<Hit<V>, CachedError<V>> {
        match self.pay(bytes) {
            Ok(paid) => self.shared().put(key, value, paid, bytes, cost),
            Err(refusal) => Err(CachedError::Refused { value: Some(value), refusal }),
        }
    }
}

fn no_failure<V>(result: Result<Hit<V>, TryCachedError<V, Infallible>>) -> Result<Hit<V>, CachedError<V>> {
    result.map_err(|error| match error {
        TryCachedError::Cache(error) => error,
        TryCachedError::Failed(never) => match never {},
    })
}

impl<K: Key, V: Send + Sync + 'static> Clone for Cached<K, V> {
    fn clone(&self) -> Self {
        Self { owner: Arc::clone(&self.owner) }
    }
}

impl<K: Key, V: Send + Sync + 'static> fmt::Debug for Cached<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("name", &self.name()).field("stats", &self.stats()).finish()
    }
}
