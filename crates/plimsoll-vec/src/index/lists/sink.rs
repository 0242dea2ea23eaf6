//! Vectors in the order of their rows become a segment.

use crate::index::dead::blocks;
use crate::index::encode::Coding;
use crate::index::{Shape, VecError};
use crate::segment::{SegmentWriter, WrittenIds};

/// Codes vectors batch by batch, with all threads, and writes them.
pub(super) struct Sink<'s> {
    out: SegmentWriter,
    coding: Coding,
    /// Numbers of a vector.
    dimension: usize,
    batch: Vec<f32>,
    /// The row that each of the batch had in the input.
    rows: Vec<u32>,
    coded: Vec<u8>,
    most: usize,
    threads: usize,
    ids: &'s WrittenIds,
    /// For each row of the input, where it lies.
    places: &'s mut [u32],
    done: u32,
    progress: &'s mut dyn FnMut(u64),
}

impl<'s> Sink<'s> {
    /// What it takes of memory with batches of so many.
    pub(super) fn bytes(shape: &Shape, batch: usize, threads: usize) -> u64 {
        let coded = blocks(batch as u64) * shape.layout().block_bytes();
        let vectors = batch * (shape.dimension * 4 + 4 + 8);
        let scratch = threads as u64 * Coding::scratch_bytes(shape);
        (coded + vectors) as u64
            + scratch
            + SegmentWriter::heap_bytes(batch, shape.dimension, shape.originals)
    }

    /// Into this segment, vectors of so many numbers; `most` is how many are coded at once, in whole blocks.
    pub(super) fn new(
        (out, coding, dimension): (SegmentWriter, Coding, usize),
        (most, threads): (usize, usize),
        ids: &'s WrittenIds,
        places: &'s mut [u32],
        progress: &'s mut dyn FnMut(u64),
    ) -> Self {
        Self {
            out,
            batch: Vec::with_capacity(most * dimension),
            rows: Vec::with_capacity(most),
            coded: vec![0; blocks(most as u64) * coding.layout().block_bytes()],
            coding,
            dimension,
            most,
            threads,
            ids,
            places,
            done: 0,
            progress,
        }
    }

    /// The vector of the next row, which was this one in the input.
    pub(super) fn take(&mut self, vector: &[f32], row: u32) -> Result<(), VecError> {
        self.batch.extend_from_slice(vector);
        self.rows.push(row);
        if self.rows.len() == self.most { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), VecError> {
        let count = self.rows.len();
        if count == 0 {
            return Ok(());
        }
        let coded = &mut self.coded[..blocks(count as u64) * self.coding.layout().block_bytes()];
        let named = |vector: usize| self.rows.get(vector).map_or(vector, |row| *row as usize);
        let done = self.coding.encode(self.dimension, &self.batch, coded, self.threads);
        done.map_err(|error| error.renamed(named))?;
        self.out.append(coded, &self.batch, count)?;
        let ids: Vec<u64> = self.rows.iter().map(|row| self.ids.of((*row).into())).collect();
        self.out.append_ids(&ids)?;
        for row in &self.rows {
            if let Some(place) = self.places.get_mut(*row as usize) {
                *place = self.done;
            }
            self.done += 1;
        }
        self.batch.clear();
        self.rows.clear();
        (self.progress)(self.done.into());
        Ok(())
    }

    /// Writes what is left. Lists begin at `starts`.
    pub(super) fn finish(mut self, starts: &[u32]) -> Result<(), VecError> {
        self.write()?;
        let places = self.places.iter().copied();
        match self.ids {
            WrittenIds::From(first) => self.out.finish_lists(starts, (*first..).zip(places))?,
            WrittenIds::These(ids) => {
                let mut order: Vec<(u64, u32)> = ids.iter().copied().zip(places).collect();
                order.sort_unstable();
                self.out.finish_lists(starts, order.into_iter())?;
            }
        }
        Ok(())
    }
}
