//! Codes that stay in memory between searches: the first so many blocks of the segments, in pieces.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use plimsoll::pool::Lease;

use super::budget::Budget;
use super::view::View;
use crate::held::lock;

/// Blocks that are in memory.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The number of their segment.
    segment: u64,
    pub(super) first: u64,
    pub(super) blocks: u64,
    pub(super) bytes: Arc<Lease>,
}

impl Kept {
    /// The bytes of a block, if it is among pieces in order.
    pub(super) fn find(kept: &[Self], segment: u64, block: u64, block_bytes: usize) -> Option<&[u8]> {
        let at = kept.partition_point(|piece| (piece.segment, piece.first) <= (segment, block));
        let piece = &kept[at.checked_sub(1)?];
        let start = usize::try_from(block.checked_sub(piece.first)?).ok()?.checked_mul(block_bytes)?;
        let bytes = piece.bytes.as_slice().ok()?.get(start..start + block_bytes)?;
        (piece.segment == segment && block < piece.first + piece.blocks).then_some(bytes)
    }
}

/// Blocks to be read into memory that is there for them.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) segment: u64,
    pub(super) first: u64,
    pub(super) blocks: u64,
    pub(super) into: Lease,
}

/// What a pass does with each block of the segments.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In memory: by the place of their segment.
    pub(super) kept: Vec<(usize, Kept)>,
    /// To be read, and kept.
    pub(super) fresh: Vec<(usize, Fresh)>,
    /// To be read in this pass.
    pub(super) streamed: Vec<(usize, Range<u64>)>,
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Keep {
    pieces: Mutex<Vec<Kept>>,
}

/// How pieces are cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Blocks of a piece.
    pub(super) blocks: u64,
    /// What may be kept of blocks altogether.
    pub(super) bytes: u64,
    pub(super) block_bytes: u64,
}

impl Cut {
    /// A stream that begins at a multiple of this begins at a whole page.
    fn align(&self) -> u64 {
        let lowest = self.block_bytes & self.block_bytes.wrapping_neg();
        (4096 / lowest.max(1)).max(1)
    }
}

impl Keep {
    /// What is in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.pieces().iter().map(|piece| piece.bytes.bytes().get()).sum()
    }

    fn pieces(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        lock(&self.pieces)
    }

    /// Lets go of what has no place any more, and says what to do with every block. Memory for what is to be kept is
    /// taken now; what is refused is streamed.
    pub(super) fn plan(&self, view: &View, cut: Cut, budget: &Budget) -> Plan {
        let mut plan = Plan::default();
        let mut old = std::mem::take(&mut *self.pieces());
        old.sort_by_key(|piece| (piece.segment, piece.first));
        let mut left = cut.bytes;
        let piece_blocks = cut.blocks.next_multiple_of(cut.align());
        for (place, (segment, _)) in view.segments.iter().enumerate() {
            let (number, all) = (segment.number(), segment.codes().header().units);
            let mut at = 0;
            let of_this = old.extract_if(.., |piece| piece.segment == number);
            for piece in of_this {
                let bytes = piece.blocks * cut.block_bytes;
                // Only what follows without a gap, so that the rest is one stream.
                if piece.first == at && bytes <= left {
                    left -= bytes;
                    at += piece.blocks;
                    plan.kept.push((place, piece));
                }
            }
            while at < all {
                let blocks = piece_blocks.min(all - at);
                let bytes = blocks * cut.block_bytes;
                let lease = usize::try_from(bytes).ok().filter(|_| bytes <= left);
                let Some(Ok(into)) = lease.map(|bytes| budget.lease(bytes)) else { break };
                left -= bytes;
                plan.fresh.push((place, Fresh { segment: number, first: at, blocks, into }));
                at += blocks;
            }
            if at < all {
                left = 0;
                plan.streamed.push((place, at..all));
            }
        }
        drop(old);
        self.pieces().extend(plan.kept.iter().map(|(_, piece)| piece.clone()));
        plan
    }

    /// What is in memory now, by segment and first block.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let mut kept = self.pieces().clone();
        kept.sort_by_key(|piece| (piece.segment, piece.first));
        kept
    }

    /// Lets go of the last pieces until no more than this is kept: what a search needs beside codes is charged before
    /// the rest is planned.
    pub(super) fn shrink(&self, most: u64, budget: &Budget) {
        let mut pieces = self.pieces();
        pieces.sort_by_key(|piece| (piece.segment, piece.first));
        let before = pieces.len();
        let mut sum = 0;
        pieces.retain(|piece| {
            sum += piece.bytes.bytes().get();
            sum <= most
        });
        if pieces.len() < before {
            drop(pieces);
            budget.trim();
        }
    }

    /// Keeps blocks that were read and checked.
    pub(super) fn add(&self, fresh: Fresh) -> Kept {
        let Fresh { segment, first, blocks, into } = fresh;
        let kept = Kept { segment, first, blocks, bytes: Arc::new(into) };
        let mut pieces = self.pieces();
        // Two searches may have read the same.
        if !pieces.iter().any(|piece| piece.segment == segment && piece.first == first) {
            pieces.push(kept.clone());
        }
        kept
    }

    /// Lets go of everything.
    pub(super) fn clear(&self) {
        self.pieces().clear();
    }
}
