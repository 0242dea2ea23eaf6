//! The right to some bytes until it is dropped.

use std::fmt;
use std::sync::Arc;

use plimsoll_device::{Bytes, Device, DeviceError, Fence, Span, StorageMode, Stream};

use super::bins::{Bins, Kept};
use super::block::Block;
use super::core::PoolCore;
use super::error::LeaseError;
use super::fences::is_done;
use super::local;
use super::tag::Tag;
use crate::record::leases_wanted;

/// Some bytes of a pool, until it is dropped.
///
/// # What it is not
/// It is not initialised memory of a type, and its address may not be kept beyond its life. On devices with
/// private memory the host cannot look inside; use copies on a stream.
///
/// # Who owns what
/// The lease owns its bytes alone. The pool stays open beneath it, also when the last [`Pool`](super::Pool)
/// handle is gone. Dropping it gives the bytes back at once, or, when [`keep_until`](Self::keep_until) named
/// work on the device, when that work is done; they stay charged until then. Any thread may drop it.
///
/// # Cost
/// One pointer wide. Taken from and returned to the thread's own cache, it takes no lock, executes no locked
/// instruction, reads no clock and asks the system nothing.
#[must_use = "a lease that is not kept is given back at once"]
pub struct Lease {
    /// `None` is the lease of no bytes.
    pub(super) block: Option<Box<Block>>,
}

/// A part of a lease and the device that it is on.
pub(super) type Part<'l> = (&'l Arc<dyn Device>, Span<'l>);

impl Lease {
    /// The lease of no bytes: always granted, never charged.
    pub(super) const fn empty() -> Self {
        Self { block: None }
    }

    #[inline]
    pub(super) fn of(block: Box<Block>) -> Self {
        Self { block: Some(block) }
    }

    /// How many bytes were asked for.
    pub fn bytes(&self) -> Bytes {
        self.block.as_ref().map_or(Bytes::ZERO, |block| Bytes::new(block.requested))
    }

    /// What it is used for.
    pub fn tag(&self) -> Tag {
        self.block.as_ref().map_or(Tag::NONE, |block| block.tag)
    }

    /// Its address on the device; 0 for a lease of no bytes.
    pub fn address(&self) -> u64 {
        self.block.as_ref().map_or(0, |block| block.address())
    }

    /// The device that it is on; none for a lease of no bytes.
    pub fn device(&self) -> Option<&Arc<dyn Device>> {
        self.block.as_ref().map(|block| block.core.device())
    }

    /// Work on the device may use these bytes until `fence`: dropping the lease waits for it (without
    /// blocking, unless the pool's last handle is gone), and until then the host may not look inside. Several
    /// fences add up.
    pub fn keep_until(&mut self, fence: Fence) {
        if let Some(block) = self.block.as_mut() {
            block.fences.get_or_insert_default().add(fence);
        }
    }

    /// The work of an earlier lease that may still use these bytes. Only a lease that was asked for
    /// [on a stream](super::LeaseRequest::on) has any: work on that stream comes after it by itself, and everything
    /// else waits for this fence.
    pub fn carried(&self) -> Option<Fence> {
        self.block.as_ref()?.fences.as_ref()?.carried()
    }

    /// Forgets fences that are signalled; the first that is not is an error.
    fn quiet(&mut self) -> Result<(), LeaseError> {
        let Some(block) = self.block.as_mut() else {
            return Ok(());
        };
        let Some(fences) = block.fences.as_mut() else {
            return Ok(());
        };
        if let Some(fence) = fences.settle(block.core.device().as_ref())? {
            return Err(LeaseError::InUse(fence));
        }
        block.fences = None;
        Ok(())
    }

    /// Whether the device may still write to these bytes. Asks the device.
    pub(super) fn check_quiet(&self) -> Result<(), LeaseError> {
        self.check_done(|_| true)
    }

    fn check_done(&self, of: impl Fn(&Fence) -> bool) -> Result<(), LeaseError> {
        let Some(block) = self.block.as_ref() else {
            return Ok(());
        };
        for fence in block.fences.iter().flat_map(|fences| fences.iter()).filter(of) {
            if !is_done(block.core.device().as_ref(), fence)? {
                return Err(LeaseError::InUse(fence));
            }
        }
        Ok(())
    }

    /// Whether all work is done but what is on this stream.
    pub(super) fn check_done_elsewhere(&self, stream: Stream) -> Result<(), LeaseError> {
        self.check_done(|fence| fence.stream != stream)
    }

