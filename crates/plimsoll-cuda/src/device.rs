//! A GPU's memory as a device.

use std::ops::Range as Part;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plimsoll_device::{
    Bytes, Capabilities, CommitMap, Device, DeviceError, DeviceId, DeviceKind, Facts, Fence, FreeError,
    Kernels, MemoryNow, Place, Programs, Region, Request, Span, StorageMode, Stream, SyncTo,
};

use crate::driver::Code;
use crate::family::{Family, View};
use crate::gpu::Gpu;
use crate::host::host_region;
use crate::memory::{Kind, Memory, Use};
use crate::range::Range;

/// The strictest alignment that is given.
const ALIGN_MAX: u64 = 1 << 30;
/// What the driver keeps by itself.
const ALIGN: u64 = 256;

/// One GPU's own memory: private to it, or managed by the driver for it and the host.
///
/// # What it does not do
/// Host memory that the GPU can use is the [`PinnedDevice`](crate::PinnedDevice)'s, because it is the host's line that
/// it counts against. Both copy from and to each other, and a fence of one is good on the other.
///
/// # Who owns what
/// Regions keep the GPU open. What is freed under work is the driver's again when the work is done; asking for memory
/// that is not there waits a few seconds for such work before it is refused. Streams live as long as the devices of their [`Cuda`](crate::Cuda).
#[derive(Debug)]
pub struct CudaDevice {
    pub(crate) id: DeviceId,
    facts: Facts,
    family: Arc<Family>,
    gpu: Arc<Gpu>,
    first: Stream,
    regions: AtomicU64,
    /// Taken while managed memory is given out, so that two do not count on the same room.
    managing: Mutex<()>,
}

impl CudaDevice {
    pub(crate) fn new(ordinal: u16, family: &Arc<Family>, gpu: &Arc<Gpu>, first: Stream) -> Self {
        Self {
            id: DeviceId::new(),
            facts: Facts {
                name: gpu.probe.name.clone(),
                kind: DeviceKind::Cuda,
                place: Place::Cuda(ordinal),
                total: gpu.total,
                unified: false,
                min_align: ALIGN,
                page: 1 << 16,
                granule: gpu.granule,
                max_allocation: gpu.total,
                capabilities: Capabilities {
                    growable_ranges: gpu.probe.ranges,
                    shared: false,
                    private: true,
                    managed: gpu.probe.managed,
                },
            },
            family: Arc::clone(family),
            gpu: Arc::clone(gpu),
            first,
            regions: AtomicU64::new(1),
            managing: Mutex::default(),
        }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { family: &self.family, first: self.first, gpu: &self.gpu }
    }

    /// Memory from the driver's own pool, in the order of a stream: it may be used by work that is put on the stream
    /// later, and costs no wait. For what is taken and given back within one stream's work; a
    /// pool does better for everything else.
    pub fn allocate_on(&self, stream: Stream, bytes: Bytes) -> Result<Region, DeviceError> {
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        let lane = self.view().lane(stream)?;
        let address = lane.start(&[], |driver, raw| {
            // SAFETY: freed with the region.
            self.gpu.gave("allocating on a stream", bytes, unsafe { driver.allocate_on(bytes.get(), raw) })
        })?;
        Ok(self.region(address, address, bytes, StorageMode::Private, Kind::Ordered(AtomicBool::new(false))))
    }

    /// Gives memory of [`allocate_on`](Self::allocate_on) back in the order of a stream: work that was put on it
    /// before still has the memory, and nobody waits.
    pub fn free_on(&self, stream: Stream, region: Region) -> Result<(), FreeError> {
        let view = self.view();
        let memory = view.own(&region, self.id).and_then(|()| Memory::of(&region, self.family.id));
        let put = memory.and_then(|memory| {
            let lane = view.lane(stream)?;
            let Kind::Ordered(given_back) = &memory.kind else {
                return Err(DeviceError::Unsupported {
                    device: self.facts.name.clone(),
                    what: "give memory back on a stream that was not taken on one; use free",
                });
            };
            lane.start(&[], |driver, raw| {
                // SAFETY: the region is given up by its owner; work on this stream that uses it comes before, and
                // work on others was ordered before this stream by whoever put it there.
                let freed = unsafe { driver.free_on(memory.address, raw) };
                self.gpu.told("giving memory back on a stream", freed)
            })?;
            given_back.store(true, Ordering::Relaxed);
            Ok(())
        });
        put.map_err(|error| FreeError { region, error })
    }

