//! mimalloc, called directly: as the global allocator it would serve everything else in this process too.

use std::ffi::c_void;
use std::ptr::NonNull;

use libmimalloc_sys::{mi_free, mi_malloc};

use plimsoll_cli::bench::harness::{Engine, PAGE, Seat};

/// mimalloc as its crate builds it.
pub struct Mimalloc;

/// It keeps a heap for each thread by itself, so a seat is nothing.
pub struct MimallocSeat;

/// A block that mimalloc handed out.
pub struct MimallocBlock(NonNull<c_void>);

impl Engine for Mimalloc {
    type Seat = MimallocSeat;

    fn name(&self) -> &'static str {
        "mimalloc"
    }

    fn seats(&self, threads: usize) -> Vec<MimallocSeat> {
        (0..threads).map(|_| MimallocSeat).collect()
    }
}

impl Seat for MimallocSeat {
    type Block = MimallocBlock;

    #[inline]
    fn take(&mut self, bytes: u64) -> Option<MimallocBlock> {
        let bytes = usize::try_from(bytes).ok()?;
        // SAFETY: `mi_malloc` takes any size and answers null when it has no room.
        NonNull::new(unsafe { mi_malloc(bytes) }).map(MimallocBlock)
    }

    #[inline]
    fn put(&mut self, block: MimallocBlock) {
        // SAFETY: a block is made only by `take`, from mimalloc, and is consumed here.
        unsafe { mi_free(block.0.as_ptr()) }
    }

    #[inline]
    fn touch(&mut self, block: &mut MimallocBlock, bytes: u64) -> bool {
        let Ok(bytes) = usize::try_from(bytes) else {
            return false;
        };
        for offset in (0..bytes).step_by(PAGE) {
            // SAFETY: the harness passes the size with which the block was taken, and the offset is below it.
            unsafe { block.0.as_ptr().cast::<u8>().add(offset).write_volatile(1) };
        }
        true
    }
}

// SAFETY: mimalloc lets any thread free or write a block of any other; the block is owned, not shared.
unsafe impl Send for MimallocBlock {}
