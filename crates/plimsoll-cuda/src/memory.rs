//! What is behind a region, and gives it back to the driver when nobody uses it any more.

use std::alloc::Layout;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plimsoll_device::{Bytes, DeviceError, Lost, Region, Span};

use crate::driver::{Code, Location, Physical};
use crate::gpu::Gpu;
use crate::range::Range;

/// Memory of one region. Freed when the region is given back and no operation holds it.
pub(crate) struct Memory {
    pub(crate) gpu: Arc<Gpu>,
    /// Which `Cuda` it came from.
    pub(crate) family: u64,
    pub(crate) address: u64,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// `cuMemAlloc`.
    Plain,
    /// `cuMemAllocAsync`; whether it was given back on a stream already.
    Ordered(AtomicBool),
    /// `cuMemAllocManaged`, of so many bytes.
    Managed(u64),
    /// A growable range.
    Range(Range),
    /// Host memory that the driver allocated and locked.
    Pinned,
    /// Locked host memory as one physical piece, mapped for host and devices.
    Mapped { physical: Physical, bytes: u64 },
    /// Host memory that could not be locked.
    Pageable(Layout),
}

impl Memory {
    /// One physical piece of host memory at an address of its own.
    pub(crate) fn map_host(gpu: &Arc<Gpu>, bytes: u64, who: &[Location]) -> Result<(u64, Kind), Code> {
        let driver = gpu.driver.as_ref();
        let node = Location::HostNode(gpu.probe.host_node.max(0));
        let bytes =
            Bytes::new(bytes).checked_round_up(driver.granule(node)?).ok_or(Code::OUT_OF_MEMORY)?.get();
        // SAFETY: each step undoes those before it when it fails, so nothing is left mapped or reserved; nobody else
        // knows the address yet.
        unsafe {
            let physical = driver.create(node, bytes)?;
            let undo = |code| {
                let _ = driver.release(physical);
                code
            };
            let address = driver.reserve(bytes).map_err(undo)?;
            let undo = |code| {
                let _ = driver.unreserve(address, bytes);
                undo(code)
            };
            driver.map(address, bytes, physical).map_err(undo)?;
            let undo = |code| {
                let _ = driver.unmap(address, bytes);
                undo(code)
            };
            let who: Vec<Location> = who.iter().copied().chain([node]).collect();
            driver.allow(address, bytes, &who).map_err(undo)?;
            Ok((address, Kind::Mapped { physical, bytes }))
        }
    }

    /// Ordinary memory of this process, on pages of its own.
    pub(crate) fn pageable(bytes: u64) -> Option<(u64, Kind)> {
        let bytes = Bytes::new(bytes).checked_round_up(4096)?.as_usize();
        let layout = Layout::from_size_align(bytes, 4096).ok()?;
        // SAFETY: the layout is not empty.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        (!start.is_null()).then(|| (start.expose_provenance() as u64, Kind::Pageable(layout)))
    }

    /// Whether the GPU cannot reach it by its address.
    pub(crate) const fn is_pageable(&self) -> bool {
        matches!(self.kind, Kind::Pageable(_))
    }

    pub(crate) const fn in_host_memory(&self) -> bool {
        matches!(self.kind, Kind::Pinned | Kind::Mapped { .. } | Kind::Pageable(_))
    }

    pub(crate) const fn range(&self) -> Option<&Range> {
        match &self.kind {
            Kind::Range(range) => Some(range),
            _ => None,
        }
    }

    /// What is behind a region of this family.
    pub(crate) fn of(region: &Region, family: u64) -> Result<Arc<Self>, DeviceError> {
        let memory = Arc::clone(region.backing()).downcast::<Self>().map_err(|_| DeviceError::WrongDevice)?;
        if memory.family == family { Ok(memory) } else { Err(DeviceError::WrongDevice) }
    }

    pub(crate) fn lost(&self) -> &Lost {
        &self.gpu.lost
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Kind::Pageable(layout) = self.kind {
            // SAFETY: allocated with this layout, and no operation holds it any more.
            unsafe {
                std::alloc::dealloc(
                    ptr::with_exposed_provenance_mut(Bytes::new(self.address).as_usize()),
                    layout,
                );
            };
            return;
        }
        let driver = self.gpu.driver.as_ref();
        if driver.enter().is_err() {
            // The context is gone, and its memory with it.
            return;
        }
        // A driver that refuses to take memory back leaves nothing to be done: on a lost device it is gone already.
        // SAFETY: the region was given back and no operation holds this, so the device does not use it any more.
        unsafe {
            match &mut self.kind {
                Kind::Ordered(given_back) if given_back.load(Ordering::Relaxed) => {}
                Kind::Plain | Kind::Ordered(_) => {
                    let _ = driver.free(self.address);
                }
                Kind::Managed(bytes) => {
                    let _ = driver.free(self.address);
                    self.gpu.managed.fetch_sub(*bytes, Ordering::Relaxed);
                }
                Kind::Pinned => {
                    let _ = driver.free_pinned(self.address);
                }
                Kind::Mapped { physical, bytes } => {
                    let _ = driver.unmap(self.address, *bytes);
                    let _ = driver.release(*physical);
                    let _ = driver.unreserve(self.address, *bytes);
                }
                Kind::Range(range) => range.close(driver, self.address),
                Kind::Pageable(_) => {}
            }
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("address", &format_args!("{:#x}", self.address))
            .finish_non_exhaustive()
    }
}

/// A part of some memory that an operation uses.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) memory: Arc<Memory>,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Use {
    pub(crate) fn new(span: &Span<'_>, family: u64) -> Result<Self, DeviceError> {
        let memory = Memory::of(span.region(), family)?;
        memory.lost().check(&memory.gpu.probe.name)?;
        // A region's address is where its memory starts, or a little later where it had to be aligned.
        let start = span.address() - memory.address;
        Ok(Self { memory, start, end: start + span.bytes().get() })
    }

    /// The device's address of its first byte.
    pub(crate) fn address(&self) -> u64 {
        self.memory.address + self.start
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.end - self.start
    }

    /// Whether all of it is backed.
    pub(crate) fn check(&self) -> Result<(), DeviceError> {
        self.memory.range().map_or(Ok(()), |range| range.readable(self.start, self.end))
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory) && self.start < other.end && other.start < self.end
    }
}
