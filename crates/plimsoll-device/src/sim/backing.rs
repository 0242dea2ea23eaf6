//! What is behind a simulated region: a book of what is backed and, if the device has bytes, the bytes.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::slab::{Slab, UNDEFINED};
use crate::{Bytes, CommitMap, DeviceError, StorageMode, SyncTo};

/// What of a device's capacity is taken, by its regions and by others.
#[derive(Debug)]
pub(super) struct Capacity {
    total: u64,
    used: AtomicU64,
    outside: AtomicU64,
}

impl Capacity {
    pub(super) fn new(total: Bytes) -> Self {
        Self { total: total.get(), used: AtomicU64::new(0), outside: AtomicU64::new(0) }
    }

    pub(super) fn used(&self) -> Bytes {
        Bytes::new(self.used.load(Ordering::Relaxed))
    }

    pub(super) fn free(&self) -> Bytes {
        let taken = self.used.load(Ordering::Relaxed).saturating_add(self.outside.load(Ordering::Relaxed));
        Bytes::new(self.total.saturating_sub(taken))
    }

    pub(super) fn set_outside(&self, bytes: Bytes) {
        self.outside.store(bytes.get(), Ordering::Relaxed);
    }

    /// Takes `bytes`, or says what is free.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Bytes> {
        let room = self.total.saturating_sub(self.outside.load(Ordering::Relaxed));
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|&sum| sum <= room)
            })
            .map(|_| ())
            .map_err(|used| Bytes::new(room.saturating_sub(used)))
    }

    fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The bytes of a region that has any.
#[derive(Debug)]
pub(super) enum Store {
    /// Books only.
    Hollow,
    /// One memory, whoever uses it.
    One(Slab),
    /// Managed memory of a discrete device: the host's copy and the device's.
    Two { host: Slab, device: Slab },
}

#[derive(Debug)]
struct Book {
    /// For growable ranges.
    map: Option<CommitMap>,
    store: Store,
}

/// What a simulated region's `backing` is.
#[derive(Debug)]
pub(super) struct SimBacking {
    bytes: u64,
    mode: StorageMode,
    /// What a plain allocation takes of the capacity.
    taken: u64,
    capacity: Arc<Capacity>,
    book: Mutex<Book>,
}

/// Who looks at managed memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Host,
    Device,
}

impl SimBacking {
    /// `taken` bytes are taken from the capacity already, and go back when this is dropped.
    pub(super) fn plain(
        bytes: u64,
        taken: u64,
        mode: StorageMode,
        store: Store,
        capacity: Arc<Capacity>,
    ) -> Self {
        let backing = Self { bytes, mode, taken, capacity, book: Mutex::new(Book { map: None, store }) };
        backing.book().store.undefine(&(0..bytes));
        backing
    }

    pub(super) fn growable(
        bytes: u64,
        granule: u64,
        mode: StorageMode,
        store: Store,
        capacity: Arc<Capacity>,
    ) -> Self {
        Self {
            bytes,
            mode,
            taken: 0,
            capacity,
            book: Mutex::new(Book { map: Some(CommitMap::new(bytes, granule)), store }),
        }
    }

    pub(super) const fn mode(&self) -> StorageMode {
        self.mode
    }

    /// Whether there are books and no bytes.
    pub(super) fn is_hollow(&self) -> bool {
        matches!(self.book().store, Store::Hollow)
    }

    pub(super) fn commit(&self, part: &Range<u64>) -> Result<(), Refused> {
        let mut book = self.book();
        let Book { map, store } = &mut *book;
        let map = map.as_mut().ok_or_else(|| not_growable(part, "backed"))?;
        let granules = map.vacant(part)?;
        self.capacity.take(part.end - part.start).map_err(Refused::Full)?;
        map.mark(&granules, true);
        store.undefine(part);
        Ok(())
    }

    /// `used` says whether pending work uses the part.
    pub(super) fn decommit(&self, part: &Range<u64>, used: bool) -> Result<(), DeviceError> {
        let mut book = self.book();
        let map = book.map.as_mut().ok_or_else(|| not_growable(part, "given back"))?;
        let granules = map.backed(part)?;
        if used {
            return Err(map.bad(part, "given back", "work on a stream still uses it"));
        }
        map.mark(&granules, false);
        self.capacity.give(part.end - part.start);
        Ok(())
    }

