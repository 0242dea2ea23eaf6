//! A GPU as a [`Device`].

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plimsoll_device::{
    Bytes, Device, DeviceError, DeviceId, Facts, Fence, FreeError, Kernels, Lanes, MemoryNow, Region,
    Request, Span, StorageMode, Stream, SyncTo,
};

use crate::backing::{self, Backing, HostBuffer, Kind, NoRoom, Part};
use crate::core::Core;
use crate::kernels::{Programs, copy, fill};
use crate::lane::{Lane, Turn};
use crate::open::ALIGN_MAX;
use crate::platform;
use crate::staging::Staging;
use crate::tally::Tally;

/// A GPU's memory, through Metal or Vulkan.
///
/// # What it does not do
/// It has no growable ranges: pools over it take slabs. It never splits an allocation: one is never larger than
/// what a kernel can bind ([`Facts::max_allocation`]), more is [`DeviceError::TooLarge`], and whoever asks cuts
/// the request with [`split`](plimsoll_device::split).
///
/// # Who owns what
/// A region's memory lives until the region is freed *and* the GPU has finished all work with it. The staging
/// memory is this device's own: a fixed number of slots, whatever is transferred.
///
/// # Storage modes
/// *Private* is the GPU's. *Shared* is host memory that both see at once: [`Region::host`] is its address, and
/// nothing is staged. On a GPU with memory of its own the GPU reaches it over the bus. *Managed* is a private
/// buffer and a copy for the host; on unified memory both are one shared buffer, and [`Device::sync`] has nothing
/// to do.
///
/// The address of memory that only the GPU sees is a number of this crate's own: WGSL has no addresses. It keeps
/// the alignment that was asked for.
///
/// ```no_run
/// use plimsoll_device::{Bytes, Device, Request, StorageMode, Stream};
/// use plimsoll_wgpu::{GpuDevice, GpuSettings};
///
/// let gpu = GpuDevice::open(GpuSettings::default())?;
/// let region = gpu.allocate(Request::new(Bytes::mib(1), StorageMode::Private))?;
/// gpu.fill(Stream(0), region.whole(), 7)?;
/// let mut found = vec![0; 1 << 20];
/// gpu.download(Stream(0), region.whole(), &mut found)?;
/// gpu.free(region)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GpuDevice {
    pub(crate) id: DeviceId,
    pub(crate) facts: Facts,
    pub(crate) core: Core,
    pub(crate) lanes: Lanes<Lane>,
    pub(crate) staging: Arc<Staging>,
    pub(crate) programs: Programs,
    /// Where sums are made.
    pub(crate) scratch: wgpu::Buffer,
    pub(crate) tally: Arc<Tally>,
    pub(crate) limit: u64,
    pub(crate) regions: AtomicU64,
    pub(crate) addresses: AtomicU64,
}

impl GpuDevice {
    /// Gives the GPU up: from now on every call says that it is lost, as if the driver had taken it away. What
    /// stands above can be tried with this.
    pub fn lose(&self) {
        self.core.lost.set("it was given up");
        self.core.device.destroy();
    }

