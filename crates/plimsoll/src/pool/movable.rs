//! Leases that the pool may move when nobody looks.
//!
//! A lease has an address for as long as it lives, and memory that is free in many small pieces between such
//! leases can serve no large request. A movable lease is reached through its handle: its bytes stay where they
//! are while they are pinned, and may be elsewhere at the next pin.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use plimsoll_device::Bytes;

use super::arena::NodeId;
use super::error::LeaseError;
use super::lease::Lease;
use super::pool::{LeaseRequest, Pool};

/// The lease behind a handle: write-locked to move it, read- or write-locked to use it.
pub(super) type Site = RwLock<Lease>;

/// A lease that compaction may move while it is not pinned.
///
/// # Example
/// ```
/// use plimsoll::{Bytes, Engine, Place};
/// let engine = Engine::in_memory(Bytes::mib(64), "cache")?;
/// let pool = engine.account("cache")?.scratch(Place::Host)?;
/// let page = pool.movable(Bytes::kib(256))?;
/// page.pin_mut().write(0, b"kept across moves")?;
/// let mut start = [0; 4];
/// page.pin().read(0, &mut start)?;
/// assert_eq!(&start, b"kept");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Movable {
    /// Keeps the pool open.
    _pool: Pool,
    site: Option<Arc<Site>>,
}

/// A movable lease held in its place for reading; several may hold it at once.
#[derive(Debug)]
pub struct Pinned<'m>(RwLockReadGuard<'m, Lease>);

/// A movable lease held in its place for writing.
#[derive(Debug)]
pub struct PinnedMut<'m>(RwLockWriteGuard<'m, Lease>);

impl Pool {
    /// A lease that the pool may move when it is not pinned, to make room for a large one.
    #[track_caller]
    pub fn movable(&self, request: impl Into<LeaseRequest>) -> Result<Movable, LeaseError> {
        let site = Arc::new(RwLock::new(self.lease_with(request)?));
        if let Some(node) = node_of(&site) {
            self.core().central().sites.insert(node, Arc::downgrade(&site));
        }
        Ok(Movable { _pool: self.clone(), site: Some(site) })
    }
}

fn node_of(site: &Site) -> Option<NodeId> {
    let lease = site.read().unwrap_or_else(PoisonError::into_inner);
    lease.block.as_ref().map(|block| block.node)
}

impl Movable {
    fn site(&self) -> &Site {
        match &self.site {
            Some(site) => site,
            None => unreachable!("the site is taken only when the handle is dropped"),
        }
    }

    /// Holds the bytes in place to read them. Waits while they are being moved or written.
    pub fn pin(&self) -> Pinned<'_> {
        Pinned(self.site().read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds the bytes in place to write them. Waits until nobody else has them pinned.
    pub fn pin_mut(&self) -> PinnedMut<'_> {
        PinnedMut(self.site().write().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many bytes were asked for.
    pub fn bytes(&self) -> Bytes {
        self.pin().bytes()
    }
}

impl Drop for Movable {
    fn drop(&mut self) {
        let Some(site) = self.site.take() else { return };
        {
            // Held until it is off the list, so that no compaction moves it, and lists it anew, in between.
            let lease = site.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(block) = &lease.block {
                let core = Arc::clone(&block.core);
                core.central().sites.remove(&block.node);
            }
        }
        // The lease is given back here, or by a compaction that is looking at it just now, in either case
        // without the pool's lock held.
    }
}

impl Deref for Pinned<'_> {
    type Target = Lease;
    fn deref(&self) -> &Lease {
        &self.0
    }
}

impl Deref for PinnedMut<'_> {
    type Target = Lease;
    fn deref(&self) -> &Lease {
        &self.0
    }
}

impl DerefMut for PinnedMut<'_> {
    fn deref_mut(&mut self) -> &mut Lease {
        &mut self.0
    }
}

impl fmt::Debug for Movable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Movable").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
