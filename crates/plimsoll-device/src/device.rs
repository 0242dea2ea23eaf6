//! What every memory device can do.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::{
    Bytes, DeviceError, Facts, Fence, FreeError, Kernels, Programs, Region, Span, StorageMode, Stream,
};

/// What is asked of [`Device::allocate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// How many bytes; zero is refused.
    pub bytes: Bytes,
    /// The address is a multiple of this power of two; the device's own minimum applies as well.
    pub align: u64,
    /// How the memory may be reached.
    pub mode: StorageMode,
}

impl Request {
    /// So many bytes at the device's own alignment.
    pub const fn new(bytes: Bytes, mode: StorageMode) -> Self {
        Self { bytes, align: 1, mode }
    }

    /// The same at a stricter alignment.
    #[must_use]
    pub const fn align(mut self, align: u64) -> Self {
        self.align = align;
        self
    }
}

/// A device's memory at this moment, as the system tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNow {
    /// All there is.
    pub total: Bytes,
    /// What could be allocated now; other programs may take it first.
    pub free: Bytes,
}

/// Allocates, frees, copies and fences memory of one kind.
///
/// # What it does not do
/// It keeps no accounts, pools nothing, evicts nothing and never waits except where a method says so. What a
/// pool or a governor decides is carried out here and nowhere else.
///
/// # Who owns what
/// The caller owns each [`Region`] and gives it back with [`free`](Self::free). A device stays usable while
/// regions of it live. The caller keeps a region until the copies that use it are done (a fence tells); a
/// region that is freed earlier is kept mapped by the device until they are.
///
/// # Order
/// Work on one [`Stream`] runs in the order it was put there; a [`Fence`] is signalled when everything before
/// it on its stream is done. [`read`](Self::read) and [`write`](Self::write) are done by the host at once and
/// are ordered with nothing: wait for the fence first.
///
/// Bytes that one thread or stream writes while another uses them have no defined content: who may use which
/// bytes is decided above. A span of no bytes is no work, and every call accepts it.
///
/// # Faults
/// Every method returns an error rather than panicking, also when the device is lost; then every later call
/// says [`DeviceError::Lost`], and `free` still accepts regions so that the books can balance.
pub trait Device: fmt::Debug + Send + Sync {
    /// What the device is. Never asks the system.
    fn facts(&self) -> &Facts;

    /// Total and free memory now. Asks the system or the driver.
    fn memory(&self) -> Result<MemoryNow, DeviceError>;

    /// An allocation that is backed at once (or on first touch, where the system works so).
    fn allocate(&self, request: Request) -> Result<Region, DeviceError>;

    /// An address range with nothing behind it, to be backed with [`commit`](Self::commit). The size is
    /// rounded up to the granule. Without [`Capabilities::growable_ranges`](crate::Capabilities) this is
    /// [`DeviceError::Unsupported`].
    fn reserve(&self, bytes: Bytes, mode: StorageMode) -> Result<Region, DeviceError>;

    /// Backs a granule-aligned part of a reserved range. Its content is undefined. Backing what is backed
    /// already, or a part of a plain allocation, is [`DeviceError::BadRange`]; nothing is backed then.
    fn commit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError>;

    /// Takes the backing of a granule-aligned part away; its content is lost and the memory is free for
    /// others when this returns. The caller has waited for the fences of all work that uses it; a device that
    /// can tell refuses while there is such work.
    fn decommit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError>;

    /// The memory behind one granule-aligned part becomes the memory behind another of the same size, as if the
    /// first were decommitted and the second committed: the content of both is undefined. A device that keeps
    /// the physical memory saves taking it anew; this one does the two steps. When the second fails, the first
    /// has been done.
    fn remap(&self, region: &Region, from: Range<u64>, to: Range<u64>) -> Result<(), DeviceError> {
        if from.end.wrapping_sub(from.start) != to.end.wrapping_sub(to.start) {
            let bytes = |range: &Range<u64>| Bytes::new(range.end.saturating_sub(range.start));
            return Err(DeviceError::SizeMismatch { source_bytes: bytes(&from), target_bytes: bytes(&to) });
        }
        self.decommit(region, from)?;
        self.commit(region, to)
    }

    /// Gives a region back. On an error the region comes back inside it.
    fn free(&self, region: Region) -> Result<(), FreeError>;

    /// The host reads from memory it can see. Private memory is [`DeviceError::NotHostVisible`].
    fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError>;

    /// The host writes to memory it can see. Private memory is [`DeviceError::NotHostVisible`].
    fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError>;

    /// A new stream.
    fn stream(&self) -> Result<Stream, DeviceError>;

    /// Puts a copy on a stream. Sizes must be equal; parts of one region must not overlap.
    fn copy(&self, stream: Stream, source: Span<'_>, target: Span<'_>) -> Result<(), DeviceError>;

    /// Puts on a stream: every byte of `target` becomes `value`.
    fn fill(&self, stream: Stream, target: Span<'_>, value: u8) -> Result<(), DeviceError>;

    /// Copies from host memory on a stream, in every storage mode. Returns when `from` has been read; the
    /// bytes have arrived when a later fence on the stream is signalled.
    fn upload(&self, stream: Stream, from: &[u8], target: Span<'_>) -> Result<(), DeviceError>;

    /// Copies to host memory, after all work already on the stream, in every storage mode. Returns when
    /// `into` is filled.
    fn download(&self, stream: Stream, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError>;

    /// Brings the two copies of [`StorageMode::Managed`] memory into step, on a stream, in one direction.
    /// For the other modes there is nothing to do.
    fn sync(&self, stream: Stream, span: Span<'_>, to: SyncTo) -> Result<(), DeviceError>;

    /// Marks the stream's end as it is now.
    fn fence(&self, stream: Stream) -> Result<Fence, DeviceError>;

    /// Whether a fence is signalled. Does not wait. One that was not issued is [`DeviceError::UnknownFence`].
    fn signalled(&self, fence: Fence) -> Result<bool, DeviceError>;

    /// Waits for a fence, at most so long; [`DeviceError::FenceTimeout`] when it was not enough.
    fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError>;

    /// The operations that this device does on memory beyond copying and filling, where it has them.
    fn kernels(&self) -> Option<&dyn Kernels> {
        None
    }

    /// Programs of a caller's own, where the device can compile and run them.
    fn programs(&self) -> Option<&dyn Programs> {
        None
    }
}

/// Which copy of managed memory [`Device::sync`] makes current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncTo {
    /// The device's copy takes the host's bytes.
    Device,
    /// The host's copy takes the device's bytes.
    Host,
}