    /// Whether a part can be used.
    pub(super) fn usable(&self, part: &Range<u64>) -> Result<(), DeviceError> {
        self.usable_in(&self.book(), part)
    }

    pub(super) fn read(&self, part: &Range<u64>, side: Side, into: &mut [u8]) -> Result<(), DeviceError> {
        let book = self.book();
        self.usable_in(&book, part)?;
        match book.store.side(side) {
            Some(slab) => slab.read(index(part.start), into),
            None => into.fill(0),
        }
        Ok(())
    }

    pub(super) fn write(&self, part: &Range<u64>, side: Side, from: &[u8]) -> Result<(), DeviceError> {
        let mut book = self.book();
        self.usable_in(&book, part)?;
        if let Some(slab) = book.store.side_mut(side) {
            slab.write(index(part.start), from);
        }
        Ok(())
    }

    pub(super) fn fill(&self, part: &Range<u64>, value: u8) {
        if let Some(slab) = self.book().store.side_mut(Side::Device) {
            slab.fill(indices(part), value);
        }
    }

    pub(super) fn sync(&self, part: &Range<u64>, to: SyncTo) {
        if let Store::Two { host, device } = &mut self.book().store {
            let part = indices(part);
            match to {
                SyncTo::Device => device.copy_from(&part, host, &part),
                SyncTo::Host => host.copy_from(&part, device, &part),
            }
        }
    }

    /// Copies between the device's copies. Only the one who runs work on the device may call this: it holds
    /// two books.
    pub(super) fn copy(source: &Arc<Self>, from: &Range<u64>, target: &Arc<Self>, to: &Range<u64>) {
        let (from, to) = (indices(from), indices(to));
        let mut book = target.book();
        let Some(slab) = book.store.side_mut(Side::Device) else {
            return;
        };
        if Arc::ptr_eq(source, target) {
            slab.copy_within(&from, &to);
        } else if let Some(other) = source.book().store.side(Side::Device) {
            slab.copy_from(&to, other, &from);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable_in(&self, book: &Book, part: &Range<u64>) -> Result<(), DeviceError> {
        if part.end > self.bytes {
            return Err(DeviceError::UnknownRegion);
        }
        match &book.map {
            Some(map) => map.readable(part.start, part.end),
            None => Ok(()),
        }
    }
}

impl Drop for SimBacking {
    fn drop(&mut self) {
        let committed = self.book().map.as_ref().map_or(0, |map| map.backed_bytes().get());
        self.capacity.give(self.taken + committed);
    }
}

impl Store {
    fn side(&self, side: Side) -> Option<&Slab> {
        match self {
            Self::Hollow => None,
            Self::One(slab) => Some(slab),
            Self::Two { host, .. } if side == Side::Host => Some(host),
            Self::Two { device, .. } => Some(device),
        }
    }

    fn side_mut(&mut self, side: Side) -> Option<&mut Slab> {
        match self {
            Self::Hollow => None,
            Self::One(slab) => Some(slab),
            Self::Two { host, .. } if side == Side::Host => Some(host),
            Self::Two { device, .. } => Some(device),
        }
    }

    /// New memory has no defined content.
    fn undefine(&mut self, part: &Range<u64>) {
        for side in [Side::Host, Side::Device] {
            if let Some(slab) = self.side_mut(side) {
                slab.fill(indices(part), UNDEFINED);
            }
        }
    }
}

/// Why a part could not be backed.
#[derive(Debug)]
pub(super) enum Refused {
    /// So much is free.
    Full(Bytes),
    Device(DeviceError),
}

impl From<DeviceError> for Refused {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

fn not_growable(part: &Range<u64>, what: &'static str) -> DeviceError {
    DeviceError::BadRange {
        start: part.start,
        end: part.end,
        what,
        why: "this region is an allocation, not a growable range",
        granule: 0,
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn indices(part: &Range<u64>) -> Range<usize> {
    index(part.start)..index(part.end)
}
