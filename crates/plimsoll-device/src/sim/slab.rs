//! Real bytes behind a simulated region: the only unsafe file of the simulated device.
//!
//! From the Rust allocator rather than from the system, so that it works on every target and under Miri. New
//! bytes are not zero but a pattern, as on a device that does not clear memory, so that a test which counts on
//! zeros fails.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::Range;
use std::ptr::{self, NonNull};

/// What undefined bytes look like.
pub(super) const UNDEFINED: u8 = 0xA5;

/// Bytes at a stable address.
#[derive(Debug)]
pub(super) struct Slab {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory belongs to this value; whoever uses the address agrees on who may (see `SimBacking`).
unsafe impl Send for Slab {}
// SAFETY: a shared slab only gives out its address; the accesses take `&mut self` or are raw.
unsafe impl Sync for Slab {}

impl Slab {
    /// So many bytes, at least one; `None` when the allocator has none.
    pub(super) fn new(bytes: usize, align: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes.max(1), align).ok()?;
        // SAFETY: the layout has a size.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { base, layout })
    }

    pub(super) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn fill(&mut self, part: Range<usize>, value: u8) {
        let (start, bytes) = self.part(&part);
        // SAFETY: the part lies within the slab.
        unsafe { ptr::write_bytes(start, value, bytes) };
    }

    pub(super) fn read(&self, offset: usize, into: &mut [u8]) {
        let (start, bytes) = self.part(&(offset..offset + into.len()));
        // SAFETY: the part lies within the slab; `ptr::copy` allows `into` to be the same memory.
        unsafe { ptr::copy(start.cast_const(), into.as_mut_ptr(), bytes) };
    }

    pub(super) fn write(&mut self, offset: usize, from: &[u8]) {
        let (start, bytes) = self.part(&(offset..offset + from.len()));
        // SAFETY: as in `read`.
        unsafe { ptr::copy(from.as_ptr(), start, bytes) };
    }

    /// Copies within the slab.
    pub(super) fn copy_within(&mut self, source: &Range<usize>, target: &Range<usize>) {
        let ((from, bytes), (to, room)) = (self.part(source), self.part(target));
        assert_eq!(bytes, room, "sizes are checked when work is put on a stream");
        // SAFETY: both parts lie within the slab.
        unsafe { ptr::copy(from.cast_const(), to, bytes) };
    }

    /// Copies from another slab.
    pub(super) fn copy_from(&mut self, target: &Range<usize>, other: &Self, source: &Range<usize>) {
        let ((from, bytes), (to, room)) = (other.part(source), self.part(target));
        assert_eq!(bytes, room, "sizes are checked when work is put on a stream");
        // SAFETY: both parts lie within their slabs, which are two.
        unsafe { ptr::copy(from.cast_const(), to, bytes) };
    }

    fn part(&self, part: &Range<usize>) -> (*mut u8, usize) {
        assert!(
            part.start <= part.end && part.end <= self.layout.size(),
            "{part:?} of a slab of {} bytes",
            self.layout.size()
        );
        // SAFETY: asserted to lie within the slab.
        (unsafe { self.base.add(part.start) }.as_ptr(), part.end - part.start)
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}
