//! What the device does with a lease's bytes.
//!
//! Each of these puts work on a stream and records its fence in the leases it uses, so that neither is read by
//! the host nor given back while the device still works on it. Work started in other ways (a kernel of one's own)
//! goes through [`Lease::span`], whose caller takes over that duty.

use plimsoll_device::{Bytes, Device, DeviceError, Fence, Span, Stream};

use super::error::LeaseError;
use super::fences::UNFENCED;
use super::lease::Lease;
use super::operate::on_either;

impl Lease {
    /// The lease's bytes as the device knows them; `None` for a lease of no bytes.
    ///
    /// # Safety
    /// Work that uses the span is on the stream of what the lease has [`carried`](Self::carried) over, or comes
    /// after that fence; it is recorded with [`keep_until`](Self::keep_until) before the lease is dropped, read or
    /// written, and does not run at the same time as a borrow from [`as_slice`](Self::as_slice) (for
    /// writes) or [`as_mut_slice`](Self::as_mut_slice).
    pub unsafe fn span(&self) -> Option<Span<'_>> {
        self.all()
    }

    fn all(&self) -> Option<Span<'_>> {
        let block = self.block.as_ref()?;
        block.region.span(block.offset..block.offset + block.requested).ok()
    }

    /// Puts a copy from `source` on a stream: `bytes` from `from` on arrive at `to`. Both leases are kept
    /// until it is done. The source may be of another pool whose device and this one's reach each other's memory.
    pub fn copy_from(
        &mut self,
        stream: Stream,
        to: u64,
        source: &mut Self,
        from: u64,
        bytes: Bytes,
    ) -> Result<Option<Fence>, LeaseError> {
        let fence = {
            let (Some(target), Some(source)) = (
                self.part_on(stream, to, bytes.as_usize())?,
                source.part_on(stream, from, bytes.as_usize())?,
            ) else {
                return Ok(None);
            };
            on_either(&target, &source, stream, |device| device.copy(stream, source.1, target.1))?
        };
        self.both_started(source, stream, fence)
    }

    /// Puts on a stream: `from` arrives at `to`. Returns when `from` has been read.
    pub fn upload(&mut self, stream: Stream, to: u64, from: &[u8]) -> Result<Option<Fence>, LeaseError> {
        self.work(stream, to, from.len(), |device, target| device.upload(stream, from, target))
    }

    /// Puts on a stream: every byte becomes `value`.
    pub fn fill(&mut self, stream: Stream, value: u8) -> Result<Option<Fence>, LeaseError> {
        self.work(stream, 0, self.bytes().as_usize(), |device, target| device.fill(stream, target, value))
    }

    fn work(
        &mut self,
        stream: Stream,
        to: u64,
        len: usize,
        start: impl FnOnce(&dyn Device, Span<'_>) -> Result<(), DeviceError>,
    ) -> Result<Option<Fence>, LeaseError> {
        let fence = {
            let Some((device, target)) = self.part_on(stream, to, len)? else {
                return Ok(None);
            };
            start(device.as_ref(), target)?;
            device.fence(stream)
        };
        self.started(stream, &fence);
        Ok(Some(fence?))
    }

    /// Work was started. When the device gave no fence for it, the lease stays in use for as long as it lives, and
    /// the pool asks for a fence when it is dropped.
    pub(super) fn started(&mut self, stream: Stream, fence: &Result<Fence, DeviceError>) {
        let unfenced = Fence { stream, seq: UNFENCED };
        self.keep_until(fence.as_ref().map_or(unfenced, |fence| *fence));
    }

    /// Waits for the work already on `stream`, then copies from `from` on into host memory.
    pub fn download(&self, stream: Stream, from: u64, into: &mut [u8]) -> Result<(), LeaseError> {
        self.check_done_elsewhere(stream)?;
        match self.part_on(stream, from, into.len())? {
            Some((device, span)) => Ok(device.download(stream, span, into)?),
            None => Ok(()),
        }
    }
}
