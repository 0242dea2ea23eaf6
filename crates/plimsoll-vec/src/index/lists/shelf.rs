//! Codes of lists that stay in memory between searches, piece by piece as they are wanted.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use plimsoll::pool::Lease;

use super::forecast::piece_blocks;
use crate::held::lock;
use crate::index::budget::Budget;

/// A piece: the number of its segment, and its own in it.
pub(super) type Piece = (u64, u64);

/// What is in memory. A piece that was read stays until all is let go of: the first that were wanted stay, as many as there
/// is room for.
#[derive(Debug, Default)]
pub(in crate::index) struct Shelf {
    pieces: Mutex<BTreeMap<Piece, Arc<Lease>>>,
}

/// Pieces that a search wants.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Those that are there, in order.
    pub(super) there: Vec<(Piece, Arc<Lease>)>,
    /// Those that there is room for, to be read.
    pub(super) fresh: Vec<(Piece, Lease)>,
}

impl Shelf {
    /// What is in memory.
    pub(in crate::index) fn bytes(&self) -> u64 {
        self.lock().values().map(|lease| lease.bytes().get()).sum()
    }

    /// Lets go of everything.
    pub(in crate::index) fn clear(&self) {
        self.lock().clear();
    }

    /// Lets go of everything where there is more than this.
    pub(in crate::index) fn shrink(&self, most: u64, budget: &Budget) {
        if self.bytes() > most {
            self.clear();
            budget.trim();
        }
    }

    /// Those of these pieces that are there, and room for others while there are less than `most` bytes; `length` says how
    /// long a piece is. What is refused is not there.
    pub(super) fn take(
        &self,
        wanted: impl Iterator<Item = Piece>,
        length: impl Fn(Piece) -> usize,
        most: u64,
        budget: &Budget,
    ) -> Taken {
        let mut taken = Taken::default();
        let pieces = self.lock();
        let mut bytes = None;
        for piece in wanted {
            if let Some(lease) = pieces.get(&piece) {
                taken.there.push((piece, Arc::clone(lease)));
                continue;
            }
            // Only who misses something counts.
            let sum =
                bytes.get_or_insert_with(|| pieces.values().map(|lease| lease.bytes().get()).sum::<u64>());
            let length = length(piece);
            if *sum + length as u64 <= most
                && let Ok(lease) = budget.lease(length)
            {
                *sum += length as u64;
                taken.fresh.push((piece, lease));
            }
        }
        taken
    }

    /// The piece that has a block, and where in it the block is, if it is there.
    pub(in crate::index) fn block(
        &self,
        segment: u64,
        block: u64,
        block_bytes: usize,
    ) -> Option<(Arc<Lease>, Range<usize>)> {
        let blocks = piece_blocks(block_bytes as u64);
        let lease = Arc::clone(self.lock().get(&(segment, block / blocks))?);
        let start = usize::try_from(block % blocks).ok()?.checked_mul(block_bytes)?;
        (start + block_bytes <= usize::try_from(lease.bytes().get()).ok()?)
            .then_some((lease, start..start + block_bytes))
    }

    /// Keeps a piece that was read and checked; of two that read the same, the first.
    pub(super) fn add(&self, piece: Piece, lease: Lease) -> Arc<Lease> {
        Arc::clone(self.lock().entry(piece).or_insert_with(|| Arc::new(lease)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Piece, Arc<Lease>>> {
        lock(&self.pieces)
    }
}
