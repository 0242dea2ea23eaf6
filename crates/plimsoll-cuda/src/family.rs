//! What the devices of one `Cuda` share: streams that are numbered together, so that a fence of one is good on all of
//! them, and memory that each of them reaches.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plimsoll_device::{Bytes, DeviceError, Fence, Lanes, Notice, Region, Span, StorageMode, Stream, SyncTo};

use crate::driver::Location;
use crate::gpu::Gpu;
use crate::lane::Lane;
use crate::memory::{Kind, Use};

#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) id: u64,
    pub(crate) lanes: Lanes<Lane>,
    pub(crate) notice: Notice,
}

impl Family {
    /// A family whose stream 0 is on this GPU.
    pub(crate) fn new(gpu: &Arc<Gpu>, notice: Notice) -> Result<Self, DeviceError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Ok(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), lanes: Lanes::new(Lane::open(gpu)?), notice })
    }

    /// Opens a stream on a GPU.
    pub(crate) fn open_stream(&self, gpu: &Arc<Gpu>) -> Result<Stream, DeviceError> {
        self.lanes.open(&gpu.probe.name, Lane::open(gpu)?)
    }

    /// Lets go of what work held that is done.
    pub(crate) fn sweep(&self) {
        self.lanes.iter().for_each(Lane::sweep);
    }

    /// Waits for what was started until now, a few seconds at most, so that what was freed under it can be had.
    pub(crate) fn settle(&self) {
        const AT_MOST: Duration = Duration::from_secs(5);
        let began = Instant::now();
        for lane in self.lanes.iter().filter(|lane| !lane.gpu().lost.is_set()) {
            // A lane that fails belongs to a lost device, which has nothing to give; one that is stuck gives nothing.
            let fence = lane.fence(Stream(0));
            let _late = fence.and_then(|fence| lane.wait(fence, AT_MOST.saturating_sub(began.elapsed())));
        }
    }

    /// Whether work on any stream may still use this.
    pub(crate) fn in_use(&self, wanted: &Use) -> bool {
        self.lanes.iter().any(|lane| lane.uses(wanted))
    }
}

/// The family as one of its devices sees it.
#[derive(Clone, Copy)]
pub(crate) struct View<'f> {
    pub(crate) family: &'f Family,
    /// What this device calls stream 0.
    pub(crate) first: Stream,
    pub(crate) gpu: &'f Gpu,
}

impl<'f> View<'f> {
    const fn named(&self, stream: Stream) -> Stream {
        if stream.0 == 0 { self.first } else { stream }
    }

