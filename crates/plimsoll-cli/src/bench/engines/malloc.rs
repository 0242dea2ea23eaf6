//! The system's `malloc` and `free`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;

use crate::bench::harness::{Engine, PAGE, Seat};

/// The system's allocator, as the C library gives it. At 16-byte alignment it is `malloc` and `free` unchanged.
pub struct Malloc;

/// It keeps its own caches for each thread, so a seat is nothing.
pub struct MallocSeat;

/// A block and what `free` must know.
pub struct MallocBlock {
    at: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the system lets any thread free or write a block of any other; the block is owned, not shared.
unsafe impl Send for MallocBlock {}

impl Engine for Malloc {
    type Seat = MallocSeat;

    fn name(&self) -> &'static str {
        "malloc"
    }

    fn seats(&self, threads: usize) -> Vec<MallocSeat> {
        (0..threads).map(|_| MallocSeat).collect()
    }
}

impl Seat for MallocSeat {
    type Block = MallocBlock;

    #[inline]
    fn take(&mut self, bytes: u64) -> Option<MallocBlock> {
        let layout = Layout::from_size_align(usize::try_from(bytes).ok()?, 16).ok()?;
        if layout.size() == 0 {
            return None;
        }
        // SAFETY: the layout's size was just seen not to be zero.
        let at = NonNull::new(unsafe { System.alloc(layout) })?;
        Some(MallocBlock { at, layout })
    }

    #[inline]
    fn put(&mut self, block: MallocBlock) {
        // SAFETY: a block is made only by `take`, from this allocator with this layout, and is consumed here.
        unsafe { System.dealloc(block.at.as_ptr(), block.layout) }
    }

    #[inline]
    fn touch(&mut self, block: &mut MallocBlock, _bytes: u64) -> bool {
        for offset in (0..block.layout.size()).step_by(PAGE) {
            // SAFETY: the offset is below the block's size, and the block is borrowed mutably.
            unsafe { block.at.as_ptr().add(offset).write_volatile(1) };
        }
        true
    }
}
