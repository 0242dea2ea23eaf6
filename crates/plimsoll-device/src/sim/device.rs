//! The simulated side of [`Device`].

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backing::{Refused, Side, SimBacking, Store};
use super::faults::Call;
use super::slab::Slab;
use super::work::{Op, Piece};
use super::{Contents, SimDevice};
use crate::{
    Bytes, CommitMap, Device, DeviceError, Facts, Fence, FreeError, Kernels, MemoryNow, Region, Request,
    Span, StorageMode, Stream, SyncTo,
};

/// The strictest alignment that is given.
const ALIGN_MAX: u64 = 1 << 30;

impl Device for SimDevice {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        self.here()?;
        Ok(MemoryNow { total: self.facts.total, free: self.capacity.free() })
    }

    fn allocate(&self, request: Request) -> Result<Region, DeviceError> {
        self.here()?;
        let Request { bytes, align, mode } = request;
        self.offers(mode)?;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        if !align.is_power_of_two() || align > ALIGN_MAX {
            return Err(DeviceError::BadAlignment { align, limit: ALIGN_MAX });
        }
        let taken = bytes
            .checked_round_up(self.facts.min_align)
            .filter(|_| bytes <= self.facts.max_allocation)
            .ok_or_else(|| self.too_large(bytes, self.facts.max_allocation))?
            .get();
        if self.strikes(Call::Allocate) {
            return Err(self.full(bytes, self.capacity.free()));
        }
        self.capacity.take(taken).map_err(|free| self.full(bytes, free))?;
        let align = align.max(self.facts.min_align);
        // From here on the capacity goes back with the backing, whatever happens.
        let hollow = |store| SimBacking::plain(bytes.get(), taken, mode, store, Arc::clone(&self.capacity));
        let (store, host) = match self.store(bytes, align, mode) {
            Ok(made) => made,
            Err(error) => {
                drop(hollow(Store::Hollow));
                return Err(error);
            }
        };
        self.counters.allocations.add(1);
        self.counters.allocated_bytes.add(bytes.get());
        Ok(self.region(hollow(store), bytes, align, host))
    }

    fn reserve(&self, bytes: Bytes, mode: StorageMode) -> Result<Region, DeviceError> {
        self.here()?;
        self.growable()?;
        self.offers(mode)?;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        let granule = self.facts.granule;
        let limit = (1 << 46).min(granule.saturating_mul(CommitMap::GRANULES_MAX));
        let bytes = bytes
            .checked_round_up(granule)
            .filter(|up| up.get() <= limit)
            .ok_or_else(|| self.too_large(bytes, Bytes::new(limit)))?;
        if self.strikes(Call::Reserve) {
            return Err(self.full(bytes, self.capacity.free()));
        }
        let (store, host) = self.store(bytes, granule, mode)?;
        let backing = SimBacking::growable(bytes.get(), granule, mode, store, Arc::clone(&self.capacity));
        self.counters.reserves.add(1);
        Ok(self.region(backing, bytes, granule, host))
    }

    fn commit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        let backing = self.backing(region)?;
        self.growable()?;
        let asked = Bytes::new(range.end.saturating_sub(range.start));
        if self.strikes(Call::Commit) {
            return Err(self.full(asked, self.capacity.free()));
        }
        backing.commit(&range).map_err(|refused| match refused {
            Refused::Full(free) => self.full(asked, free),
            Refused::Device(error) => error,
        })?;
        self.counters.commits.add(1);
        self.counters.committed_bytes.add(asked.get());
        Ok(())
    }

    fn decommit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        let backing = self.backing(region)?;
        self.growable()?;
        self.strike(Call::Decommit, "giving memory back")?;
        backing.decommit(&range, self.work.uses(backing, &range))?;
        self.counters.decommits.add(1);
        self.counters.decommitted_bytes.add(range.end - range.start);
        Ok(())
    }

    fn free(&self, region: Region) -> Result<(), FreeError> {
        let error = if region.device() != self.id {
            DeviceError::WrongDevice
        } else if !region.backing().is::<SimBacking>() {
            DeviceError::UnknownRegion
        } else {
            self.counters.frees.add(1);
            return Ok(());
        };
        Err(FreeError { region, error })
    }

    fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        let backing = self.visible(&source)?;
        same_size(source.bytes(), into.len() as u64)?;
        backing.read(&part(&source), Side::Host, into)?;
        self.counters.reads.add(1);
        Ok(())
    }

    fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError> {
        let backing = self.visible(&target)?;
        same_size(target.bytes(), from.len() as u64)?;
        writable(&target)?;
        backing.write(&part(&target), Side::Host, from)?;
        self.counters.writes.add(1);
        Ok(())
    }

    fn stream(&self) -> Result<Stream, DeviceError> {
        self.here()?;
        self.strike(Call::Stream, "opening a stream")?;
        self.work.open(&self.facts.name)
    }

    fn copy(&self, stream: Stream, source: Span<'_>, target: Span<'_>) -> Result<(), DeviceError> {
        self.here()?;
        self.work.knows(stream)?;
        if source.bytes() != target.bytes() {
            return Err(DeviceError::SizeMismatch {
                source_bytes: source.bytes(),
                target_bytes: target.bytes(),
            });
        }
        let (from, to) = (self.piece(&source)?, self.target(&target)?);
        if source.overlaps(&target) {
            return Err(DeviceError::Overlap);
        }
        self.strike(Call::Copy, "a copy")?;
        let op = Op::Copy { source: from, target: to };
        self.work.put(stream, op, self.takes(source.bytes()))?;
        self.counters.copies.add(1);
        self.counters.copied_bytes.add(source.bytes().get());
        Ok(())
    }

    fn fill(&self, stream: Stream, target: Span<'_>, value: u8) -> Result<(), DeviceError> {
        self.here()?;
        self.work.knows(stream)?;
        let op = Op::Fill { target: self.target(&target)?, value };
        self.strike(Call::Fill, "a fill")?;
        self.work.put(stream, op, self.takes(target.bytes()))?;
        self.counters.fills.add(1);
        Ok(())
    }

    fn upload(&self, stream: Stream, from: &[u8], target: Span<'_>) -> Result<(), DeviceError> {
        self.here()?;
        self.work.knows(stream)?;
        same_size(target.bytes(), from.len() as u64)?;
        let piece = self.target(&target)?;
        self.strike(Call::Upload, "an upload")?;
        let op = match self.settings.contents {
            Contents::Real => Op::Write { bytes: from.into(), target: piece },
            Contents::Hollow => Op::Fill { target: piece, value: 0 },
        };
        self.work.put(stream, op, self.takes(target.bytes()))?;
        self.counters.uploads.add(1);
        self.counters.uploaded_bytes.add(target.bytes().get());
        Ok(())
    }

    fn download(&self, stream: Stream, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        self.here()?;
        self.work.knows(stream)?;
        same_size(source.bytes(), into.len() as u64)?;
        let piece = self.piece(&source)?;
        self.strike(Call::Download, "a download")?;
        self.pause(stream, source.bytes())?;
        piece.backing.read(&piece.part, Side::Device, into)?;
        self.counters.downloads.add(1);
        self.counters.downloaded_bytes.add(source.bytes().get());
        Ok(())
    }

    fn sync(&self, stream: Stream, span: Span<'_>, to: SyncTo) -> Result<(), DeviceError> {
        self.here()?;
        self.work.knows(stream)?;
        let piece = self.piece(&span)?;
        if piece.backing.mode() != StorageMode::Managed {
            return Ok(());
        }
        self.strike(Call::Sync, "a sync")?;
        let takes = if self.facts.unified { 0 } else { self.takes(span.bytes()) };
        self.work.put(stream, Op::Sync { piece, to }, takes)?;
        self.counters.syncs.add(1);
        Ok(())
    }

    fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        self.here()?;
        self.strike(Call::Fence, "a fence")?;
        let delay = u64::try_from(self.settings.fence_delay.as_nanos()).unwrap_or(u64::MAX);
        let fence = self.work.fence(stream, delay)?;
        self.counters.fences.add(1);
        Ok(fence)
    }

    fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        self.here()?;
        self.work.signalled(fence)
    }

    fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        self.here()?;
        self.counters.waits.add(1);
        let gone = self.work.wait(fence, at_most)?;
        self.notice(gone);
        self.here()
    }

    fn kernels(&self) -> Option<&dyn Kernels> {
        self.settings.kernels.then_some(self)
    }
}