    /// A part of the lease for work on a stream. Nothing orders the work of an earlier lease with that of another
    /// stream, so such a stream is refused until that work is done.
    pub(super) fn part_on(
        &self,
        stream: Stream,
        offset: u64,
        len: usize,
    ) -> Result<Option<Part<'_>>, LeaseError> {
        let part = self.part(offset, len)?;
        if let (Some((device, _)), Some(carried)) = (&part, self.carried())
            && carried.stream != stream
            && !is_done(device.as_ref(), carried)?
        {
            return Err(LeaseError::InUse(carried));
        }
        Ok(part)
    }

    /// The host writes `from` at `offset`. Memory that the host cannot see, and memory that the device may
    /// still use, is an error.
    pub fn write(&mut self, offset: u64, from: &[u8]) -> Result<(), LeaseError> {
        self.quiet()?;
        match self.part(offset, from.len())? {
            Some((device, span)) => Ok(device.write(span, from)?),
            None => Ok(()),
        }
    }

    /// The host reads from `offset` on. Memory that the host cannot see, and memory that the device may still
    /// write, is an error.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), LeaseError> {
        self.check_quiet()?;
        match self.part(offset, into.len())? {
            Some((device, span)) => Ok(device.read(span, into)?),
            None => Ok(()),
        }
    }

    fn part(&self, offset: u64, len: usize) -> Result<Option<Part<'_>>, LeaseError> {
        let end = offset.saturating_add(len as u64);
        if end > self.bytes().get() {
            return Err(DeviceError::OutOfBounds { start: offset, end, region: self.bytes() }.into());
        }
        let Some(block) = self.block.as_ref().filter(|_| len > 0) else {
            return Ok(None);
        };
        let span = block.region.span(block.offset + offset..block.offset + end)?;
        Ok(Some((block.core.device(), span)))
    }

    /// The bytes in place, where the host can see them.
    pub fn as_slice(&self) -> Result<&[u8], LeaseError> {
        self.check_quiet()?;
        let Some((start, len)) = self.host_part()? else {
            return Ok(&[]);
        };
        // SAFETY: `host_part` gives the part of a backed, host-visible region that belongs to this lease
        // alone; no device work writes it (checked above; starting more needs `&mut self`, or `span`, whose
        // caller promises as much); mapped memory is initialised; the borrow of self keeps it mapped.
        Ok(unsafe { std::slice::from_raw_parts(start, len) })
    }

    /// The bytes in place, for writing, where the host can see them.
    pub fn as_mut_slice(&mut self) -> Result<&mut [u8], LeaseError> {
        self.quiet()?;
        let Some((start, len)) = self.host_part()? else {
            return Ok(&mut []);
        };
        // SAFETY: as in `as_slice`, and `&mut self` makes this the only borrow.
        Ok(unsafe { std::slice::from_raw_parts_mut(start, len) })
    }

    /// Where the host sees the bytes, for those who divide a lease among several owners: what is read or written through
    /// it, and when, is theirs to answer for. Null for a lease of no bytes.
    pub fn host_start(&self) -> Result<*mut u8, LeaseError> {
        Ok(self.host_part()?.map_or(std::ptr::null_mut(), |(start, _)| start))
    }

    fn host_part(&self) -> Result<Option<(*mut u8, usize)>, LeaseError> {
        let Some(block) = self.block.as_ref() else {
            return Ok(None);
        };
        let mode = block.region.mode();
        let host = block.region.host().filter(|_| mode != StorageMode::Private);
        let Some(host) = host else {
            return Err(DeviceError::NotHostVisible { mode }.into());
        };
        let offset = usize::try_from(block.offset).unwrap_or(usize::MAX);
        // SAFETY: the block lies within its region, so the address stays inside one mapping.
        let start = unsafe { host.as_ptr().add(offset) };
        Ok(Some((start, Bytes::new(block.requested).as_usize())))
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            give_back(block);
        }
    }
}

#[expect(clippy::inline_always, reason = "the hot path: a call between its parts costs as much as a part")]
#[inline(always)]
fn give_back(block: Box<Block>) {
    if leases_wanted() {
        block.note_end();
    }
    if block.fences.is_some() {
        return PoolCore::retire(block);
    }
    match local::try_with(block.core.key(), block, Bins::try_push) {
        Ok(Ok(())) => {}
        Ok(Err(block)) | Err(block) => give_back_slowly(block),
    }
}

/// The cache has no room yet, or another thread is calling it in, or this thread has none.
#[cold]
#[inline(never)]
fn give_back_slowly(block: Box<Block>) {
    let mut block = Some(block);
    let key = block.as_ref().map(|block| block.core.key());
    let kept =
        key.and_then(|key| local::with(key, |bins| block.take().map(|block| bins.push(block)))).flatten();
    match kept {
        Some(Kept::All) => {}
        Some(Kept::Not(block)) => PoolCore::take_back(block),
        Some(Kept::Displaced(chain)) => chain.for_each(PoolCore::take_back),
        None => {
            if let Some(block) = block {
                PoolCore::take_back_from_stranger(block);
            }
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("bytes", &self.bytes())
            .field("address", &format_args!("{:#x}", self.address()))
            .field("tag", &self.tag())
            .finish_non_exhaustive()
    }
}
