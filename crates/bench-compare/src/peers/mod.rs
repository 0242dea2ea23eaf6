//! The peers: each in the configuration its own users would choose.

#[cfg(feature = "cubecl")]
mod cubecl;
mod malloc;
mod mimalloc;
mod offset_allocator;
mod shared;

#[cfg(feature = "cubecl")]
pub use cubecl::{CubeclMemory, CubeclSeat};
pub use malloc::{Malloc, MallocSeat};
pub use mimalloc::{Mimalloc, MimallocSeat};
pub use offset_allocator::{OffsetAllocator, OffsetSeat};
pub use shared::Shared;

use crate::harness::Peer;

/// Every peer of this build, in the order in which they are shown.
pub fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Malloc),
        Box::new(Mimalloc),
        Box::new(OffsetAllocator),
        #[cfg(feature = "cubecl")]
        Box::new(CubeclMemory),
    ]
}
