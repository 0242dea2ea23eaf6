//! The `offset-allocator` crate: books only, over a range of offsets, in constant time.

use offset_allocator::{Allocation, Allocator};

use super::Shared;
use plimsoll_cli::bench::harness::{Engine, Seat};

/// What one unit of the allocator stands for. Its offsets have 32 bits, so that units of 256 bytes (a usual
/// alignment on a GPU) give it a range of 1 TiB, more than any case holds.
const UNIT_BYTES: u64 = 256;

/// Room for every block of the largest case, and for its holes.
const MOST_BLOCKS: u32 = 2_000_000;

/// The allocator over 1 TiB of offsets.
pub struct OffsetAllocator;

/// A thread's access to it.
pub struct OffsetSeat(Shared<Allocator<u32>>);

impl Engine for OffsetAllocator {
    type Seat = OffsetSeat;

    fn name(&self) -> &'static str {
        "offset-allocator"
    }

    fn seats(&self, threads: usize) -> Vec<OffsetSeat> {
        let allocator = Allocator::with_max_allocs(u32::MAX, MOST_BLOCKS);
        Shared::among(threads, allocator).into_iter().map(OffsetSeat).collect()
    }
}

impl Seat for OffsetSeat {
    type Block = Allocation<u32>;

    #[inline]
    fn take(&mut self, bytes: u64) -> Option<Allocation<u32>> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
        self.0.with(|allocator| allocator.allocate(units))
    }

    #[inline]
    fn put(&mut self, block: Allocation<u32>) {
        self.0.with(|allocator| allocator.free(block));
    }

    #[inline]
    fn touch(&mut self, _: &mut Allocation<u32>, _: u64) -> bool {
        false
    }
}
