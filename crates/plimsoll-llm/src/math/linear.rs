//! Rows of numbers times a matrix of weights.
//!
//! Weights of type `q8_0` meet inputs that are rounded to eight bits themselves, 32 numbers with one scale: products of
//! bytes are summed as whole numbers, and only the sums of 32 become singles. That is also what llama.cpp does, so that
//! results agree closely; and it is several times faster than making singles of the weights. Other weights are made
//! singles row by row.

use super::half::{from_f16, to_f16};
use super::rows::dot;
use super::wide::{Work, widest};
use crate::weights::{Kind, Matrix, Q8_BYTES, Q8_NUMBERS, decode};

/// Input rows, and the same rounded to eight bits once they are needed so.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    columns: usize,
    rows: Vec<f32>,
    rounded: bool,
    /// Eight bits each, in sixteen: what they are multiplied as.
    bytes: Vec<i16>,
    scales: Vec<f32>,
    /// A row of weights: as singles, or as bytes with their scales.
    weights: Vec<f32>,
    weight_bytes: Vec<i16>,
}

impl Inputs {
    /// So many rows of so many numbers, to be written.
    pub(crate) fn rows_mut(&mut self, columns: usize, rows: usize) -> &mut [f32] {
        self.columns = columns;
        self.rounded = false;
        self.rows.resize(columns * rows, 0.0);
        &mut self.rows
    }

    fn round(&mut self) {
        if self.rounded {
            return;
        }
        self.rounded = true;
        self.bytes.resize(self.rows.len(), 0);
        self.scales.resize(self.rows.len() / Q8_NUMBERS, 0.0);
        widest(Round { numbers: &self.rows, bytes: &mut self.bytes, scales: &mut self.scales });
    }
}

/// Multiplies every input row by the matrix: `out` gets a row of `matrix.rows` numbers for each.
pub(crate) fn linear(matrix: &Matrix, file: &[u8], inputs: &mut Inputs, out: &mut [f32]) {
    debug_assert_eq!(matrix.columns, inputs.columns);
    if matrix.kind == Kind::Q8 {
        inputs.round();
    }
    let Inputs { rows, bytes, scales, weights, weight_bytes, .. } = inputs;
    let stored = matrix.of(file);
    if matrix.kind == Kind::Q8 {
        let (row, row_scales) = (weight_bytes, weights);
        widest(Whole { matrix, stored, bytes, scales, row, row_scales, out });
    } else {
        weights.resize(matrix.columns, 0.0);
        widest(Singles { matrix, stored, rows, weights, out });
    }
}

/// Rounds numbers, 32 with one scale.
struct Round<'a> {
    numbers: &'a [f32],
    bytes: &'a mut [i16],
    scales: &'a mut [f32],
}

impl Work for Round<'_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
    #[inline(always)]
    fn run(self) {
        let blocks = self.numbers.chunks_exact(Q8_NUMBERS).zip(self.bytes.chunks_exact_mut(Q8_NUMBERS));
        for ((numbers, bytes), scale) in blocks.zip(self.scales) {
            let most = numbers.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
            let step = most / 127.0;
            let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
            for (byte, number) in bytes.iter_mut().zip(numbers) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the cast saturates, and NaN becomes zero"
                )]
                let rounded = (number * inverse).round_ties_even() as i8;
                *byte = i16::from(rounded);
            }
            *scale = from_f16(to_f16(step));
        }
    }
}

/// Bytes times bytes, in whole numbers.
struct Whole<'a> {
    matrix: &'a Matrix,
    stored: &'a [u8],
    bytes: &'a [i16],
    scales: &'a [f32],
    /// A row of weights: its bytes and its scales.
    row: &'a mut Vec<i16>,
    row_scales: &'a mut Vec<f32>,
    out: &'a mut [f32],
}

impl Work for Whole<'_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
    #[inline(always)]
    fn run(self) {
        let Self { matrix, stored, bytes, scales, row, row_scales, out } = self;
        let blocks = matrix.columns / Q8_NUMBERS;
        row.resize(matrix.columns, 0);
        row_scales.resize(blocks, 0.0);
        for (number, stored) in stored.chunks_exact(blocks * Q8_BYTES).enumerate() {
            let pieces = row.chunks_exact_mut(Q8_NUMBERS).zip(row_scales.iter_mut());
            for ((weights, scale), block) in pieces.zip(stored.chunks_exact(Q8_BYTES)) {
                *scale = from_f16(u16::from_le_bytes([block[0], block[1]]));
                // Through a copy: of two slices the compiler does not know that they are apart, and would move them
                // byte by byte.
                if let (Some(weights), Some(bytes)) = (weights.first_chunk_mut(), block[2..].first_chunk()) {
                    let bytes: [u8; Q8_NUMBERS] = *bytes;
                    let wide: [i16; Q8_NUMBERS] =
                        std::array::from_fn(|at| i16::from(bytes[at].cast_signed()));
                    *weights = wide;
                }
            }
            for token in 0..scales.len() / blocks {
                let bytes = &bytes[token * matrix.columns..][..matrix.columns];
                let scales = &scales[token * blocks..][..blocks];
                out[token * matrix.rows + number] = product(row, row_scales, bytes, scales);
            }
        }
    }
}

/// One row of weights times one input.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
fn product(row: &[i16], row_scales: &[f32], bytes: &[i16], scales: &[f32]) -> f32 {
    let mut sum = 0.0;
    let blocks = row.chunks_exact(Q8_NUMBERS).zip(bytes.chunks_exact(Q8_NUMBERS));
    for ((weights, inputs), (row_scale, scale)) in blocks.zip(row_scales.iter().zip(scales)) {
        // Written so that it becomes the instruction that multiplies pairs of sixteen bits and adds them up. No sum comes
        // near its bounds; wrapping spares a build that checks for overflow the checks, which vectors cannot do.
        let mut whole = 0_i32;
        for (weight, input) in weights.iter().zip(inputs) {
            whole = whole.wrapping_add(i32::from(*weight).wrapping_mul(i32::from(*input)));
        }
        #[expect(clippy::cast_precision_loss, reason = "below 2²⁰")]
        let whole = whole as f32;
        sum += whole * (row_scale * scale);
    }
    sum
}

/// Singles times singles.
struct Singles<'a> {
    matrix: &'a Matrix,
    stored: &'a [u8],
    rows: &'a [f32],
    weights: &'a mut [f32],
    out: &'a mut [f32],
}

impl Work for Singles<'_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
    #[inline(always)]
    fn run(self) {
        let Self { matrix, stored, rows, weights, out } = self;
        for (number, row) in stored.chunks_exact(matrix.kind.bytes(matrix.columns)).enumerate() {
            decode(matrix.kind, row, weights);
            for (input, out) in rows.chunks_exact(matrix.columns).zip(out.chunks_exact_mut(matrix.rows)) {
                out[number] = dot(weights, input);
            }
        }
    }
}