    pub(crate) fn turn(&self, stream: Stream) -> Result<Turn<'_>, DeviceError> {
        self.lanes.get(stream)?.turn(&self.core, &self.staging)
    }

    /// Hands in what other streams have recorded, as far as nobody is at it.
    pub(crate) fn flush_others(&self) {
        for lane in self.lanes.iter() {
            if let Some(mut turn) = lane.try_turn(&self.core, &self.staging) {
                // An error means that the device is lost, which the caller sees next.
                let _ = turn.submit();
            }
        }
    }

    fn backing<'r>(&self, region: &'r Region) -> Result<&'r Backing, DeviceError> {
        self.core.check()?;
        if region.device() != self.id {
            return Err(DeviceError::WrongDevice);
        }
        region.backing().downcast_ref().ok_or(DeviceError::UnknownRegion)
    }

    /// The bytes of a span as the GPU sees them.
    pub(crate) fn part<'r>(&self, span: &Span<'r>) -> Result<Part<'r>, DeviceError> {
        let backing = self.backing(span.region())?;
        Ok(Part {
            buffer: backing.buffer(),
            offset: span.offset(),
            bytes: span.bytes().get(),
            host_visible: backing.in_place().is_some(),
        })
    }

    fn visible<'r>(&self, span: &Span<'r>) -> Result<&'r HostBuffer, DeviceError> {
        let backing = self.backing(span.region())?;
        backing.host().ok_or(DeviceError::NotHostVisible { mode: span.region().mode() })
    }

    /// The most that this device may hand out.
    fn most(&self) -> u64 {
        self.limit.min(self.facts.total.get())
    }

    fn free_now(&self) -> Bytes {
        let left = self.most().saturating_sub(self.tally.get());
        let told = platform::heap_of_device(&self.core.device).and_then(|heap| heap.free);
        Bytes::new(left.min(told.unwrap_or(u64::MAX)))
    }

    fn new_backing(&self, request: Request, kept: u64) -> Result<Backing, DeviceError> {
        let Request { bytes, align, mode } = request;
        let name = &self.facts.name;
        let counted = self.tally.take(kept, self.most()).map_err(|free| DeviceError::OutOfMemory {
            device: name.clone(),
            asked: bytes,
            free: Bytes::new(free),
        })?;
        let no_room = NoRoom { device: name, asked: bytes, free: &|| self.free_now() };
        let (core, size, unified) = (&self.core, bytes.get(), self.facts.unified);
        let shared = || backing::shared(core, size, align.max(backing::UNIT), unified, &no_room);
        let private = || backing::private(core, size, &no_room);
        let kind = match mode {
            StorageMode::Private => Kind::Private(private()?),
            StorageMode::Shared => Kind::Shared(shared()?),
            StorageMode::Managed if unified => Kind::Shared(shared()?),
            StorageMode::Managed => Kind::Managed { host: shared()?, device: private()? },
        };
        Ok(Backing::new(kind, counted))
    }

    fn region(&self, backing: Backing, request: Request) -> Region {
        let Request { bytes, align, mode } = request;
        let id = self.regions.fetch_add(1, Ordering::Relaxed);
        let host = backing.host().map(HostBuffer::host);
        let backing = Arc::new(backing);
        if let Some(host) = host {
            // SAFETY: the mapping has at least these bytes and lives as long as the backing.
            return unsafe { Region::host_visible(self.id, id, bytes, mode, host, backing) };
        }
        let room = bytes.get().next_multiple_of(ALIGN_MAX);
        let address = self.addresses.fetch_add(room, Ordering::Relaxed);
        debug_assert!(address.is_multiple_of(align), "addresses keep the strictest alignment");
        Region::device_only(self.id, id, bytes, mode, address, backing)
    }

    fn unsupported(&self, what: &'static str) -> DeviceError {
        DeviceError::Unsupported { device: self.facts.name.clone(), what }
    }
}

