//! The way into latents: `E (x − m)`, a block of vectors at a time.

use super::packed::{Packed, TILES};
use super::{NeuralShape, view};
use crate::BLOCK_ROWS;
use crate::code::{CodeError, finite, normalize};

/// An encoder ready to run, on whatever thread and with whatever desk.
///
/// It takes `4 · (D ⌈L⌉₁₆ + D)` bytes, which who makes it pays for.
#[derive(Debug)]
pub(crate) struct Projection {
    shape: NeuralShape,
    encoder: Packed,
    mean: Vec<f32>,
}

impl Projection {
    /// Packs an encoder: a row of the dimension for each number of the latent.
    pub(crate) fn new(shape: NeuralShape, encoder: &[f32], mean: Vec<f32>) -> Self {
        Self { shape, encoder: Packed::of(shape.latent, shape.dimension, encoder), mean }
    }

    /// What that takes from the heap.
    pub(crate) fn bytes_for(shape: NeuralShape) -> u64 {
        let NeuralShape { dimension, latent, .. } = shape;
        Packed::bytes_for(latent, dimension).saturating_add(dimension as u64 * 4)
    }

    /// What a thread works in.
    pub(crate) const fn desk_bytes(shape: NeuralShape) -> u64 {
        ((shape.dimension + shape.latent) * BLOCK_ROWS + TILES) as u64 * 4
    }

    /// How long vectors and latents are.
    pub(crate) fn shape(&self) -> NeuralShape {
        self.shape
    }

    /// What is taken off a vector.
    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The latents of a block of vectors, of which the first is called `first`; they stand at the end of the desk, as many
    /// as there are rows in a block. They may be beyond singles.
    pub(crate) fn block<'d>(
        &self,
        first: usize,
        vectors: &[f32],
        desk: &'d mut [f32],
    ) -> Result<&'d [f32], CodeError> {
        let NeuralShape { dimension, latent, normalized } = self.shape;
        let (rows, desk) = desk.split_at_mut(BLOCK_ROWS * dimension);
        let (tiles, kept) = desk.split_at_mut(TILES);
        let each = vectors.chunks_exact(dimension).zip(rows.chunks_exact_mut(dimension));
        for (at, (vector, row)) in each.enumerate() {
            finite(first + at, vector)?;
            row.copy_from_slice(vector);
            if normalized && !normalize(row) {
                return Err(CodeError::NoDirection { vector: first + at });
            }
            for (x, mean) in row.iter_mut().zip(&self.mean) {
                *x -= mean;
            }
        }
        rows[vectors.len()..].fill(0.0);
        self.encoder.products(view::bytes(rows), tiles, |column, width, products| {
            for (row, products) in kept.chunks_exact_mut(latent).zip(products.chunks_exact(16)) {
                row[column..column + width].copy_from_slice(&products[..width]);
            }
        });
        Ok(kept)
    }
}
