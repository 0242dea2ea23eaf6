//! A piece of device memory, and a part of it.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Bytes, DeviceError, StorageMode};

/// Which device a region belongs to: unique in this process for each opened device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId(u64);

impl DeviceId {
    /// A number that no other device of this process has.
    #[expect(clippy::new_without_default, reason = "each call gives another value")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Memory that a device handed out: an allocation, or a range that is backed later.
///
/// A region is not `Clone`: it is given back whole with [`Device::free`](crate::Device::free). It holds what
/// keeps the memory mapped (`backing`), so an address read from a live region is valid, and forgetting to free
/// one leaks nothing on devices whose backing frees itself.
pub struct Region {
    device: DeviceId,
    id: u64,
    bytes: Bytes,
    mode: StorageMode,
    /// Where it starts on the device; a host pointer exactly when `host_visible`.
    start: *mut u8,
    host_visible: bool,
    writable: bool,
    backing: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the host pointer is only an address; everything that dereferences it goes through `Device::read` and
// `Device::write` or through unsafe code that states its own exclusivity. The backing is Send + Sync.
unsafe impl Send for Region {}
// SAFETY: as above; a shared Region gives out addresses and nothing else.
unsafe impl Sync for Region {}

impl Region {
    /// A region that the host cannot reach. `id` is the device's own number for it.
    pub fn device_only(
        device: DeviceId,
        id: u64,
        bytes: Bytes,
        mode: StorageMode,
        address: u64,
        backing: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self {
            device,
            id,
            bytes,
            mode,
            start: ptr::without_provenance_mut(Bytes::new(address).as_usize()),
            host_visible: false,
            writable: true,
            backing,
        }
    }

    /// A region that the host can reach at `host`.
    ///
    /// # Safety
    /// `host` must be valid for reads of `bytes` (and for writes, unless [`Region::read_only`] is applied)
    /// wherever the device says that the region is backed, for as long as `backing` lives.
    pub unsafe fn host_visible(
        device: DeviceId,
        id: u64,
        bytes: Bytes,
        mode: StorageMode,
        host: NonNull<u8>,
        backing: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self { device, id, bytes, mode, start: host.as_ptr(), host_visible: true, writable: true, backing }
    }

    /// The same region, refused to every write (a mapped file).
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.writable = false;
        self
    }

    /// The device it belongs to.
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// The device's own number for it.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Its size.
    pub const fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// How it may be reached.
    pub const fn mode(&self) -> StorageMode {
        self.mode
    }

    /// Its address on the device.
    pub fn address(&self) -> u64 {
        self.start.addr() as u64
    }

    /// Its address on the host, where it has one.
    pub fn host(&self) -> Option<NonNull<u8>> {
        NonNull::new(self.start).filter(|_| self.host_visible)
    }

    /// Whether writes are allowed.
    pub const fn writable(&self) -> bool {
        self.writable
    }

    /// What keeps the memory alive; the device that made the region knows its type.
    pub fn backing(&self) -> &Arc<dyn Any + Send + Sync> {
        &self.backing
    }

    /// The part `range` of this region, or an error that names both sizes.
    pub fn span(&self, range: Range<u64>) -> Result<Span<'_>, DeviceError> {
        if range.start > range.end || range.end > self.bytes.get() {
            return Err(DeviceError::OutOfBounds { start: range.start, end: range.end, region: self.bytes });
        }
        Ok(Span { region: self, offset: range.start, bytes: Bytes::new(range.end - range.start) })
    }

    /// All of it.
    pub const fn whole(&self) -> Span<'_> {
        Span { region: self, offset: 0, bytes: self.bytes }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("id", &self.id)
            .field("bytes", &self.bytes)
            .field("mode", &self.mode)
            .field("address", &format_args!("{:#x}", self.address()))
            .finish_non_exhaustive()
    }
}

/// A part of a region, already checked to lie within it.
#[derive(Clone, Copy, Debug)]
pub struct Span<'r> {
    region: &'r Region,
    offset: u64,
    bytes: Bytes,
}

impl<'r> Span<'r> {
    /// The region it is part of.
    pub const fn region(&self) -> &'r Region {
        self.region
    }

    /// Where it starts within the region.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How long it is.
    pub const fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// Where it ends within the region.
    pub const fn end(&self) -> u64 {
        self.offset + self.bytes.get()
    }

    /// Its address on the device.
    pub fn address(&self) -> u64 {
        self.region.address() + self.offset
    }

    /// Whether two spans share a byte.
    pub fn overlaps(&self, other: &Span<'_>) -> bool {
        self.region.device == other.region.device
            && self.region.id == other.region.id
            && !self.bytes.is_zero()
            && !other.bytes.is_zero()
            && self.offset < other.end()
            && other.offset < self.end()
    }
}
