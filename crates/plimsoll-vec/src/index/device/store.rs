//! Codes on a device: pieces that stay there between searches, and the ring that the rest comes through.

use std::time::Duration;

use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, Pool, RowsIn, SquaresIn};
use plimsoll_device::{Fence, Stream};

use super::super::view::View;
use super::forecast::{PIECE_BLOCKS, most_blocks};
use crate::gpu::desk::kernels;
use crate::gpu::{FlatShape, GpuError};
use crate::{BLOCK_ROWS, Layout};

/// Chunks that the device has room for: one is searched while the next one arrives.
pub(super) const SLOTS: usize = 2;
/// How long the device may take for one chunk before it counts as one that never answers.
const PATIENCE: Duration = Duration::from_mins(5);

/// Rows as kernels take them: numbers, and their scales apart.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) numbers: Lease,
    pub(super) scales: Option<Lease>,
}

/// Blocks of a segment that stay.
#[derive(Debug)]
pub(super) struct Piece {
    segment: u64,
    pub(super) first: u64,
    pub(super) blocks: u64,
    /// How many of them have come.
    pub(super) filled: u64,
    pub(super) rows: Rows,
    /// Squares of rows, where searches want them; made when all have come.
    pub(super) squares: Option<Lease>,
    squared: bool,
}

/// Room for a chunk.
#[derive(Debug)]
pub(super) struct Slot {
    /// Where blocks arrive whose sides stand among their numbers.
    stage: Option<Lease>,
    pub(super) rows: Rows,
    /// When what is in it has been searched.
    pub(super) searched: Option<Fence>,
}

/// What stays.
#[derive(Debug)]
pub(super) struct Store {
    pool: Pool,
    layout: Layout,
    flat: FlatShape,
    /// Squares of rows that stay are kept.
    squares: bool,
    copies: Stream,
    pub(super) pieces: Vec<Piece>,
}

impl Store {
    pub(super) fn new(pool: &Pool, layout: Layout, flat: FlatShape) -> Result<Self, GpuError> {
        let copies = pool.device().stream()?;
        let squares = kernels(pool)?.wants_squares(&flat.search(1, 1, 1)?);
        Ok(Self { pool: pool.clone(), layout, flat, squares, copies, pieces: Vec::new() })
    }

    /// A block as it comes: of planes the upper part.
    fn block_bytes(&self) -> u64 {
        self.layout.upper_bytes() as u64
    }

    /// What squares take of a block that stays.
    pub(super) fn squares_bytes(&self) -> u64 {
        if self.squares { BLOCK_ROWS as u64 * 4 } else { 0 }
    }

