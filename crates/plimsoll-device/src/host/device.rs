//! The host's side of [`Device`].

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::backing::{Backing, CommitError, Pin};
use super::lane::Job;
use super::mapping::{Access, Mapping};
use super::system::{self, refused};
use super::{ALIGN_MAX, HostDevice, RANGE_MAX};
use crate::{
    Bytes, CommitMap, Device, DeviceError, Facts, Fence, FreeError, Kernels, MemoryNow, Region, Request,
    Span, StorageMode, Stream, SyncTo,
};

/// An upload behind other work is staged up to this size; a larger one waits for its turn instead, so that no
/// memory is taken that nobody counts.
pub(super) const STAGED_MAX: usize = 1 << 16;

impl Device for HostDevice {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        self.lost.check(&self.facts.name)?;
        let machine = system::memory()?;
        let left = Bytes::new(self.limit).saturating_sub(self.tally.get());
        Ok(MemoryNow { total: self.facts.total, free: machine.free.min(left).min(self.facts.total) })
    }

    fn allocate(&self, request: Request) -> Result<Region, DeviceError> {
        self.lost.check(&self.facts.name)?;
        let Request { bytes, align, mode } = request;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        if !align.is_power_of_two() || align > ALIGN_MAX {
            return Err(DeviceError::BadAlignment { align, limit: ALIGN_MAX });
        }
        let mapped = bytes
            .checked_round_up(self.facts.page)
            .filter(|_| bytes <= self.facts.max_allocation)
            .ok_or_else(|| self.too_large(bytes, self.facts.max_allocation))?;
        self.tally.add(mapped.get(), self.limit).map_err(|free| self.out_of_memory(bytes, free))?;
        let mapping = self.map(mapped, align, Access::Both).inspect_err(|_| {
            self.tally.sub(mapped.get());
        })?;
        let locked = if self.settings.lock { mapping.lock(&(0..mapping.bytes())) } else { Ok(()) };
        let backing = Backing::plain(mapping, bytes.get(), mapped.get(), Arc::clone(&self.tally));
        locked.map_err(|error| refused("locking memory into RAM (the limit is `ulimit -l`)", &error))?;
        Ok(self.region(backing, bytes, mode))
    }

    fn reserve(&self, bytes: Bytes, mode: StorageMode) -> Result<Region, DeviceError> {
        self.lost.check(&self.facts.name)?;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        let granule = self.facts.granule;
        let limit = RANGE_MAX.min(granule.saturating_mul(CommitMap::GRANULES_MAX));
        let bytes = bytes
            .checked_round_up(granule)
            .filter(|up| up.get() <= limit)
            .ok_or_else(|| self.too_large(bytes, Bytes::new(limit)))?;
        let mapping = self.map(bytes, granule, Access::Nothing)?;
        let backing = Backing::growable(mapping, granule, Arc::clone(&self.tally));
        Ok(self.region(backing, bytes, mode))
    }

    fn commit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        let backing = self.backing(region)?;
        backing.commit(&range, self.limit, self.settings.lock).map_err(|error| match error {
            CommitError::Full(free) => {
                self.out_of_memory(Bytes::new(range.end.saturating_sub(range.start)), free)
            }
            CommitError::System(error) => {
                self.system_error("backing memory", &error, Bytes::new(range.end - range.start))
            }
            CommitError::Device(error) => error,
        })
    }

    fn decommit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        self.backing(region)?.decommit(&range)
    }

    fn free(&self, region: Region) -> Result<(), FreeError> {
        let error = if region.device() != self.id {
            DeviceError::WrongDevice
        } else if !region.backing().is::<Backing>() {
            DeviceError::UnknownRegion
        } else {
            return Ok(());
        };
        Err(FreeError { region, error })
    }

    fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        let backing = self.visible(&source)?;
        same_size(source.bytes().get(), into.len() as u64)?;
        backing.read(source.offset(), into)
    }

    fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError> {
        let backing = self.visible(&target)?;
        same_size(from.len() as u64, target.bytes().get())?;
        backing.write(target.offset(), from)
    }

    fn stream(&self) -> Result<Stream, DeviceError> {
        self.lost.check(&self.facts.name)?;
        self.lanes.open(&self.facts.name, super::Lane::new(&self.facts.name, &self.lost))
    }

    fn copy(&self, stream: Stream, source: Span<'_>, target: Span<'_>) -> Result<(), DeviceError> {
        let lane = self.lanes.get(stream)?;
        same_size(source.bytes().get(), target.bytes().get())?;
        let from_file = self.backing(source.region())?.is_file();
        let (source_pin, target_pin) = (self.pin(&source)?, self.pin_target(&target)?);
        if source.overlaps(&target) {
            return Err(DeviceError::Overlap);
        }
        if from_file {
            let _turn = lane.turn()?;
            return target_pin.copy_from_file(&source_pin);
        }
        let job = Job::Copy { source: source_pin, target: target_pin };
        lane.submit(job, source.bytes() <= self.settings.inline)
    }

    fn fill(&self, stream: Stream, target: Span<'_>, value: u8) -> Result<(), DeviceError> {
        let lane = self.lanes.get(stream)?;
        let job = Job::Fill { target: self.pin_target(&target)?, value };
        lane.submit(job, target.bytes() <= self.settings.inline)
    }

    fn upload(&self, stream: Stream, from: &[u8], target: Span<'_>) -> Result<(), DeviceError> {
        let lane = self.lanes.get(stream)?;
        same_size(from.len() as u64, target.bytes().get())?;
        let target = self.pin_target(&target)?;
        if from.len() <= STAGED_MAX && !lane.idle() {
            let bytes = from.into();
            return lane.submit(Job::Write { bytes, target }, false);
        }
        let _turn = lane.turn()?;
        target.put(from);
        Ok(())
    }

    fn download(&self, stream: Stream, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        let lane = self.lanes.get(stream)?;
        same_size(source.bytes().get(), into.len() as u64)?;
        let source = self.pin(&source)?;
        let _turn = lane.turn()?;
        source.get(into)
    }

    fn sync(&self, stream: Stream, span: Span<'_>, _to: SyncTo) -> Result<(), DeviceError> {
        // Both copies are the same bytes, so there is nothing to put on the stream; what is wrong is told.
        self.lanes.get(stream)?;
        self.pin(&span).map(drop)
    }

    fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        self.lost.check(&self.facts.name)?;
        let seq = self.lanes.get(stream)?.fence()?;
        Ok(Fence { stream, seq })
    }

    fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        self.lost.check(&self.facts.name)?;
        self.lanes.get(fence.stream)?.signalled(fence)
    }

    fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        self.lost.check(&self.facts.name)?;
        self.lanes.get(fence.stream)?.wait(fence, at_most)
    }

    fn kernels(&self) -> Option<&dyn Kernels> {
        Some(self)
    }
}

