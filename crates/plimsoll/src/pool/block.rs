//! One placed piece of a pool's memory, free or leased.

use std::fmt;
use std::ptr;
use std::sync::Arc;

use plimsoll_device::{Region, Stream};

use super::arena::NodeId;
use super::chain::Linked;
use super::core::PoolCore;
use super::fences::Fences;
use super::tag::Tag;
use crate::record::{Event, Kind, Leased, Line, leases_wanted};

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
    /// How often it was leased while somebody recorded: 1 to 255, over and over.
    turn: u8,
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
            turn: 0,
            fences: None,
        }
    }

    /// Writes down that it was leased.
    ///
    /// What was just stored in it is passed along: to load it again, together with what lies beside it, would wait for
    /// the stores.
    #[inline(never)]
    pub(super) fn note_lease(&mut self, requested: u64, tag: Tag, line: Line, stream: Option<Stream>) {
        let turn = self.turn.checked_add(1).unwrap_or(1);
        self.turn = turn;
        let lease = Leased {
            kind: Kind::Lease,
            bytes: requested,
            address: self.address(),
            source: self.core.tape.source,
            tag: tag.number(),
            turn,
            stream: stream.map_or(Event::NO_STREAM, number),
        };
        self.core.tape.note_lease(lease, Some(line));
    }

    /// Writes down that its lease ended: it is free, or the device may still use it.
    #[inline(never)]
    pub(super) fn note_end(&self) {
        let last = self.fences.as_ref().and_then(|fences| fences.iter().last());
        let kind = if self.fences.is_some() { Kind::Retire } else { Kind::Drop };
        let stream = last.map_or(Event::NO_STREAM, |fence| number(fence.stream));
        self.core.tape.note_lease(self.leased(kind, stream), None);
    }

    /// Writes down that the device is done with it, if it was ever leased and not cut off from one that was.
    pub(super) fn note_settled(&self) {
        if leases_wanted() && self.requested > 0 {
            self.core.tape.note_lease(self.leased(Kind::Settle, Event::NO_STREAM), None);
        }
    }

    /// Writes down that its lease goes on elsewhere: it ends here and begins there.
    pub(super) fn note_move(&mut self, act: impl FnOnce(&mut Self)) {
        let from = leases_wanted().then(|| self.leased(Kind::Drop, Event::NO_STREAM));
        act(self);
        if let Some(from) = from {
            self.core.tape.note_lease(from, None);
            self.turn = self.turn.checked_add(1).unwrap_or(1);
            self.core.tape.note_lease(self.leased(Kind::Lease, Event::NO_STREAM), None);
        }
    }

    #[inline]
    fn leased(&self, kind: Kind, stream: u8) -> Leased {
        Leased {
            kind,
            bytes: self.requested,
            address: self.address(),
            source: self.core.tape.source,
            tag: self.tag.number(),
            turn: self.turn,
            stream,
        }
    }

    /// Where it starts on the device.
    pub(super) fn address(&self) -> u64 {
        self.region.address() + self.offset
    }
}

/// A stream as recordings know it.
fn number(stream: Stream) -> u8 {
    u8::try_from(stream.0).unwrap_or(Event::NO_STREAM - 1).min(Event::NO_STREAM - 1)
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
