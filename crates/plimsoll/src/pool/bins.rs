//! A thread's cache of free blocks, by exact size.
//!
//! Size classes waste what they round up, and workloads ask for the same few sizes again and again. So a bin
//! holds blocks of *one exact size* (rounded to the device's alignment only), and bins go to whatever sizes
//! are in use: a small two-way set-associative table, looked up by a multiplicative hash of the size. A size
//! that finds both ways taken by others displaces the one that holds less.
//!
//! A lease from here and its drop are some ten loads and stores each, so nothing is counted twice: how many
//! leases there were and how much they took follows from how often each bin was popped and pushed, and how
//! much a bin may keep is a number of blocks, raised on the slow side while the thread's limit lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::block::Block;
use super::chain::Chain;
use super::tag::Tag;
use super::tally::Tally;

const WAYS: usize = 2;
const SETS: usize = 32;

/// Blocks of one size.
struct Bin {
    bytes: u64,
    blocks: Chain<Block>,
    /// Blocks that ever went out of this bin and came into it, since it has this size.
    pops: u64,
    pushes: u64,
    /// How many it may keep.
    room: u64,
    /// `pops` when [`Bins::retire_a_stale_bin`] last looked.
    seen: u64,
}

impl Bin {
    const EMPTY: Self = Self { bytes: 0, blocks: Chain::new(), pops: 0, pushes: 0, room: 0, seen: 0 };

    const fn len(&self) -> u64 {
        self.pushes - self.pops
    }
}

/// How much a thread's cache may keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) total: u64,
    pub(crate) per_size: u64,
}

pub(crate) struct Bins {
    table: [Bin; SETS * WAYS],
    limits: Limits,
    /// Bytes that the bins' rooms add up to: written by whoever is inside, read by anybody.
    room: Arc<AtomicU64>,
    tally: Tally,
    /// The bin that was last looked at for being stale.
    hand: usize,
    /// The pool's last handle is gone: nothing is kept any more.
    closed: bool,
}

/// Where a block that does not fit goes: back to the pool.
#[must_use]
pub(crate) enum Kept {
    /// The cache kept it.
    All,
    /// The cache did not keep this one.
    Not(Box<Block>),
    /// The cache kept it and gave up another size for it.
    Displaced(Chain<Block>),
}

