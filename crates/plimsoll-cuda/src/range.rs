//! A growable range: addresses that are reserved once, and physical memory that comes and goes behind them.
//!
//! Each granule is a physical piece of its own, because the driver unmaps a piece only whole. Backing `n` granules is
//! `n` times creating and mapping and one call that allows access; moving backing within the range keeps the pieces
//! and only maps them elsewhere, which saves creating and clearing them.

use std::collections::BTreeMap;
use std::ops;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plimsoll_device::{Bytes, CommitMap, DeviceError, Granules};

use crate::driver::{Driver, Physical};
use crate::gpu::Gpu;

pub(crate) struct Range {
    bytes: u64,
    granule: u64,
    /// Taken by whoever changes what is backed, for as long as that takes.
    turn: Mutex<()>,
    book: Mutex<Book>,
}

struct Book {
    /// What may be used.
    map: CommitMap,
    /// The physical piece at each granule's offset.
    pieces: BTreeMap<u64, Physical>,
}

/// A part of a range as its owner gives it.
type Part = ops::Range<u64>;

impl Range {
    pub(crate) fn new(bytes: u64, granule: u64) -> Self {
        let book = Book { map: CommitMap::new(bytes, granule), pieces: BTreeMap::new() };
        Self { bytes, granule, turn: Mutex::default(), book: Mutex::new(book) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all of these bytes are backed.
    pub(crate) fn readable(&self, start: u64, end: u64) -> Result<(), DeviceError> {
        self.book().map.readable(start, end)
    }

    /// Backs a part with new physical memory, or leaves everything as it was.
    pub(crate) fn commit(&self, gpu: &Arc<Gpu>, base: u64, part: &Part) -> Result<(), DeviceError> {
        let _turn = self.turn();
        let granules = self.book().map.vacant(part)?;
        gpu.enter()?;
        let bytes = Bytes::new(part.end - part.start);
        let mut made = Vec::new();
        for offset in self.offsets(part) {
            // SAFETY: nobody knows the piece yet.
            match gpu.gave("backing memory", bytes, unsafe { gpu.driver.create(gpu.here(), self.granule) }) {
                Ok(physical) => made.push((offset, physical)),
                Err(error) => {
                    discard(gpu, made);
                    return Err(error);
                }
            }
        }
        if let Err(error) = self.put(gpu, base, part, &made) {
            discard(gpu, made);
            return Err(error);
        }
        self.keep(&granules, made);
        Ok(())
    }

    /// Takes the backing of a part away. `in_use` tells whether work that may still run uses it; it is asked after
    /// the part was marked, so that no new work can begin.
    pub(crate) fn decommit(
        &self,
        gpu: &Arc<Gpu>,
        base: u64,
        part: &Part,
        in_use: impl FnOnce() -> bool,
    ) -> Result<(), DeviceError> {
        let _turn = self.turn();
        let granules = self.take(gpu, part, in_use)?;
        // SAFETY: the part is marked, no work uses it, and its pieces are mapped there.
        let unmapped = unsafe { gpu.driver.unmap(base + part.start, part.end - part.start) };
        if let Err(error) = gpu.told("giving memory back", unmapped) {
            self.book().map.mark(&granules, true);
            return Err(error);
        }
        let pieces = self.pieces(part);
        discard(gpu, pieces);
        Ok(())
    }

    /// Moves the backing of one part to another of the same size.
    pub(crate) fn remap(
        &self,
        gpu: &Arc<Gpu>,
        base: u64,
        from: &Part,
        to: &Part,
        in_use: impl FnOnce() -> bool,
    ) -> Result<(), DeviceError> {
        let _turn = self.turn();
        let granules = self.take(gpu, from, in_use)?;
        let vacant = self.book().map.vacant(to);
        let vacant = match vacant {
            Ok(vacant) => vacant,
            Err(error) => {
                self.book().map.mark(&granules, true);
                return Err(error);
            }
        };
        // SAFETY: as in `decommit`.
        let unmapped = unsafe { gpu.driver.unmap(base + from.start, from.end - from.start) };
        if let Err(error) = gpu.told("moving memory within a range", unmapped) {
            self.book().map.mark(&granules, true);
            return Err(error);
        }
        let moved = |(offset, physical): (u64, Physical)| (offset - from.start + to.start, physical);
        let pieces: Vec<_> = self.pieces(from).into_iter().map(moved).collect();
        if let Err(error) = self.put(gpu, base, to, &pieces) {
            discard(gpu, pieces);
            return Err(error);
        }
        self.keep(&vacant, pieces);
        Ok(())
    }

    /// Marks a part as not to be used any more, if nothing uses it.
    fn take(&self, gpu: &Gpu, part: &Part, in_use: impl FnOnce() -> bool) -> Result<Granules, DeviceError> {
        let granules = {
            let mut book = self.book();
            let granules = book.map.backed(part)?;
            book.map.mark(&granules, false);
            granules
        };
        let refused = match gpu.enter() {
            Err(lost) => Some(lost),
            Ok(()) if in_use() => {
                Some(self.book().map.bad(part, "given back", "work on a stream uses it; wait for its fence"))
            }
            Ok(()) => None,
        };
        let Some(error) = refused else { return Ok(granules) };
        self.book().map.mark(&granules, true);
        Err(error)
    }

    /// Maps pieces at their offsets and allows access to all of them at once.
    fn put(
        &self,
        gpu: &Arc<Gpu>,
        base: u64,
        part: &Part,
        pieces: &[(u64, Physical)],
    ) -> Result<(), DeviceError> {
        let driver = gpu.driver.as_ref();
        let bytes = part.end - part.start;
        let mut mapped = 0;
        // SAFETY: the part is reserved, vacant and this caller's turn; on an error nothing stays mapped.
        unsafe {
            let mapping = pieces.iter().try_for_each(|&(offset, physical)| {
                driver.map(base + offset, self.granule, physical).map(|()| mapped += self.granule)
            });
            let allowed = mapping.and_then(|()| driver.allow(base + part.start, bytes, &gpu.reached_by));
            if allowed.is_err() && mapped > 0 {
                let _ = driver.unmap(base + part.start, mapped);
            }
            gpu.gave("backing memory", Bytes::new(bytes), allowed)
        }
    }

    fn keep(&self, granules: &Granules, pieces: Vec<(u64, Physical)>) {
        let mut book = self.book();
        book.pieces.extend(pieces);
        book.map.mark(granules, true);
    }

    /// Takes the pieces of a part out of the book.
    fn pieces(&self, part: &Part) -> Vec<(u64, Physical)> {
        let mut book = self.book();
        self.offsets(part)
            .filter_map(|offset| book.pieces.remove(&offset).map(|piece| (offset, piece)))
            .collect()
    }

    fn offsets(&self, part: &Part) -> impl Iterator<Item = u64> + use<> {
        let granule = self.granule;
        (part.start / granule..part.end / granule).map(move |n| n * granule)
    }

    /// Gives everything back.
    ///
    /// # Safety
    /// No work uses any of it, and the context is current.
    pub(crate) unsafe fn close(&mut self, driver: &dyn Driver, base: u64) {
        let book = self.book.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (offset, physical) in std::mem::take(&mut book.pieces) {
            // SAFETY: the caller's word; the piece is mapped here.
            unsafe {
                let _ = driver.unmap(base + offset, self.granule);
                let _ = driver.release(physical);
            }
        }
        // SAFETY: reserved with this size, and nothing is mapped in it any more.
        let _ = unsafe { driver.unreserve(base, self.bytes) };
    }
}

fn discard(gpu: &Gpu, pieces: Vec<(u64, Physical)>) {
    for (_, physical) in pieces {
        // SAFETY: mapped nowhere any more. A driver that refuses has lost it.
        let _ = unsafe { gpu.driver.release(physical) };
    }
}