impl HostDevice {
    fn visible<'r>(&self, span: &Span<'r>) -> Result<&'r Backing, DeviceError> {
        let backing = self.backing(span.region())?;
        match span.region().mode() {
            StorageMode::Private => Err(DeviceError::NotHostVisible { mode: StorageMode::Private }),
            StorageMode::Shared | StorageMode::Managed => Ok(backing),
        }
    }

    pub(super) fn pin(&self, span: &Span<'_>) -> Result<Pin, DeviceError> {
        self.backing(span.region())?;
        let backing = Arc::clone(span.region().backing());
        let backing = backing.downcast::<Backing>().map_err(|_| DeviceError::UnknownRegion)?;
        backing.pin(span.offset(), span.bytes().get())
    }

    fn pin_target(&self, span: &Span<'_>) -> Result<Pin, DeviceError> {
        self.backing(span.region())?.may_write()?;
        self.pin(span)
    }

    /// New address space; large ones ask for huge pages and start where one can be.
    fn map(&self, bytes: Bytes, align: u64, access: Access) -> Result<Mapping, DeviceError> {
        let huge = self.huge_page.filter(|&huge| bytes.get() >= huge);
        let align = align.max(huge.unwrap_or(1));
        let mapping = Mapping::anonymous(
            bytes.as_usize(),
            Bytes::new(align).as_usize(),
            Bytes::new(self.facts.page).as_usize(),
            access,
        )
        .map_err(|error| self.system_error("mapping memory", &error, bytes))?;
        if huge.is_some() {
            mapping.advise_huge();
        }
        Ok(mapping)
    }

    fn system_error(&self, what: &'static str, error: &io::Error, asked: Bytes) -> DeviceError {
        if error.raw_os_error() == Some(libc::ENOMEM) {
            let free = system::memory().map_or(Bytes::ZERO, |now| now.free);
            return self.out_of_memory(asked, free);
        }
        refused(what, error)
    }

    fn out_of_memory(&self, asked: Bytes, free: Bytes) -> DeviceError {
        DeviceError::OutOfMemory { device: self.facts.name.clone(), asked, free }
    }

    fn too_large(&self, asked: Bytes, limit: Bytes) -> DeviceError {
        DeviceError::TooLarge { device: self.facts.name.clone(), asked, limit }
    }
}

fn same_size(source: u64, target: u64) -> Result<(), DeviceError> {
    if source == target {
        return Ok(());
    }
    Err(DeviceError::SizeMismatch { source_bytes: Bytes::new(source), target_bytes: Bytes::new(target) })
}
