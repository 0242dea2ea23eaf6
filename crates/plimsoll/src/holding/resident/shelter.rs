//! The holding: shards by name.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use super::block::{Block, Keep};
use super::error::{LoadError, ResidentError};
use super::shard::{Core, Shard};
use crate::Bytes;
use crate::holding::cached::{Cached, CachedStats};
use crate::holding::{Clock, Site, WallClock};
use crate::sync::{Arc, Mutex, lock};

/// Things that are loaded once, shared, and gone only when their memory is worth more elsewhere.
///
/// # What it is not
/// It does not parse what it loads, and it does not lock anything into RAM: what is loaded may be paged out by the
/// system like anything else, unless its loader locked it.
///
/// # Who owns what
/// The holding owns what is loaded; a [`Hit`](crate::holding::cached::Hit) lends it and keeps it. A [`Shard`] is a name
/// with the way to load it. Bytes are granted before loading begins, so a load that fails, or panics, leaves nothing
/// charged. When the last handle and shard are dropped, so is everything that is not in use.
///
/// # Example
/// ```no_run
/// # use plimsoll::{Bytes, holding::{Resident, Site}};
/// # fn open(site: &Site) -> Result<(), Box<dyn std::error::Error>> {
/// let tables: Resident<Vec<f32>> = Resident::open(site, "tables");
/// let rope = tables.shard("rope", Bytes::mib(4), || Ok(vec![0.0; 1 << 20]));
/// rope.pin()?; // never given up until unpinned
/// assert_eq!(rope.get()?.len(), 1 << 20);
/// # Ok(()) }
/// ```
///
/// # Formula
/// A shard is worth `seconds to load it ÷ bytes`, measured at its latest load; the cheapest that nobody uses goes first,
/// by the rule of [`Cached`].
pub struct Resident<T: Send + Sync + 'static> {
    inner: Arc<Inner<T>>,
}

struct Inner<T: Send + Sync + 'static> {
    cache: Cached<Arc<str>, T>,
    shards: Mutex<HashMap<Arc<str>, Shard<T>>>,
}

impl<T: Send + Sync + 'static> Resident<T> {
    /// An empty holding that the governor knows under this name.
    pub fn open(site: &Site, name: impl Into<String>) -> Self {
        Self::with_clock(site, name, Arc::new(WallClock::default()))
    }

    /// The same, measuring loads on this clock.
    pub fn with_clock(site: &Site, name: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                cache: Cached::with_clock(site, name, clock),
                shards: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// The shard of this name, which takes so many bytes and is loaded like this. Nothing is loaded or charged before
    /// its first use. A name that is known already keeps its first loader.
    pub fn shard(
        &self,
        name: &str,
        bytes: Bytes,
        load: impl Fn() -> Result<T, LoadError> + Send + Sync + 'static,
    ) -> Shard<T> {
        let mut shards = lock(&self.inner.shards);
        if let Some(known) = shards.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        let core = Core {
            name: Arc::clone(&name),
            bytes,
            load: Box::new(load),
            cache: self.inner.cache.clone(),
            pin: Mutex::new(None),
        };
        let shard = Shard { core: Arc::new(core) };
        shards.insert(name, shard.clone());
        shard
    }

    /// A shard by its name.
    pub fn get(&self, name: &str) -> Option<Shard<T>> {
        lock(&self.inner.shards).get(name).cloned()
    }

    /// Forgets a shard: its pin is taken off, its content given up when nobody uses it any more, its name free for
    /// another loader. False when there was none.
    pub fn forget(&self, name: &str) -> bool {
        let shard = lock(&self.inner.shards).remove(name);
        shard.is_some_and(|shard| {
            shard.unpin();
            shard.evict();
            true
        })
    }

    /// Counts and sums over what is loaded.
    pub fn stats(&self) -> CachedStats {
        self.inner.cache.stats()
    }
}

impl Resident<Block> {
    /// A file as it is, kept in the way that `keep` says. Its length is taken now; the file is opened again at each load.
    pub fn file(
        &self,
        name: &str,
        path: impl AsRef<Path>,
        keep: Keep,
    ) -> Result<Shard<Block>, ResidentError> {
        let path = path.as_ref().to_owned();
        let length = std::fs::metadata(&path).map_err(|error| ResidentError::Load {
            name: name.to_owned(),
            source: format!("{}: {error}", path.display()).into(),
        })?;
        let bytes = keep.charge_for(Bytes::new(length.len()));
        Ok(self.shard(name, bytes, move || Block::load(&path, length.len(), &keep)))
    }
}

impl<T: Send + Sync + 'static> Clone for Resident<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Resident<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resident")
            .field("name", &self.inner.cache.name())
            .field("stats", &self.stats())
            .finish()
    }
}
