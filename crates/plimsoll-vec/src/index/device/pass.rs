//! One look at everything, by some queries.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::holding::Streaming;
use plimsoll::holding::streaming::Align;
use plimsoll::pool::{Lease, LeaseError, Pool};
use plimsoll_device::Stream;

use super::super::VecError;
use super::super::answer::Measured;
use super::super::lists::{Division, Targets};
use super::super::search::Run;
use super::super::view::Part;
use super::among::Among;
use super::middles::Middles;
use super::store::{Piece, Rows, Slot, Store};
use crate::gpu::desk::{Desk, Look, kernels, mask_on};
use crate::gpu::{FlatShape, GpuError};
use crate::{BLOCK_ROWS, Hit};

pub(super) const ROWS: u64 = BLOCK_ROWS as u64;

/// What a pass works with.
pub(super) struct Pass<'p> {
    pub(super) run: &'p Run<'p>,
    pool: &'p Pool,
    pub(super) store: &'p mut Store,
    pub(super) streaming: &'p Streaming,
    flat: FlatShape,
    /// Of each part that not all rows of may be found.
    pub(super) masks: Vec<Option<Lease>>,
    /// Where only some lists are looked into: what tells which.
    middles: Option<Middles<'p>>,
    pub(super) searches: Stream,
    block_bytes: usize,
}

/// What so many queries at a time work with, and chunks of so many blocks.
struct Room {
    desk: Desk,
    at_once: usize,
    slots: Vec<Slot>,
    chunk: u64,
}

