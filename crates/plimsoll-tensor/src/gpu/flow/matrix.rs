//! Packed weights on a device.

use super::Flow;
use super::room::{Piece, Room};
use crate::TensorError;
use crate::gpu::operand::halves;
use crate::packed::{PackedView, Packing};

/// Bytes that are brought at a time.
const STEP: usize = 8 << 20;
/// Numbers of a row are read so many at a time.
const LANE: usize = 8;

/// A matrix of packed weights on a device, in the same number of bytes as in its file.
///
/// Blocks begin at multiples of 16 bytes there, so that a thread reads a whole such piece: where a file has a scale in
/// each block that stands in the way, scales have a row of their own.
#[derive(Clone, Debug)]
pub struct DeviceMatrix {
    packing: Packing,
    rows: usize,
    columns: usize,
    blocks: Piece,
    scales: Piece,
}

/// How a block of a file is cut: its bytes before the rest, and where the scale is.
const fn cut(packing: Packing) -> Option<(usize, usize)> {
    match packing {
        // Bytes of a block, and where its scale begins.
        Packing::Q8_0 => Some((34, 0)),
        Packing::Q4_0 => Some((18, 0)),
        Packing::Q6K => Some((210, 208)),
        _ => None,
    }
}

impl DeviceMatrix {
    /// What it takes of a room.
    pub fn bytes(packing: Packing, rows: usize, columns: usize) -> u64 {
        let bytes = packing.bytes(columns).unwrap_or(0) as u64 * rows as u64;
        let scales = scale_bytes(packing, rows, columns);
        Room::bytes_of([bytes - scales, scales])
    }

    /// Brings a matrix. It is there when the next call that waits has returned.
    pub fn bring(flow: &Flow, room: &mut Room, view: &PackedView<'_>) -> Result<Self, TensorError> {
        const WHAT: &str = "bringing weights";
        let (packing, rows, columns) = (view.packing(), view.rows(), view.columns());
        if packing.block_numbers() == 1 && !columns.is_multiple_of(LANE) {
            let why = format!("rows of {columns} numbers of {packing}; a device takes multiples of {LANE}");
            return Err(TensorError::shape(WHAT, why));
        }
        let bytes = view.bytes();
        let scales = scale_bytes(packing, rows, columns);
        let matrix = Self {
            packing,
            rows,
            columns,
            blocks: room.cut(bytes.len() as u64 - scales)?,
            scales: room.cut(scales)?,
        };
        let Some((block, scale)) = cut(packing) else {
            for (number, step) in bytes.chunks(STEP).enumerate() {
                flow.bring(&matrix.blocks, (number * STEP) as u64, step)?;
            }
            return Ok(matrix);
        };
        let (mut rest, mut apart) = (Vec::with_capacity(STEP), Vec::new());
        let (mut at, mut scale_at) = (0, 0);
        for step in bytes.chunks(STEP / block * block) {
            rest.clear();
            apart.clear();
            for block in step.chunks_exact(block) {
                rest.extend_from_slice(&block[..scale]);
                rest.extend_from_slice(&block[scale + 2..]);
                apart.extend_from_slice(&block[scale..scale + 2]);
            }
            flow.bring(&matrix.blocks, at, &rest)?;
            flow.bring(&matrix.scales, scale_at, &apart)?;
            at += rest.len() as u64;
            scale_at += apart.len() as u64;
        }
        Ok(matrix)
    }

    /// The same matrix where another piece has what lies in one now.
    pub fn moved(&self, from: &Piece, to: &Piece) -> Result<Self, TensorError> {
        let (blocks, scales) = (self.blocks.moved(from, to)?, self.scales.moved(from, to)?);
        Ok(Self { blocks, scales, ..self.clone() })
    }

    /// What a product gives for each input.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// What a product takes.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// How its numbers are kept.
    pub const fn packing(&self) -> Packing {
        self.packing
    }

    pub(super) const fn pieces(&self) -> [&Piece; 2] {
        [&self.blocks, &self.scales]
    }

    /// `Weights` of `packings.cuh`, of a part of its rows.
    pub(super) fn words(&self, what: &'static str) -> Result<[u32; 8], TensorError> {
        let [low, high] = halves(self.blocks.at(what, 0, self.blocks.bytes())?);
        let [scales_low, scales_high] = halves(self.scales.at(what, 0, self.scales.bytes())?);
        let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let kind = Packing::ALL.iter().position(|one| *one == self.packing).unwrap_or(0);
        Ok([low, high, scales_low, scales_high, small(kind), small(self.rows), small(self.columns), 0])
    }
}

fn scale_bytes(packing: Packing, rows: usize, columns: usize) -> u64 {
    if cut(packing).is_none() {
        return 0;
    }
    2 * rows as u64 * (columns / packing.block_numbers()) as u64
}