    /// Puts a kernel on stream 0 that faults, so that the GPU is lost to this process, and everything on it: to see
    /// what a program does then. Other processes are not touched.
    pub fn lose_on_purpose(&self) -> Result<(), DeviceError> {
        self.view().lose_on_purpose(Stream(0))
    }

    fn region(&self, base: u64, start: u64, bytes: Bytes, mode: StorageMode, kind: Kind) -> Region {
        let id = self.regions.fetch_add(1, Ordering::Relaxed);
        let managed = matches!(kind, Kind::Managed(_));
        let memory = Memory { gpu: Arc::clone(&self.gpu), family: self.family.id, address: base, kind };
        let memory = Arc::new(memory);
        if managed {
            return host_region(self.id, id, bytes, mode, start, memory);
        }
        Region::device_only(self.id, id, bytes, mode, start, memory)
    }

    /// Memory from the driver. When there is none, what was freed under work is waited for before that is an error.
    fn take(&self, bytes: Bytes, get: impl Fn() -> Result<u64, Code>) -> Result<u64, DeviceError> {
        self.gpu.enter()?;
        let mut answer = get();
        if answer == Err(Code::OUT_OF_MEMORY) {
            self.family.settle();
            self.gpu.enter()?;
            answer = get();
        }
        self.gpu.gave("allocating device memory", bytes, answer)
    }

    fn manage(&self, bytes: Bytes, reserve: u64) -> Result<u64, DeviceError> {
        let _managing = self.managing.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.memory()?.free.saturating_sub(Bytes::new(self.gpu.managed.load(Ordering::Relaxed)));
        if Bytes::new(reserve) > free {
            // Asking the driver for more than there is can stop the whole GPU.
            return Err(DeviceError::OutOfMemory { device: self.facts.name.clone(), asked: bytes, free });
        }
        // SAFETY: freed when the region's memory is dropped.
        let address = self.take(bytes, || unsafe { self.gpu.driver.allocate_managed(reserve) })?;
        self.gpu.managed.fetch_add(reserve, Ordering::Relaxed);
        Ok(address)
    }

    fn range_of(&self, region: &Region) -> Result<Arc<Memory>, DeviceError> {
        self.view().own(region, self.id)?;
        Memory::of(region, self.family.id)
    }
}

/// Runs `change` on a region's range; a part of an allocation is [`DeviceError::BadRange`].
fn with_range(
    memory: &Arc<Memory>,
    part: &Part<u64>,
    what: &'static str,
    change: impl FnOnce(&Range) -> Result<(), DeviceError>,
) -> Result<(), DeviceError> {
    match memory.range() {
        Some(range) => change(range),
        None => Err(DeviceError::BadRange {
            start: part.start,
            end: part.end,
            what,
            why: "it is a part of an allocation, not of a range",
            granule: memory.gpu.granule,
        }),
    }
}