impl SimDevice {
    pub(super) fn here(&self) -> Result<(), DeviceError> {
        self.lost.check(&self.facts.name)
    }

    /// Lets the clock run until a stream is done with what is on it and with so many bytes more.
    pub(super) fn pause(&self, stream: Stream, bytes: Bytes) -> Result<(), DeviceError> {
        self.work.put(stream, Op::Pause, self.takes(bytes))?;
        let gone = self.work.drain(stream)?;
        self.notice(gone);
        self.here()
    }

    fn growable(&self) -> Result<(), DeviceError> {
        if self.facts.capabilities.growable_ranges {
            Ok(())
        } else {
            Err(self.unsupported("back address ranges piece by piece; use plain allocations"))
        }
    }

    fn offers(&self, mode: StorageMode) -> Result<(), DeviceError> {
        let can = self.facts.capabilities;
        match mode {
            StorageMode::Shared if !can.shared => {
                Err(self.unsupported("share memory with the host; ask for private or managed memory"))
            }
            StorageMode::Private if !can.private => {
                Err(self.unsupported("give memory that only the device sees"))
            }
            StorageMode::Managed if !can.managed => Err(self.unsupported("keep managed memory")),
            _ => Ok(()),
        }
    }

    /// What is behind a region of this device.
    fn backing<'r>(&self, region: &'r Region) -> Result<&'r SimBacking, DeviceError> {
        self.here()?;
        if region.device() != self.id {
            return Err(DeviceError::WrongDevice);
        }
        let backing = region.backing().downcast_ref::<SimBacking>();
        backing.ok_or(DeviceError::UnknownRegion)
    }

    fn visible<'r>(&self, span: &Span<'r>) -> Result<&'r SimBacking, DeviceError> {
        let backing = self.backing(span.region())?;
        match backing.mode() {
            mode @ StorageMode::Private => Err(DeviceError::NotHostVisible { mode }),
            StorageMode::Shared | StorageMode::Managed => Ok(backing),
        }
    }

    /// A part that work will use.
    pub(super) fn piece(&self, span: &Span<'_>) -> Result<Piece, DeviceError> {
        self.backing(span.region())?.usable(&part(span))?;
        let backing = Arc::clone(span.region().backing());
        Ok(Piece { backing: backing.downcast().map_err(|_| DeviceError::UnknownRegion)?, part: part(span) })
    }

    pub(super) fn target(&self, span: &Span<'_>) -> Result<Piece, DeviceError> {
        let piece = self.piece(span)?;
        writable(span).map(|()| piece)
    }

    /// The bytes of a new region, and where the host sees them.
    fn store(
        &self,
        bytes: Bytes,
        align: u64,
        mode: StorageMode,
    ) -> Result<(Store, Option<NonNull<u8>>), DeviceError> {
        if self.settings.contents == Contents::Hollow {
            return Ok((Store::Hollow, None));
        }
        let slab = || {
            Slab::new(bytes.as_usize(), Bytes::new(align).as_usize())
                .ok_or_else(|| self.full(bytes, self.capacity.free()))
        };
        let first = slab()?;
        let host = (mode != StorageMode::Private).then_some(first.base());
        let store = if mode == StorageMode::Managed && !self.facts.unified {
            Store::Two { host: first, device: slab()? }
        } else {
            Store::One(first)
        };
        Ok((store, host))
    }

    fn region(&self, backing: SimBacking, bytes: Bytes, align: u64, host: Option<NonNull<u8>>) -> Region {
        let id = self.regions.fetch_add(1, Ordering::Relaxed);
        let mode = backing.mode();
        let backing = Arc::new(backing);
        if let Some(host) = host {
            // SAFETY: the slab at `host` has `bytes` and lives in the backing, which never moves or drops it.
            return unsafe { Region::host_visible(self.id, id, bytes, mode, host, backing) };
        }
        let address = self.address(bytes.get(), align);
        Region::device_only(self.id, id, bytes, mode, address, backing)
    }

    /// An address that no other region had.
    fn address(&self, bytes: u64, align: u64) -> u64 {
        let span = bytes.saturating_add(align);
        let start = self.addresses.fetch_add(span, Ordering::Relaxed);
        start.next_multiple_of(align)
    }

    /// How long work on so many bytes takes.
    pub(super) fn takes(&self, bytes: Bytes) -> u64 {
        let moving = self.settings.bandwidth.map_or(0, |bandwidth| {
            u128::from(bytes.get()) * 1_000_000_000 / u128::from(bandwidth.get().max(1))
        });
        u64::try_from(self.settings.latency.as_nanos().saturating_add(moving)).unwrap_or(u64::MAX)
    }

    fn strikes(&self, call: Call) -> bool {
        let struck = self.faults.strikes(call);
        if struck {
            self.counters.injected.add(1);
        }
        struck
    }

    pub(super) fn strike(&self, call: Call, what: &'static str) -> Result<(), DeviceError> {
        if self.strikes(call) {
            return Err(DeviceError::System { what, why: "a failure was ordered".to_owned() });
        }
        Ok(())
    }

    fn full(&self, asked: Bytes, free: Bytes) -> DeviceError {
        DeviceError::OutOfMemory { device: self.facts.name.clone(), asked, free }
    }

    fn too_large(&self, asked: Bytes, limit: Bytes) -> DeviceError {
        DeviceError::TooLarge { device: self.facts.name.clone(), asked, limit }
    }

    fn unsupported(&self, what: &'static str) -> DeviceError {
        DeviceError::Unsupported { device: self.facts.name.clone(), what }
    }
}

fn part(span: &Span<'_>) -> Range<u64> {
    span.offset()..span.end()
}

fn same_size(span: Bytes, host: u64) -> Result<(), DeviceError> {
    if span.get() == host {
        return Ok(());
    }
    Err(DeviceError::SizeMismatch { source_bytes: span, target_bytes: Bytes::new(host) })
}

fn writable(span: &Span<'_>) -> Result<(), DeviceError> {
    if span.region().writable() { Ok(()) } else { Err(DeviceError::ReadOnly) }
}