impl Bins {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            table: [const { Bin::EMPTY }; SETS * WAYS],
            limits,
            room: Arc::default(),
            tally: Tally::default(),
            hand: 0,
            closed: false,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "six bits")]
    #[inline]
    fn set_of(bytes: u64) -> usize {
        // Sizes are multiples of the alignment and often of powers of two: the high bits of the product mix
        // all bits of the size.
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        (bytes.wrapping_mul(GOLDEN) >> (64 - SETS.trailing_zeros())) as usize * WAYS
    }

    /// A free block of exactly this size, for a lease of `requested`.
    #[expect(
        clippy::inline_always,
        reason = "the hot path: a call between its parts costs as much as a part"
    )]
    #[inline(always)]
    pub(crate) fn pop(&mut self, bytes: u64, requested: u64, tag: Tag) -> Option<Box<Block>> {
        let set = Self::set_of(bytes);
        for bin in &mut self.table[set..set + WAYS] {
            if bin.bytes == bytes && !bin.blocks.is_empty() {
                if !self.tally.try_lease(bytes, requested, tag) {
                    return None;
                }
                bin.pops += 1;
                return bin.blocks.pop();
            }
        }
        None
    }

    /// Keeps the free block of a lease that was dropped, if that takes no more than pushing it.
    #[expect(
        clippy::inline_always,
        reason = "the hot path: a call between its parts costs as much as a part"
    )]
    #[inline(always)]
    pub(crate) fn try_push(&mut self, block: Box<Block>) -> Result<(), Box<Block>> {
        let bytes = block.bytes;
        let set = Self::set_of(bytes);
        for bin in &mut self.table[set..set + WAYS] {
            if bin.bytes == bytes && bin.len() < bin.room {
                if !self.tally.try_give_back(bytes, block.requested, block.tag) {
                    return Err(block);
                }
                bin.pushes += 1;
                bin.blocks.push(block);
                return Ok(());
            }
        }
        Err(block)
    }

    /// Keeps the free block of a lease that was dropped, if there is or can be room.
    pub(crate) fn push(&mut self, block: Box<Block>) -> Kept {
        self.tally.give_back(block.bytes, block.requested, block.tag);
        let set = Self::set_of(block.bytes);
        self.push_beyond_room(set, block)
    }

    /// Makes room in the bin of this size while the limits last; gives the size a bin if it has none.
    #[cold]
    fn push_beyond_room(&mut self, set: usize, block: Box<Block>) -> Kept {
        let bytes = block.bytes;
        if self.closed || bytes > self.limits.total {
            return Kept::Not(block);
        }
        let mut displaced = Chain::new();
        let way = if let Some(way) = (set..set + WAYS).find(|&way| self.table[way].bytes == bytes) {
            way
        } else {
            let held = |way: usize| self.table[way].len() * self.table[way].bytes;
            let way = if held(set) <= held(set + 1) { set } else { set + 1 };
            self.clear(way, |block| displaced.push(block));
            self.table[way].bytes = bytes;
            way
        };
        if self.table[way].len() == self.table[way].room {
            self.widen(way);
        }
        if self.table[way].len() == self.table[way].room {
            self.retire_a_stale_bin(way, |block| displaced.push(block));
            self.widen(way);
        }
        let bin = &mut self.table[way];
        if bin.len() < bin.room {
            bin.pushes += 1;
            bin.blocks.push(block);
            return if displaced.is_empty() { Kept::All } else { Kept::Displaced(displaced) };
        }
        if displaced.is_empty() {
            return Kept::Not(block);
        }
        displaced.push(block);
        Kept::Displaced(displaced)
    }

    /// Doubles a bin's room while the limits last, so that a size that comes once does not take the limit from
    /// others.
    fn widen(&mut self, way: usize) {
        let bin = &mut self.table[way];
        let most = (self.limits.per_size / bin.bytes).max(1);
        let wanted = bin.room.max(1).min(most.saturating_sub(bin.room));
        let room = self.room.load(Ordering::Relaxed);
        let more = wanted.min((self.limits.total - room) / bin.bytes);
        bin.room += more;
        self.room.store(room + more * bin.bytes, Ordering::Relaxed);
    }

    /// Looks at one other bin: gives up its blocks if nobody leased from it since the last look. Sizes that a
    /// program has stopped using thus make way for those it uses now, and those it uses are left alone.
    fn retire_a_stale_bin(&mut self, but: usize, to: impl FnMut(Box<Block>)) {
        self.hand = (self.hand + 1) % self.table.len();
        let bin = &mut self.table[self.hand];
        if self.hand == but || bin.bytes == 0 {
            return;
        }
        if bin.seen == bin.pops {
            self.clear(self.hand, to);
        } else {
            bin.seen = bin.pops;
        }
    }

    /// Empties one bin and forgets its size.
    fn clear(&mut self, way: usize, to: impl FnMut(Box<Block>)) {
        let bin = std::mem::replace(&mut self.table[way], Bin::EMPTY);
        let room = self.room.load(Ordering::Relaxed) - bin.room * bin.bytes;
        self.room.store(room, Ordering::Relaxed);
        self.tally.fold_hits(bin.pops);
        bin.blocks.for_each(to);
    }

    /// Takes every free block out.
    pub(crate) fn drain(&mut self, mut to: impl FnMut(Box<Block>)) {
        for way in 0..self.table.len() {
            self.clear(way, &mut to);
        }
    }

    /// From now on keeps nothing.
    pub(crate) const fn close(&mut self) {
        self.closed = true;
    }

    /// Bytes of free blocks that are kept.
    pub(crate) fn idle(&self) -> u64 {
        self.table.iter().map(|bin| bin.len() * bin.bytes).sum()
    }

    /// The most that could be kept as things stand: what others may read of it without coming in.
    pub(crate) fn room(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.room)
    }

    /// Counts, with those that the bins keep for themselves.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = self.tally.clone();
        for bin in &self.table {
            tally.fold_hits(bin.pops);
        }
        tally
    }

    /// For leases and drops that pass the bins by.
    pub(crate) const fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

impl std::fmt::Debug for Bins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bins")
            .field("idle", &self.idle())
            .field("tally", &self.tally())
            .finish_non_exhaustive()
    }
}