impl<'p> Pass<'p> {
    pub(super) fn new(
        run: &'p Run<'p>,
        (pool, searches): (&'p Pool, Stream),
        store: &'p mut Store,
        streaming: &'p Streaming,
        flat: FlatShape,
        among: Option<(Among, &'p Division, &'p mut Lease)>,
    ) -> Result<Self, VecError> {
        let mask =
            |mask: &Option<Vec<u64>>| mask.as_ref().map(|live| mask_on(pool, searches, live)).transpose();
        let masks = run.masks.iter().map(mask).collect::<Result<_, _>>()?;
        let block_bytes = run.view.shape.upper_bytes();
        let middles = among.map(|among| Middles::new(run, pool, among, searches)).transpose()?;
        Ok(Self { run, pool, store, streaming, flat, masks, middles, searches, block_bytes })
    }

    /// What is nearest to each of these queries: as they are compared with rows, and, where lists are looked into, as vectors.
    pub(super) fn find(
        &mut self,
        (queries, vectors): (&[f32], &[f32]),
        chunk: u64,
        measured: &mut Measured,
    ) -> Result<Vec<Vec<Hit>>, VecError> {
        let dimension = self.flat.dimension;
        let count = queries.len() / dimension;
        let Room { mut desk, at_once, mut slots, chunk } = self.room(chunk, count)?;
        let mut found = Vec::with_capacity(count);
        let parts = queries.chunks(at_once * dimension).zip(vectors.chunks(at_once * dimension));
        for (queries, vectors) in parts {
            desk.begin(self.searches, queries)?;
            let targets = match &mut self.middles {
                Some(middles) => {
                    let wants = middles.of(self.searches, vectors, (&mut desk, queries))?;
                    Some(Targets::of(self.run, middles.division(), queries.len() / dimension, wants))
                }
                None => None,
            };
            for place in 0..self.run.view.segments.len() {
                let listed = self.run.view.segments[place].0.lists().is_some();
                match targets.as_ref().filter(|_| listed) {
                    Some(targets) => {
                        self.lists_of((&mut desk, &mut slots), place, (targets, chunk), measured)?;
                    }
                    None => self.segment((&mut desk, &mut slots), place, chunk, measured)?,
                }
            }
            self.young(&mut desk, &mut slots, chunk)?;
            desk.read(self.searches, &mut found)?;
        }
        Ok(found)
    }

    /// What as many of the queries work with as there is room for beside a ring of chunks, how many, and the ring with the blocks of a
    /// chunk. Where memory lies in parts that are too small, chunks are halved, and then queries.
    fn room(&mut self, chunk: u64, count: usize) -> Result<Room, VecError> {
        let (mut chunk, mut at_most) = (chunk, count);
        loop {
            let (desk, at_once) = self.desk(chunk, at_most)?;
            loop {
                match self.store.ring(chunk) {
                    Err(GpuError::Lease(LeaseError::Refused { .. } | LeaseError::TooLarge { .. }))
                        if chunk > 2 || at_once > 1 =>
                    {
                        if chunk == 2 {
                            at_most = at_once.div_ceil(2);
                            break;
                        }
                        chunk = (chunk / 4 * 2).max(2);
                    }
                    ring => return Ok(Room { desk, at_once, slots: ring?, chunk }),
                }
            }
        }
    }

    /// What as many of the queries work with as there is room for, and how many.
    fn desk(&mut self, chunk: u64, count: usize) -> Result<(Desk, usize), VecError> {
        let longest = self.store.pieces.iter().map(|piece| piece.blocks).max().unwrap_or_default();
        let kept = self.store.squares_bytes() > 0;
        let rows = [(chunk * ROWS, false), (longest.max(1) * ROWS, kept)].into_iter();
        let (pool, flat, listed) = (self.pool, self.flat, self.run.listed);
        let mut at_most = count;
        loop {
            let among = self.middles.as_ref().map(|middles| *middles.among());
            let beside = |queries: usize| match among {
                Some(among) => {
                    let shape = flat.search(u64::from(u32::MAX), queries, listed)?;
                    Ok(among.runs_desk(kernels(pool)?, shape, queries))
                }
                None => Ok(Bytes::ZERO),
            };
            let (desk, at_once) = Desk::take(pool, flat, &rows, (at_most, listed), &beside)?;
            let ready = match &mut self.middles {
                Some(middles) => middles.ready(pool, at_once)?,
                None => true,
            };
            if ready {
                return Ok((desk, at_once));
            }
            at_most = at_once.div_ceil(2);
        }
    }

    /// All of a segment: what stays on the device, which is brought there first where it is not, and what streams in.
    fn segment(
        &mut self,
        (desk, slots): (&mut Desk, &mut [Slot]),
        place: usize,
        chunk: u64,
        measured: &mut Measured,
    ) -> Result<(), VecError> {
        let kept = self.kept((place, chunk), &mut slots[0], measured, |pass, piece| {
            let blocks = (piece.first, piece.blocks);
            pass.look(desk, place, blocks, &mut piece.rows, piece.squares.as_mut())
        })?;
        let mut turn = 0;
        let units = self.run.view.segments[place].0.codes().header().units;
        self.stream(place, kept..units, chunk, measured, |pass, first, blocks| {
            let slot = &mut slots[turn % slots.len()];
            turn += 1;
            pass.search_in(desk, slot, place, first, std::iter::once(blocks))
        })
    }

    /// Looks at each piece of a segment that stays, once all of it is there. Says how many blocks they are.
    pub(super) fn kept(
        &mut self,
        (place, chunk): (usize, u64),
        slot: &mut Slot,
        measured: &mut Measured,
        mut look: impl FnMut(&mut Self, &mut Piece) -> Result<Option<plimsoll_device::Fence>, VecError>,
    ) -> Result<u64, VecError> {
        let (pieces, kept) = self.store.of(self.run.view.segments[place].0.number());
        for at in pieces {
            self.load(place, at, slot, chunk, measured)?;
            self.store.square(at, self.searches)?;
            let mut piece = self.store.pieces.swap_remove(at);
            let looked = look(self, &mut piece);
            self.store.put_back(at, piece);
            looked?;
        }
        Ok(kept)
    }

    /// Brings what is missing of a piece.
    fn load(
        &mut self,
        place: usize,
        at: usize,
        slot: &mut Slot,
        chunk: u64,
        measured: &mut Measured,
    ) -> Result<(), VecError> {
        let piece = &self.store.pieces[at];
        let missing = piece.first + piece.filled..piece.first + piece.blocks;
        self.stream(place, missing, chunk, measured, |pass, _, blocks| {
            Ok(pass.store.extend(at, slot, blocks)?)
        })
    }

    /// Blocks of a segment as they come from the disk, each checked.
    fn stream(
        &mut self,
        place: usize,
        blocks: std::ops::Range<u64>,
        chunk: u64,
        measured: &mut Measured,
        mut take: impl FnMut(&mut Self, u64, &[u8]) -> Result<(), VecError>,
    ) -> Result<(), VecError> {
        if blocks.is_empty() {
            return Ok(());
        }
        let column = self.run.view.segments[place].0.codes();
        let (first, unit) = (blocks.start, self.block_bytes as u64);
        let feed = self.streaming.source(Arc::new(column.units(blocks)))?;
        for chunk in feed.chunks(Bytes::new(chunk * unit), Align::Bytes(unit)) {
            let chunk = chunk?;
            let at = first + chunk.offset() / unit;
            column.check(at, &chunk)?;
            measured.read += chunk.bytes();
            take(self, at, &chunk)?;
        }
        Ok(())
    }

    /// What is in memory only.
    fn young(&mut self, desk: &mut Desk, slots: &mut [Slot], chunk: u64) -> Result<(), VecError> {
        let run = self.run;
        let (layout, upper) = (run.view.shape.layout(), self.block_bytes);
        let chunk_bytes = index(chunk).saturating_mul(layout.block_bytes());
        let mut turn = 0;
        for (place, part) in run.parts.iter().enumerate() {
            let Part::Young(batch) = part else { continue };
            for (blocks, first) in batch.blocks.chunks(chunk_bytes).zip((0..).step_by(index(chunk))) {
                let slot = &mut slots[turn % slots.len()];
                turn += 1;
                if layout.lower_bytes() == 0 {
                    self.search_in(desk, slot, place, first, std::iter::once(blocks))?;
                } else {
                    let uppers = blocks.chunks(layout.block_bytes()).map(|block| &block[..upper]);
                    self.search_in(desk, slot, place, first, uppers)?;
                }
            }
        }
        Ok(())
    }

    /// Blocks go by way of a slot, and are searched there.
    fn search_in<'b>(
        &mut self,
        desk: &mut Desk,
        slot: &mut Slot,
        place: usize,
        first: u64,
        blocks: impl Iterator<Item = &'b [u8]> + Clone,
    ) -> Result<(), VecError> {
        self.store.fill(slot, blocks.clone())?;
        let count = (blocks.map(<[u8]>::len).sum::<usize>() / self.block_bytes) as u64;
        slot.searched = self.look(desk, place, (first, count), &mut slot.rows, None)?;
        Ok(())
    }

    fn look(
        &mut self,
        desk: &mut Desk,
        place: usize,
        (first, blocks): (u64, u64),
        rows: &mut Rows,
        squares: Option<&mut Lease>,
    ) -> Result<Option<plimsoll_device::Fence>, VecError> {
        let run = self.run;
        let all = run.parts.get(place).map_or(0, Part::rows);
        let count = all.saturating_sub(first * ROWS).min(blocks * ROWS);
        let mask = self.masks[place].as_mut().map(|mask| (mask, first * ROWS / 8));
        let scales = rows.scales.as_mut().map(|scales| (scales, 0));
        let first = run.bases[place] + first * ROWS;
        let squares = squares.map(|squares| (squares, 0));
        let look = Look { rows: (&mut rows.numbers, 0), scales, squares, mask, count, first };
        Ok(desk.look(self.searches, look)?)
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
