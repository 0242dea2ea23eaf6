//! One placed piece of a pool's memory, free or leased.

use std::fmt;
use std::ptr;
use std::sync::Arc;

use plimsoll_device::Region;

use super::arena::NodeId;
use super::chain::Linked;
use super::core::PoolCore;
use super::fences::Fences;
use super::tag::Tag;

/// What a lease points to. It lives in a box that goes from the arena to a lease, from the lease to a
/// thread's cache, and back, without being copied or counted on the way: the strong count on the pool that it
/// carries is what keeps the pool alive, so leasing and dropping touch no counter that threads share.
pub(crate) struct Block {
    link: *mut Block,
    pub(super) core: Arc<PoolCore>,
    pub(super) region: Arc<Region>,
    /// Where it starts within `region`.
    pub(super) offset: u64,
    /// What the arena took for it.
    pub(super) bytes: u64,
    /// What the present lease asked for.
    pub(super) requested: u64,
    pub(super) node: NodeId,
    pub(super) tag: Tag,
    /// The strictest alignment that was asked of it, as a power of two: it keeps that when it is moved.
    pub(super) align_log2: u8,
    /// Work on the device that may still use it. Rarely there, and a word wide when it is not: a block is a cache
    /// line.
    pub(super) fences: Option<Box<Fences>>,
}

// SAFETY: the link is followed only by whoever owns the chain or queue that the block is in; everything else
// in it is Send.
unsafe impl Send for Block {}
// SAFETY: a shared Block gives out plain values; the link is reached through `&mut` only.
unsafe impl Sync for Block {}

// SAFETY: `link` always gives the same field, which nothing else touches.
unsafe impl Linked for Block {
    #[inline]
    fn link(&mut self) -> &mut *mut Self {
        &mut self.link
    }
}

impl Block {
    pub(super) fn new(core: Arc<PoolCore>, region: Arc<Region>, placed: &Position) -> Self {
        let &Position { node, offset, bytes } = placed;
        Self {
            link: ptr::null_mut(),
            core,
            region,
            offset,
            bytes,
            requested: 0,
            node,
            tag: Tag::NONE,
            align_log2: 0,
            fences: None,
        }
    }

    /// Where it starts on the device.
    pub(super) fn address(&self) -> u64 {
        self.region.address() + self.offset
    }
}

/// Where a block lies: which node of the arena, and which bytes of its region.
pub(super) struct Position {
    pub(super) node: NodeId,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("offset", &self.offset)
            .field("bytes", &self.bytes)
            .field("requested", &self.requested)
            .field("fences", &self.fences)
            .finish_non_exhaustive()
    }
}
