//! One thing that is loaded once, by name.

use std::fmt;

use super::error::{LoadError, ResidentError};
use crate::Bytes;
use crate::holding::cached::{Cached, Hit};
use crate::sync::{Arc, Mutex, lock};

/// How a shard is loaded.
pub(super) type Load<T> = dyn Fn() -> Result<T, LoadError> + Send + Sync;

/// A named part of a [`Resident`](super::Resident) holding, loaded or not. Cheap to clone.
pub struct Shard<T: Send + Sync + 'static> {
    pub(super) core: Arc<Core<T>>,
}

pub(super) struct Core<T: Send + Sync + 'static> {
    pub(super) name: Arc<str>,
    pub(super) bytes: Bytes,
    pub(super) load: Box<Load<T>>,
    pub(super) cache: Cached<Arc<str>, T>,
    /// What keeps it from being shrunk, while it is pinned.
    pub(super) pin: Mutex<Option<Hit<T>>>,
}

impl<T: Send + Sync + 'static> Shard<T> {
    /// The content, loaded now if it is not here. It stays while the result lives; however many ask, it is loaded once.
    pub fn get(&self) -> Result<Hit<T>, ResidentError> {
        let core = &*self.core;
        let loaded = core.cache.try_get_or_insert_sized(&core.name, core.bytes, || (core.load)());
        loaded.map_err(|error| ResidentError::of(&core.name, error))
    }

    /// The content if it is here; that is a use of it. Nothing is waited for.
    pub fn here(&self) -> Option<Hit<T>> {
        self.core.cache.get(&self.core.name)
    }

    /// Loads it, and keeps it from being given up until [`unpin`](Self::unpin), however long nobody uses it. It is not
    /// locked into RAM by this; that is the loader's choice.
    pub fn pin(&self) -> Result<(), ResidentError> {
        let hit = self.get()?;
        let before = lock(&self.core.pin).replace(hit);
        drop(before);
        Ok(())
    }

    /// Lets it be given up again.
    pub fn unpin(&self) {
        let hit = lock(&self.core.pin).take();
        drop(hit);
    }

    /// Whether [`pin`](Self::pin) keeps it.
    pub fn is_pinned(&self) -> bool {
        lock(&self.core.pin).is_some()
    }

    /// Gives it up now; it is loaded again at its next use. What somebody uses stays charged until they are done. A
    /// pinned shard is left alone, and this says false, as for one that is not loaded.
    pub fn evict(&self) -> bool {
        !self.is_pinned() && self.core.cache.remove(&self.core.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// What it is charged while it is loaded.
    pub fn bytes(&self) -> Bytes {
        self.core.bytes
    }
}

impl<T: Send + Sync + 'static> Clone for Shard<T> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Shard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("name", &self.name())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}
