//! Rows that are not in a segment yet: in memory, and in the log.

use plimsoll::governor::Charge;

use super::budget::Budget;
use super::dead::{Dead, blocks};
use super::encode::Coding;
use super::{Shape, VecError};

/// Some rows in memory, written once like a segment.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) ids: Vec<u64>,
    /// The vectors as they came: what the next segment is made of.
    pub(super) vectors: Vec<f32>,
    pub(super) blocks: Vec<u8>,
    _charge: Charge,
}

impl Batch {
    /// Codes vectors. What is wrong with one of them is told before anything is kept.
    pub(super) fn new(
        coding: &Coding,
        shape: &Shape,
        ids: Vec<u64>,
        vectors: Vec<f32>,
        budget: &Budget,
    ) -> Result<Self, VecError> {
        let charge = budget.charge(bytes_for(shape, ids.len()))?;
        let _meanwhile = budget.charge(Coding::scratch_bytes(shape))?;
        let block_bytes = shape.layout().block_bytes();
        let mut filled = vec![0; blocks(ids.len() as u64) * block_bytes];
        coding.encode(shape.dimension, &vectors, &mut filled, 1)?;
        Ok(Self { ids, vectors, blocks: filled, _charge: charge })
    }

    pub(super) fn rows(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Another with the rows of several that live.
    pub(super) fn joined(
        coding: &Coding,
        shape: &Shape,
        parts: &[(&Self, &Dead)],
        budget: &Budget,
    ) -> Result<Self, VecError> {
        let (mut ids, mut vectors) = (Vec::new(), Vec::new());
        for (batch, dead) in parts {
            for (row, (id, vector)) in
                (0..).zip(batch.ids.iter().zip(batch.vectors.chunks_exact(shape.dimension)))
            {
                if !dead.has(row) {
                    ids.push(*id);
                    vectors.extend_from_slice(vector);
                }
            }
        }
        Self::new(coding, shape, ids, vectors, budget)
    }

    /// Another with the same rows in this order.
    pub(super) fn ordered(
        &self,
        coding: &Coding,
        shape: &Shape,
        order: &[usize],
        budget: &Budget,
    ) -> Result<Self, VecError> {
        let vector = |row: &usize| &self.vectors[row * shape.dimension..][..shape.dimension];
        // Charged before it is there: a batch takes all that this does.
        let ahead = budget.charge(bytes_for(shape, order.len()))?;
        let ids = order.iter().map(|row| self.ids[*row]).collect();
        let vectors = order.iter().flat_map(|row| vector(row).iter().copied()).collect();
        drop(ahead);
        Self::new(coding, shape, ids, vectors, budget)
    }
}

/// What so many rows take in memory.
pub(super) fn bytes_for(shape: &Shape, rows: usize) -> u64 {
    let coded = blocks(rows as u64).saturating_mul(shape.layout().block_bytes());
    let plain = rows.saturating_mul(shape.dimension.saturating_mul(4).saturating_add(8));
    coded.saturating_add(plain) as u64
}
