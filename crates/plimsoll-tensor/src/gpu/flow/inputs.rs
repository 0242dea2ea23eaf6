//! Rows in the forms in which they are multiplied.

use super::room::{Piece, Room};
use crate::TensorError;
use crate::packed::Packing;

/// From how many rows on the device's library multiplies, with halves; up to that, weights are read as they lie.
pub(super) const FEW: usize = 32;

/// From how many rows on matrix units multiply levels; up to that, each row is multiplied as it lies.
const SOME: usize = 2;
/// Numbers that share a scale.
const BLOCK: usize = 32;
/// Columns that matrix units look at together, as `pieces.cuh` has them.
const CHUNK: usize = 128;

/// What rows of inputs are made of.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'f> {
    /// Rows as they are.
    Plain(&'f Piece),
    /// Rows divided by their root mean square, times weights; of these rows only, where some are chosen: their numbers, words, and from
    /// which on.
    Normalized {
        /// The rows.
        rows: &'f Piece,
        /// A weight for each column.
        weights: &'f Piece,
        /// Added to the mean square.
        epsilon: f32,
        /// Which rows, if not all in order: words in a piece, from so many bytes on.
        chosen: Option<(&'f Piece, u64)>,
    },
    /// `silu(gate) × up`, of what a product has made.
    Gated {
        /// One factor.
        gate: &'f Piece,
        /// The other.
        up: &'f Piece,
        /// Whether both are to be multiplied by what these inputs were divided by before.
        divided: bool,
    },
}

/// Room for rows in every form that a product may want them in.
#[derive(Debug)]
pub struct Inputs {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) singles: Piece,
    pub(super) levels: Piece,
    pub(super) sides: Piece,
    pub(super) halves: Piece,
    pub(super) divided: Piece,
}

/// Which forms products want.
#[expect(clippy::struct_excessive_bools, reason = "bits of a word that a kernel is told")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forms {
    pub(super) singles: bool,
    pub(super) levels: bool,
    pub(super) halves: bool,
    /// Whether levels lie as matrix units take them.
    pub(super) laid: bool,
}

impl Forms {
    /// Those for so many rows and matrices of these packings.
    pub(super) fn of(rows: usize, packings: &(impl Iterator<Item = Packing> + Clone)) -> Self {
        let quantized = |packing: Packing| packing.block_numbers() > 1;
        if rows <= FEW {
            let (singles, levels) =
                (packings.clone().any(|one| !quantized(one)), packings.clone().any(quantized));
            return Self { singles, levels, halves: false, laid: levels && rows > SOME };
        }
        let singles = packings.clone().all(|one| one == Packing::F32);
        Self { singles, levels: false, halves: !singles, laid: false }
    }

    pub(super) const fn bits(self) -> u32 {
        self.singles as u32 | (self.levels as u32) << 1 | (self.halves as u32) << 2 | (self.laid as u32) << 3
    }
}

impl Inputs {
    fn sizes(rows: usize, columns: usize) -> [u64; 5] {
        // Rows are read eight at a time, those too that are none.
        let (rows, few) = (rows.next_multiple_of(8), rows.next_multiple_of(8).min(FEW));
        let [levels, sides] = Self::few_bytes(few, columns);
        [4 * rows * columns, levels, sides, 2 * rows * columns, 4 * rows].map(|bytes| bytes as u64)
    }

    /// What levels of a few rows take, and what stands beside them.
    pub(super) const fn few_bytes(rows: usize, columns: usize) -> [usize; 2] {
        let (rows, columns) = (rows.next_multiple_of(8), columns.next_multiple_of(CHUNK));
        [rows * columns, 16 * rows * (columns / BLOCK)]
    }

    /// What room for so many rows takes.
    pub fn bytes(rows: usize, columns: usize) -> u64 {
        Room::bytes_of(Self::sizes(rows, columns))
    }

    /// Takes it.
    pub fn cut(room: &mut Room, rows: usize, columns: usize) -> Result<Self, TensorError> {
        let [singles, levels, sides, halves, divided] = Self::sizes(rows, columns);
        Ok(Self {
            rows,
            columns,
            singles: room.cut(singles)?,
            levels: room.cut(levels)?,
            sides: room.cut(sides)?,
            halves: room.cut(halves)?,
            divided: room.cut(divided)?,
        })
    }

    pub(super) const fn pieces(&self) -> [&Piece; 5] {
        [&self.singles, &self.levels, &self.sides, &self.halves, &self.divided]
    }
}