    pub(crate) fn lane(&self, stream: Stream) -> Result<&'f Lane, DeviceError> {
        self.gpu.lost.check(&self.gpu.probe.name)?;
        self.family.lanes.get(self.named(stream)).map_err(|_| DeviceError::UnknownStream(stream))
    }

    pub(crate) fn uses(&self, span: &Span<'_>) -> Result<Use, DeviceError> {
        self.gpu.lost.check(&self.gpu.probe.name)?;
        Use::new(span, self.family.id)
    }

    pub(crate) fn target(&self, span: &Span<'_>) -> Result<Use, DeviceError> {
        let used = self.uses(span)?;
        if span.region().writable() { Ok(used) } else { Err(DeviceError::ReadOnly) }
    }

    pub(crate) fn copy(&self, stream: Stream, from: Span<'_>, to: Span<'_>) -> Result<(), DeviceError> {
        let lane = self.lane(stream)?;
        let (source, target) = (self.uses(&from)?, self.target(&to)?);
        same_size(source.bytes(), target.bytes())?;
        if source.overlaps(&target) {
            return Err(DeviceError::Overlap);
        }
        if source.bytes() == 0 {
            return Ok(());
        }
        lane.start(&[&source, &target], |driver, raw| {
            // SAFETY: both parts are within memory that this operation holds, and backed.
            let copied = unsafe { driver.copy(target.address(), source.address(), source.bytes(), raw) };
            lane.gpu().told("copying", copied)
        })
    }

    pub(crate) fn fill(&self, stream: Stream, span: Span<'_>, value: u8) -> Result<(), DeviceError> {
        let lane = self.lane(stream)?;
        let target = self.target(&span)?;
        if target.bytes() == 0 {
            return Ok(());
        }
        let (address, bytes) = (target.address(), target.bytes());
        lane.start(&[&target], |driver, raw| {
            let filled = if target.memory.in_host_memory() {
                // The host is nearer to it than the device.
                let work = move || {
                    let start = ptr::with_exposed_provenance_mut::<u8>(Bytes::new(address).as_usize());
                    // SAFETY: the operation holds this memory until the stream is past it, and the stream's order
                    // says who may use it meanwhile.
                    unsafe { start.write_bytes(value, Bytes::new(bytes).as_usize()) };
                };
                // SAFETY: the stream lives as long as its lane.
                unsafe { driver.host_work(raw, Box::new(work)) }
            } else {
                // SAFETY: within memory that this operation holds, and backed.
                unsafe { driver.fill(address, value, bytes, raw) }
            };
            lane.gpu().told("filling", filled)
        })
    }

    pub(crate) fn upload(&self, stream: Stream, from: &[u8], span: Span<'_>) -> Result<(), DeviceError> {
        let lane = self.lane(stream)?;
        let target = self.target(&span)?;
        same_size(from.len() as u64, target.bytes())?;
        if from.is_empty() {
            return Ok(());
        }
        let source = from.as_ptr().expose_provenance() as u64;
        lane.start(&[&target], |driver, raw| {
            // SAFETY: the target is held and backed; the source is borrowed until this call returns, and read by then
            // (or waited for below).
            let copied = unsafe { driver.copy(target.address(), source, target.bytes(), raw) };
            lane.gpu().told("uploading", copied)
        })?;
        // The driver has read pageable memory when it returns, unless the device reads it by itself. Page-locked
        // memory, which the caller may have from anywhere, is read later.
        let gpu = lane.gpu();
        if gpu.probe.pageable || gpu.driver.is_pinned(source) { lane.finish() } else { Ok(()) }
    }

    pub(crate) fn download(
        &self,
        stream: Stream,
        span: Span<'_>,
        into: &mut [u8],
    ) -> Result<(), DeviceError> {
        let lane = self.lane(stream)?;
        let source = self.uses(&span)?;
        same_size(source.bytes(), into.len() as u64)?;
        if into.is_empty() {
            return Ok(());
        }
        let target = into.as_mut_ptr().expose_provenance() as u64;
        lane.start(&[&source], |driver, raw| {
            // SAFETY: the source is held and backed; the target is borrowed until this call returns, which is after
            // the copy.
            let copied = unsafe { driver.copy(target, source.address(), source.bytes(), raw) };
            lane.gpu().told("downloading", copied)
        })?;
        lane.finish()
    }

    pub(crate) fn sync(&self, stream: Stream, span: Span<'_>, to: SyncTo) -> Result<(), DeviceError> {
        let lane = self.lane(stream)?;
        let used = self.uses(&span)?;
        let Kind::Managed(_) = used.memory.kind else {
            return Ok(());
        };
        if used.bytes() == 0 {
            return Ok(());
        }
        let location = match to {
            SyncTo::Device => used.memory.gpu.here(),
            SyncTo::Host => Location::HostNode(used.memory.gpu.probe.host_node.max(0)),
        };
        lane.start(&[&used], |driver, raw| {
            // SAFETY: within managed memory that this operation holds.
            let moved = unsafe { driver.prefetch(used.address(), used.bytes(), location, raw) };
            lane.gpu().told("bringing managed memory into step", moved)
        })
    }

    pub(crate) fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        self.lane(stream)?.fence(self.named(stream))
    }

    pub(crate) fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        self.lane(fence.stream)?.signalled(fence)
    }

    pub(crate) fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        self.lane(fence.stream)?.wait(fence, at_most)
    }

    pub(crate) fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        let start = self.visible(&source, into.len())?;
        // SAFETY: the span is within host memory that its region keeps, and as long as `into`, which is borrowed.
        unsafe { start.copy_to_nonoverlapping(into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    pub(crate) fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError> {
        let start = self.visible(&target, from.len())?;
        if !target.region().writable() {
            return Err(DeviceError::ReadOnly);
        }
        // SAFETY: as in `read`. Who may use which bytes at a time is decided above the device.
        unsafe { start.copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        Ok(())
    }

    /// Where the host finds a span.
    fn visible(&self, span: &Span<'_>, bytes: usize) -> Result<*mut u8, DeviceError> {
        let used = self.uses(span)?;
        same_size(used.bytes(), bytes as u64)?;
        match span.region().host() {
            // SAFETY: a span lies within its region.
            Some(host) => Ok(unsafe { host.as_ptr().add(Bytes::new(span.offset()).as_usize()) }),
            None => Err(DeviceError::NotHostVisible { mode: StorageMode::Private }),
        }
    }

    pub(crate) fn own(&self, region: &Region, id: plimsoll_device::DeviceId) -> Result<(), DeviceError> {
        self.gpu.lost.check(&self.gpu.probe.name)?;
        if region.device() == id { Ok(()) } else { Err(DeviceError::WrongDevice) }
    }
}

fn same_size(source: u64, target: u64) -> Result<(), DeviceError> {
    if source == target {
        return Ok(());
    }
    Err(DeviceError::SizeMismatch { source_bytes: Bytes::new(source), target_bytes: Bytes::new(target) })
}