impl Device for CudaDevice {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        self.family.sweep();
        self.gpu.enter()?;
        let (free, _) = self.gpu.told("asking for free memory", self.gpu.driver.memory())?;
        Ok(MemoryNow { total: self.facts.total, free: Bytes::new(free).min(self.facts.total) })
    }

    fn allocate(&self, request: Request) -> Result<Region, DeviceError> {
        let Request { bytes, align, mode } = request;
        self.gpu.lost.check(&self.facts.name)?;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        if !align.is_power_of_two() || align > ALIGN_MAX {
            return Err(DeviceError::BadAlignment { align, limit: ALIGN_MAX });
        }
        if bytes > self.facts.max_allocation {
            let (device, limit) = (self.facts.name.clone(), self.facts.max_allocation);
            return Err(DeviceError::TooLarge { device, asked: bytes, limit });
        }
        let refused = |what| Err(DeviceError::Unsupported { device: self.facts.name.clone(), what });
        // What the driver aligns by itself is enough for most; for the rest there is room to move the start.
        let reserve = bytes.get() + if align > ALIGN { align } else { 0 };
        let (base, kind) = match mode {
            StorageMode::Shared => return refused("share memory with the host; use the pinned device"),
            StorageMode::Managed if !self.facts.capabilities.managed => {
                return refused("manage memory that host and device touch at once");
            }
            StorageMode::Managed => (self.manage(bytes, reserve)?, Kind::Managed(reserve)),
            StorageMode::Private => {
                // SAFETY: freed when the region's memory is dropped.
                let address = self.take(bytes, || unsafe { self.gpu.driver.allocate(reserve) })?;
                (address, Kind::Plain)
            }
        };
        Ok(self.region(base, base.next_multiple_of(align), bytes, mode, kind))
    }

    fn reserve(&self, bytes: Bytes, mode: StorageMode) -> Result<Region, DeviceError> {
        self.gpu.lost.check(&self.facts.name)?;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        let refused = |what| Err(DeviceError::Unsupported { device: self.facts.name.clone(), what });
        if !self.facts.capabilities.growable_ranges {
            return refused("reserve addresses first and back them later");
        }
        if mode != StorageMode::Private {
            return refused("back ranges that the host sees piece by piece; reserve private ones");
        }
        let limit =
            Bytes::new(CommitMap::GRANULES_MAX.saturating_mul(self.gpu.granule)).min(Bytes::gib(64 << 10));
        let rounded = bytes.checked_round_up(self.gpu.granule).filter(|&bytes| bytes <= limit);
        let Some(rounded) = rounded else {
            return Err(DeviceError::TooLarge { device: self.facts.name.clone(), asked: bytes, limit });
        };
        self.gpu.enter()?;
        // SAFETY: given back when the region's memory is dropped.
        let reserved = unsafe { self.gpu.driver.reserve(rounded.get()) };
        let base = self.gpu.gave("reserving addresses", rounded, reserved)?;
        let range = Range::new(rounded.get(), self.gpu.granule);
        Ok(self.region(base, base, rounded, mode, Kind::Range(range)))
    }

    fn commit(&self, region: &Region, part: Part<u64>) -> Result<(), DeviceError> {
        let memory = self.range_of(region)?;
        with_range(&memory, &part, "backed", |range| {
            let committed = range.commit(&self.gpu, memory.address, &part);
            if !matches!(committed, Err(DeviceError::OutOfMemory { .. })) {
                return committed;
            }
            // What was freed under work may be enough.
            self.family.settle();
            range.commit(&self.gpu, memory.address, &part)
        })
    }

    fn decommit(&self, region: &Region, part: Part<u64>) -> Result<(), DeviceError> {
        let memory = self.range_of(region)?;
        let used = Use { memory: Arc::clone(&memory), start: part.start, end: part.end };
        with_range(&memory, &part, "given back", |range| {
            range.decommit(&self.gpu, memory.address, &part, || self.family.in_use(&used))
        })
    }

    fn remap(&self, region: &Region, from: Part<u64>, to: Part<u64>) -> Result<(), DeviceError> {
        let memory = self.range_of(region)?;
        let bytes = |part: &Part<u64>| Bytes::new(part.end.saturating_sub(part.start));
        if bytes(&from) != bytes(&to) {
            return Err(DeviceError::SizeMismatch { source_bytes: bytes(&from), target_bytes: bytes(&to) });
        }
        let used = Use { memory: Arc::clone(&memory), start: from.start, end: from.end };
        with_range(&memory, &from, "given back", |range| {
            range.remap(&self.gpu, memory.address, &from, &to, || self.family.in_use(&used))
        })
    }

    fn free(&self, region: Region) -> Result<(), FreeError> {
        if region.device() != self.id {
            return Err(FreeError { region, error: DeviceError::WrongDevice });
        }
        drop(region);
        Ok(())
    }

    fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        self.view().read(source, into)
    }

    fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError> {
        self.view().write(target, from)
    }

    fn stream(&self) -> Result<Stream, DeviceError> {
        self.family.open_stream(&self.gpu)
    }

    fn copy(&self, stream: Stream, source: Span<'_>, target: Span<'_>) -> Result<(), DeviceError> {
        self.view().copy(stream, source, target)
    }

    fn fill(&self, stream: Stream, target: Span<'_>, value: u8) -> Result<(), DeviceError> {
        self.view().fill(stream, target, value)
    }

    fn upload(&self, stream: Stream, from: &[u8], target: Span<'_>) -> Result<(), DeviceError> {
        self.view().upload(stream, from, target)
    }

    fn download(&self, stream: Stream, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        self.view().download(stream, source, into)
    }

    fn sync(&self, stream: Stream, span: Span<'_>, to: SyncTo) -> Result<(), DeviceError> {
        self.view().sync(stream, span, to)
    }

    fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        self.view().fence(stream)
    }

    fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        self.view().signalled(fence)
    }

    fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        self.view().wait(fence, at_most)
    }

    fn kernels(&self) -> Option<&dyn Kernels> {
        self.gpu.driver.kernels().map(|_| self as &dyn Kernels)
    }

    fn programs(&self) -> Option<&dyn Programs> {
        self.gpu.driver.kernels().map(|_| self as &dyn Programs)
    }
}
