//! The peers: each in the configuration its own users would choose.

#[cfg(feature = "cubecl")]
mod cubecl;
mod mimalloc;
mod offset_allocator;
mod shared;

#[cfg(feature = "cubecl")]
pub use cubecl::{CubeclMemory, CubeclSeat};
pub use mimalloc::{Mimalloc, MimallocSeat};
pub use offset_allocator::{OffsetAllocator, OffsetSeat};
pub use shared::Shared;

use plimsoll_cli::bench::engines::{Malloc, PlimsollPool};
use plimsoll_cli::bench::harness::Peer;

/// Plimsoll and every peer of this build, in the order in which they are shown.
pub fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(PlimsollPool::host()),
        Box::new(Malloc),
        Box::new(Mimalloc),
        Box::new(OffsetAllocator),
        #[cfg(feature = "cubecl")]
        Box::new(CubeclMemory),
    ]
}