    /// Codes that are there.
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.blocks).sum::<u64>() * self.block_bytes()
    }

    /// Keeps no more than this of a view, in pieces of at most so many bytes: the first blocks of its segments. What was kept and has no place any more goes;
    /// memory for what is new is taken, as far as it is given.
    pub(super) fn plan(&mut self, view: &View, most: u64, piece: u64) -> Result<(), GpuError> {
        let mut left = most / self.block_bytes().max(1);
        let mut old = std::mem::take(&mut self.pieces);
        old.sort_by_key(|piece| (piece.segment, piece.first));
        let at_once = most_blocks(piece, self.block_bytes());
        let mut wanted = Vec::new();
        for (segment, _) in &view.segments {
            let (number, all) = (segment.number(), segment.codes().header().units);
            let here = if left >= all { all } else { left / PIECE_BLOCKS * PIECE_BLOCKS };
            let mut at = 0;
            for piece in old.extract_if(.., |piece| piece.segment == number) {
                if piece.first == at && at + piece.blocks <= here {
                    at += piece.blocks;
                    self.pieces.push(piece);
                }
            }
            wanted.push((number, at..here));
            left -= here;
            if here < all {
                break;
            }
        }
        drop(old);
        for (segment, mut blocks) in wanted {
            let mut at_once = at_once;
            while !blocks.is_empty() {
                let count = at_once.min(blocks.end - blocks.start);
                match self.rows(count).and_then(|rows| Ok((rows, self.squares_of(count)?))) {
                    Ok((rows, squares)) => {
                        let first = blocks.start;
                        let piece =
                            Piece { segment, first, blocks: count, filled: 0, rows, squares, squared: false };
                        self.pieces.push(piece);
                        blocks.start += count;
                    }
                    // One run of memory may not be there where two are.
                    Err(GpuError::Lease(LeaseError::Refused { .. } | LeaseError::TooLarge { .. }))
                        if count > PIECE_BLOCKS =>
                    {
                        at_once = (count / 2).next_multiple_of(PIECE_BLOCKS);
                    }
                    Err(GpuError::Lease(LeaseError::Refused { .. } | LeaseError::TooLarge { .. })) => {
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// The pieces of a segment, in order, and what is not among them.
    pub(super) fn of(&self, segment: u64) -> (Vec<usize>, u64) {
        let mut places: Vec<usize> =
            (0..self.pieces.len()).filter(|at| self.pieces[*at].segment == segment).collect();
        places.sort_by_key(|at| self.pieces[*at].first);
        let end = places.iter().map(|at| self.pieces[*at].blocks).sum();
        (places, end)
    }

    /// Puts a piece back where it was taken out by `swap_remove`.
    pub(super) fn put_back(&mut self, at: usize, piece: Piece) {
        self.pieces.push(piece);
        let last = self.pieces.len() - 1;
        self.pieces.swap(at, last);
    }

    fn rows(&self, blocks: u64) -> Result<Rows, GpuError> {
        let numbers = self.layout.first_bytes() as u64 * BLOCK_ROWS as u64;
        let sides = self.block_bytes() - numbers;
        let scales = if sides > 0 { Some(self.pool.lease(Bytes::new(blocks * sides))?) } else { None };
        Ok(Rows { numbers: self.pool.lease(Bytes::new(blocks * numbers))?, scales })
    }

    fn squares_of(&self, blocks: u64) -> Result<Option<Lease>, GpuError> {
        let bytes = Bytes::new(blocks * self.squares_bytes());
        Ok(if bytes > Bytes::ZERO { Some(self.pool.lease(bytes)?) } else { None })
    }

    /// Makes the squares of a piece that has all of its rows.
    pub(super) fn square(&mut self, at: usize, stream: Stream) -> Result<(), GpuError> {
        let Piece { blocks, filled, rows, squares, squared, .. } = &mut self.pieces[at];
        let Some(squares) = squares.as_mut().filter(|_| !*squared && filled == blocks) else { return Ok(()) };
        let shape = self.flat.search(*blocks * BLOCK_ROWS as u64, 1, 1)?;
        let scales = rows.scales.as_mut().map(|scales| (scales, 0));
        squares.squares_from(stream, 0, SquaresIn { shape, rows: (&mut rows.numbers, 0), scales })?;
        *squared = true;
        Ok(())
    }

    /// A ring of chunks of so many blocks. Where memory lies in parts that are too small for it, something that stays goes.
    pub(super) fn ring(&mut self, blocks: u64) -> Result<Vec<Slot>, GpuError> {
        loop {
            match self.try_ring(blocks) {
                Err(GpuError::Lease(LeaseError::Refused { .. } | LeaseError::TooLarge { .. }))
                    if !self.pieces.is_empty() =>
                {
                    let last = (0..self.pieces.len())
                        .max_by_key(|at| (self.pieces[*at].segment, self.pieces[*at].first));
                    last.map(|at| self.pieces.swap_remove(at));
                }
                ring => return ring,
            }
        }
    }

    fn try_ring(&self, blocks: u64) -> Result<Vec<Slot>, GpuError> {
        let slot = |_| {
            let staged = self.layout.codec().side_bytes() > 0;
            let bytes = Bytes::new(blocks * self.block_bytes());
            let stage = if staged { Some(self.pool.lease(bytes)?) } else { None };
            Ok(Slot { stage, rows: self.rows(blocks)?, searched: None })
        };
        (0..SLOTS).map(slot).collect()
    }

    /// Brings blocks into a slot, once what was in it has been searched, and waits for them. They come in one piece, or
    /// each alone, out of longer ones.
    pub(super) fn fill<'b>(
        &self,
        slot: &mut Slot,
        blocks: impl Iterator<Item = &'b [u8]>,
    ) -> Result<(), GpuError> {
        self.wait(slot.searched.take())?;
        let Slot { stage, rows, .. } = slot;
        let mut at = 0;
        for blocks in blocks {
            self.bring(stage.as_mut(), rows, at, blocks)?;
            at += blocks.len() as u64 / self.block_bytes();
        }
        Ok(())
    }

    /// Brings blocks into a piece, behind those that are there, by way of a slot.
    pub(super) fn extend(&mut self, piece: usize, slot: &mut Slot, blocks: &[u8]) -> Result<(), GpuError> {
        self.wait(slot.searched.take())?;
        let count = blocks.len() as u64 / self.block_bytes();
        let mut pieces = std::mem::take(&mut self.pieces);
        let brought = pieces.get_mut(piece).map_or(Ok(()), |piece| {
            let done = self.bring(slot.stage.as_mut(), &mut piece.rows, piece.filled, blocks);
            piece.filled += if done.is_ok() { count } else { 0 };
            done
        });
        self.pieces = pieces;
        brought
    }

    /// Blocks become rows from block `at` on.
    fn bring(
        &self,
        stage: Option<&mut Lease>,
        rows: &mut Rows,
        at: u64,
        blocks: &[u8],
    ) -> Result<(), GpuError> {
        let (copies, block) = (self.copies, self.block_bytes());
        let arrived = match (stage, &mut rows.scales) {
            (Some(stage), Some(scales)) => {
                stage.upload(copies, 0, blocks)?;
                let count = blocks.len() as u64 / block;
                let numbers = self.layout.first_bytes() as u64 * BLOCK_ROWS as u64;
                let mut part = |to: &mut Lease, start: u64, bytes: u64| {
                    let into = RowsIn { start: at * bytes, pitch: bytes };
                    to.copy_rows_from(copies, into, stage, RowsIn { start, pitch: block }, count, bytes)
                };
                part(&mut rows.numbers, 0, numbers)?;
                part(scales, numbers, block - numbers)?
            }
            _ => rows.numbers.upload(copies, at * block, blocks)?,
        };
        self.wait(arrived)
    }

    fn wait(&self, fence: Option<Fence>) -> Result<(), GpuError> {
        fence.map_or(Ok(()), |fence| Ok(self.pool.device().wait(fence, PATIENCE)?))
    }
}
