//! Page-locked host memory as a device.

use std::ops::Range as Part;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plimsoll_device::{
    Bytes, Capabilities, Device, DeviceError, DeviceId, DeviceKind, Facts, Fence, FreeError, HostDevice,
    HostSettings, Kernels, MemoryNow, Place, Region, Request, Span, StorageMode, Stream, SyncTo,
};

use crate::family::{Family, View};
use crate::gpu::Gpu;
use crate::host::host_region;
use crate::memory::{Kind, Memory};

const ALIGN_MAX: u64 = 1 << 30;
/// Every piece starts on a page.
const PAGE: u64 = 4096;
/// From this size on a piece is mapped by itself, in pages of 2 MiB: locking those takes less than half the time.
const MAPPED_MIN: u64 = 1 << 20;

/// Host memory that stays where it is, so that GPUs copy from it at the full speed of their link and kernels reach it
/// in place. It is cached, for the host reads it too.
///
/// # What the system refuses
/// Locked memory is taken from everybody else on the machine. Where the system gives no more, ordinary memory is
/// given instead, and that is told once through the [`Notice`](plimsoll_device::Notice) of the settings: copies work
/// as before, slower, and kernels refuse it.
///
/// # Who owns what
/// It belongs to all GPUs of its [`Cuda`](crate::Cuda), and shares their streams: a copy between it and a GPU is asked
/// of either, and the fence is good on both. Stream 0 is the first GPU's.
#[derive(Debug)]
pub struct PinnedDevice {
    id: DeviceId,
    facts: Facts,
    family: Arc<Family>,
    gpu: Arc<Gpu>,
    machine: HostDevice,
    regions: AtomicU64,
}

impl PinnedDevice {
    pub(crate) fn new(family: &Arc<Family>, gpu: &Arc<Gpu>) -> Result<Self, DeviceError> {
        let machine = HostDevice::open(HostSettings::default())?;
        let total = machine.facts().total;
        Ok(Self {
            id: DeviceId::new(),
            facts: Facts {
                name: "pinned host memory".to_owned(),
                kind: DeviceKind::Host,
                place: Place::Pinned,
                total,
                unified: true,
                min_align: 256,
                page: PAGE,
                granule: 1 << 21,
                max_allocation: total,
                capabilities: Capabilities {
                    growable_ranges: false,
                    shared: true,
                    private: false,
                    managed: false,
                },
            },
            family: Arc::clone(family),
            gpu: Arc::clone(gpu),
            machine,
            regions: AtomicU64::new(1),
        })
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { family: &self.family, first: Stream(0), gpu: &self.gpu }
    }

    fn refused<T>(&self, what: &'static str) -> Result<T, DeviceError> {
        Err(DeviceError::Unsupported { device: self.facts.name.clone(), what })
    }

    /// Locked memory, or ordinary memory where the system locks no more.
    fn take(&self, bytes: u64) -> Result<(u64, Kind), DeviceError> {
        self.gpu.enter()?;
        if self.gpu.probe.host_ranges
            && bytes >= MAPPED_MIN
            && let Ok(mapped) = Memory::map_host(&self.gpu, bytes, &self.gpu.reached_by)
        {
            return Ok(mapped);
        }
        // SAFETY: freed when the region's memory is dropped.
        match unsafe { self.gpu.driver.allocate_pinned(bytes) } {
            Ok(address) => Ok((address, Kind::Pinned)),
            Err(code) if code.is_fatal() => self.gpu.told("allocating pinned memory", Err(code)),
            Err(code) => {
                let text = format!(
                    "the system gives no more page-locked memory ({code}); ordinary memory is used in its place, and \
                     copies to and from it are slower"
                );
                self.family.notice.tell("pageable", &text);
                Memory::pageable(bytes).ok_or_else(|| DeviceError::OutOfMemory {
                    device: self.facts.name.clone(),
                    asked: Bytes::new(bytes),
                    free: self.machine.memory().map_or(Bytes::ZERO, |now| now.free),
                })
            }
        }
    }
}

impl Device for PinnedDevice {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        self.gpu.enter()?;
        self.family.sweep();
        let now = self.machine.memory()?;
        Ok(MemoryNow { total: self.facts.total, free: now.free.min(self.facts.total) })
    }

    fn allocate(&self, request: Request) -> Result<Region, DeviceError> {
        let Request { bytes, align, mode } = request;
        self.gpu.lost.check(&self.gpu.probe.name)?;
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
        if mode != StorageMode::Shared {
            return self.refused("hide memory from the host; allocate it as Shared, or on the GPU");
        }
        let (base, kind) = self.take(bytes.get() + if align > PAGE { align } else { 0 })?;
        let id = self.regions.fetch_add(1, Ordering::Relaxed);
        let memory = Memory { gpu: Arc::clone(&self.gpu), family: self.family.id, address: base, kind };
        Ok(host_region(self.id, id, bytes, mode, base.next_multiple_of(align), Arc::new(memory)))
    }

    fn reserve(&self, bytes: Bytes, _mode: StorageMode) -> Result<Region, DeviceError> {
        self.gpu.lost.check(&self.gpu.probe.name)?;
        if bytes.is_zero() {
            return Err(DeviceError::ZeroSize);
        }
        self.refused("reserve addresses first and back them later")
    }

    fn commit(&self, region: &Region, part: Part<u64>) -> Result<(), DeviceError> {
        self.view().own(region, self.id)?;
        Err(not_a_range(&part, "backed"))
    }

    fn decommit(&self, region: &Region, part: Part<u64>) -> Result<(), DeviceError> {
        self.view().own(region, self.id)?;
        Err(not_a_range(&part, "given back"))
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
}

const fn not_a_range(part: &Part<u64>, what: &'static str) -> DeviceError {
    DeviceError::BadRange {
        start: part.start,
        end: part.end,
        what,
        why: "this device has allocations only",
        granule: 1 << 21,
    }
}
