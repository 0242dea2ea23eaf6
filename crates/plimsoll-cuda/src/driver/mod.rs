//! The few calls of CUDA's driver that this crate makes.
//!
//! Everything above works on this trait, so that books, rollbacks and fences are tested on a machine without a GPU:
//! `fake` keeps the rules of the driver in ordinary memory. On hardware the same conformance suite runs on `real`.

mod code;
#[cfg(test)]
pub(crate) mod fake;
mod real;

use crate::kernels::KernelSet;

pub(crate) use code::Code;
pub(crate) use real::{NEEDED, Probe, Real, Unusable, probe};

/// Whose memory something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A GPU's.
    Gpu(i32),
    /// A memory node of the host.
    HostNode(i32),
}

/// A stream of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawStream(pub(crate) usize);

/// An event of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawEvent(pub(crate) usize);

/// Physical memory that is mapped somewhere or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Physical(pub(crate) u64);

/// Work that the host does when a stream comes to it.
pub(crate) type HostWork = Box<dyn FnOnce() + Send>;

/// One GPU's context.
///
/// # Safety
/// Addresses, handles and streams are the driver's and used as its manual says: what work on a stream uses stays
/// allocated and mapped until that work is done.
pub(crate) trait Driver: Send + Sync + std::fmt::Debug {
    /// Makes the context current on this thread.
    fn enter(&self) -> Result<(), Code>;
    /// What tells contexts apart.
    fn context(&self) -> usize;
    /// Lets work in this context reach plain allocations of another one.
    unsafe fn reach(&self, context: usize) -> Result<(), Code>;
    /// Free and total memory.
    fn memory(&self) -> Result<(u64, u64), Code>;

    unsafe fn allocate(&self, bytes: u64) -> Result<u64, Code>;
    unsafe fn free(&self, address: u64) -> Result<(), Code>;
    unsafe fn allocate_on(&self, bytes: u64, stream: RawStream) -> Result<u64, Code>;
    unsafe fn free_on(&self, address: u64, stream: RawStream) -> Result<(), Code>;
    unsafe fn allocate_managed(&self, bytes: u64) -> Result<u64, Code>;
    /// Page-locked host memory, cached, seen by every GPU at its own address.
    unsafe fn allocate_pinned(&self, bytes: u64) -> Result<u64, Code>;
    unsafe fn free_pinned(&self, address: u64) -> Result<(), Code>;

    /// The smallest piece of physical memory there.
    fn granule(&self, location: Location) -> Result<u64, Code>;
    unsafe fn reserve(&self, bytes: u64) -> Result<u64, Code>;
    unsafe fn unreserve(&self, address: u64, bytes: u64) -> Result<(), Code>;
    unsafe fn create(&self, location: Location, bytes: u64) -> Result<Physical, Code>;
    unsafe fn release(&self, physical: Physical) -> Result<(), Code>;
    unsafe fn map(&self, address: u64, bytes: u64, physical: Physical) -> Result<(), Code>;
    unsafe fn unmap(&self, address: u64, bytes: u64) -> Result<(), Code>;
    unsafe fn allow(&self, address: u64, bytes: u64, who: &[Location]) -> Result<(), Code>;

    fn stream(&self) -> Result<RawStream, Code>;
    unsafe fn close_stream(&self, stream: RawStream) -> Result<(), Code>;
    unsafe fn finish(&self, stream: RawStream) -> Result<(), Code>;
    fn event(&self) -> Result<RawEvent, Code>;
    unsafe fn close_event(&self, event: RawEvent) -> Result<(), Code>;
    unsafe fn record(&self, event: RawEvent, stream: RawStream) -> Result<(), Code>;
    /// What is put on the stream from now on waits for the event.
    unsafe fn follow(&self, stream: RawStream, event: RawEvent) -> Result<(), Code>;
    /// Whether everything before the event is done.
    unsafe fn passed(&self, event: RawEvent) -> Result<bool, Code>;

    unsafe fn copy(&self, target: u64, source: u64, bytes: u64, stream: RawStream) -> Result<(), Code>;
    unsafe fn fill(&self, target: u64, value: u8, bytes: u64, stream: RawStream) -> Result<(), Code>;
    unsafe fn prefetch(&self, address: u64, bytes: u64, to: Location, stream: RawStream) -> Result<(), Code>;
    unsafe fn host_work(&self, stream: RawStream, work: HostWork) -> Result<(), Code>;
    /// Whether the driver knows this host address as page-locked: then copies from it do not wait.
    fn is_pinned(&self, address: u64) -> bool;
    /// What launches kernels, where there is a compiler for them.
    fn kernels(&self) -> Option<&KernelSet>;
}