impl Device for GpuDevice {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        self.core.check()?;
        let total = self.facts.total;
        Ok(MemoryNow { total, free: self.free_now().min(total) })
    }

    fn allocate(&self, request: Request) -> Result<Region, DeviceError> {
        self.core.check()?;
        let Request { bytes, align, mode } = request;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        if !align.is_power_of_two() || align > ALIGN_MAX {
            return Err(DeviceError::BadAlignment { align, limit: ALIGN_MAX });
        }
        let limit = self.facts.max_allocation;
        if bytes > limit {
            return Err(DeviceError::TooLarge { device: self.facts.name.clone(), asked: bytes, limit });
        }
        if mode == StorageMode::Shared && !self.facts.capabilities.shared {
            return Err(self.unsupported("share memory with the host; use Managed or Private memory"));
        }
        let kept = bytes.get().next_multiple_of(backing::UNIT);
        let backing = match self.new_backing(request, kept) {
            Err(DeviceError::OutOfMemory { .. }) if self.tally.get() + kept <= self.most() => {
                // The driver is short, not the limit: what was freed may still be held by work.
                self.flush_others();
                self.core.finish()?;
                self.new_backing(request, kept)?
            }
            made => made?,
        };
        Ok(self.region(backing, request))
    }

    fn reserve(&self, bytes: Bytes, _mode: StorageMode) -> Result<Region, DeviceError> {
        self.core.check()?;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        Err(self.unsupported("back address ranges later; allocate slabs"))
    }

    fn commit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        self.backing(region)?;
        Err(plain(&range, "backed"))
    }

    fn decommit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        self.backing(region)?;
        Err(plain(&range, "given back"))
    }

    fn free(&self, region: Region) -> Result<(), FreeError> {
        let error = if region.device() != self.id {
            DeviceError::WrongDevice
        } else if !region.backing().is::<Backing>() {
            DeviceError::UnknownRegion
        } else {
            // Work that was recorded or handed in keeps the buffers.
            return Ok(());
        };
        Err(FreeError { region, error })
    }

    fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        let host = self.visible(&source)?;
        same_size(source.bytes().get(), into.len() as u64)?;
        host.read(source.offset(), into);
        Ok(())
    }

    fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError> {
        let host = self.visible(&target)?;
        same_size(from.len() as u64, target.bytes().get())?;
        host.write(target.offset(), from);
        Ok(())
    }

    fn stream(&self) -> Result<Stream, DeviceError> {
        self.core.check()?;
        self.lanes.open(&self.facts.name, Lane::new())
    }

    fn copy(&self, stream: Stream, source: Span<'_>, target: Span<'_>) -> Result<(), DeviceError> {
        self.lanes.get(stream)?;
        let (from, to) = (self.part(&source)?, self.part(&target)?);
        same_size(source.bytes().get(), target.bytes().get())?;
        if source.overlaps(&target) {
            return Err(DeviceError::Overlap);
        }
        copy(&self.programs, &mut self.turn(stream)?, from, to)
    }

    fn fill(&self, stream: Stream, target: Span<'_>, value: u8) -> Result<(), DeviceError> {
        self.lanes.get(stream)?;
        let to = self.part(&target)?;
        fill(&self.programs, &mut self.turn(stream)?, to, [value; 16])
    }

    fn upload(&self, stream: Stream, from: &[u8], target: Span<'_>) -> Result<(), DeviceError> {
        self.lanes.get(stream)?;
        let to = self.part(&target)?;
        same_size(from.len() as u64, target.bytes().get())?;
        let turn = self.turn(stream)?;
        match self.backing(target.region())?.in_place() {
            // In place when nothing on the stream can be in the way; staged behind it otherwise.
            Some(host) if turn.idle()? => {
                host.write(target.offset(), from);
                Ok(())
            }
            _ => self.stage_up(turn, from, to),
        }
    }

    fn download(&self, stream: Stream, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        self.lanes.get(stream)?;
        let from = self.part(&source)?;
        same_size(source.bytes().get(), into.len() as u64)?;
        let mut turn = self.turn(stream)?;
        match self.backing(source.region())?.in_place() {
            Some(host) => {
                turn.settle()?;
                host.read(source.offset(), into);
                Ok(())
            }
            None => self.stage_down(turn, from, into),
        }
    }

    fn sync(&self, stream: Stream, span: Span<'_>, to: SyncTo) -> Result<(), DeviceError> {
        self.lanes.get(stream)?;
        let device = self.part(&span)?;
        let Kind::Managed { host, .. } = &self.backing(span.region())?.kind else { return Ok(()) };
        let host = Part::of_host(host, device.offset, device.bytes);
        let (from, to) = match to {
            SyncTo::Device => (host, device),
            SyncTo::Host => (device, host),
        };
        copy(&self.programs, &mut self.turn(stream)?, from, to)
    }

    fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        let seq = self.turn(stream)?.fence()?;
        Ok(Fence { stream, seq })
    }

    fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        self.core.check()?;
        self.lanes.get(fence.stream)?.signalled(&self.core, &self.staging, fence)
    }

    fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        self.core.check()?;
        self.lanes.get(fence.stream)?.wait(&self.core, &self.staging, fence, at_most)
    }

    fn kernels(&self) -> Option<&dyn Kernels> {
        Some(self)
    }
}

fn plain(range: &Range<u64>, what: &'static str) -> DeviceError {
    let why = "it is part of a plain allocation";
    DeviceError::BadRange { start: range.start, end: range.end, what, why, granule: ALIGN_MAX }
}

fn same_size(source: u64, target: u64) -> Result<(), DeviceError> {
    if source == target {
        return Ok(());
    }
    Err(DeviceError::SizeMismatch { source_bytes: Bytes::new(source), target_bytes: Bytes::new(target) })
}
