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
    bytes: Vec<i8>,
    scales: Vec<f32>,
    /// A row of weights as singles, or its scales.
    weights: Vec<f32>,
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
    let Inputs { rows, bytes, scales, weights, .. } = inputs;
    let stored = matrix.of(file);
    if matrix.kind == Kind::Q8 {
        weights.resize(matrix.columns / Q8_NUMBERS, 0.0);
        widest(Whole { matrix, stored, bytes, scales, weights, out });
    } else {
        weights.resize(matrix.columns, 0.0);
        widest(Singles { matrix, stored, rows, weights, out });
    }
}

/// Rounds numbers, 32 with one scale.
struct Round<'a> {
    numbers: &'a [f32],
    bytes: &'a mut [i8],
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
                {
                    *byte = (number * inverse).round_ties_even() as i8;
                }
            }
            *scale = from_f16(to_f16(step));
        }
    }
}

/// Bytes times bytes, in whole numbers.
struct Whole<'a> {
    matrix: &'a Matrix,
    stored: &'a [u8],
    bytes: &'a [i8],
    scales: &'a [f32],
    weights: &'a mut [f32],
    out: &'a mut [f32],
}

impl Work for Whole<'_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
    #[inline(always)]
    fn run(self) {
        let Self { matrix, stored, bytes, scales, weights, out } = self;
        let blocks = matrix.columns / Q8_NUMBERS;
        for (number, row) in stored.chunks_exact(blocks * Q8_BYTES).enumerate() {
            for (weight, block) in weights.iter_mut().zip(row.chunks_exact(Q8_BYTES)) {
                *weight = from_f16(u16::from_le_bytes([block[0], block[1]]));
            }
            let inputs = bytes.chunks_exact(matrix.columns).zip(scales.chunks_exact(blocks));
            for ((bytes, scales), out) in inputs.zip(out.chunks_exact_mut(matrix.rows)) {
                out[number] = product(row, weights, bytes, scales);
            }
        }
    }
}

/// One row of weights times one input.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
fn product(row: &[u8], weights: &[f32], bytes: &[i8], scales: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let blocks = row.chunks_exact(Q8_BYTES).zip(bytes.chunks_exact(Q8_NUMBERS));
    for ((block, input), (weight, scale)) in blocks.zip(weights.iter().zip(scales)) {
        let (Some(block), Some(input)) = (block[2..].first_chunk::<32>(), input.first_chunk::<32>()) else {
            continue;
        };
        // Two products fit sixteen bits: inputs are at most 127, weights at most 128.
        let mut pairs = [0_i16; 16];
        for (at, pair) in pairs.iter_mut().enumerate() {
            let first = i16::from(block[at].cast_signed()).wrapping_mul(i16::from(input[at]));
            let second = i16::from(block[at + 16].cast_signed()).wrapping_mul(i16::from(input[at + 16]));
            *pair = first.wrapping_add(second);
        }
        let factor = weight * scale;
        for (at, sum) in sums.iter_mut().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "below 2¹⁸")]
            let whole = (i32::from(pairs[at]) + i32::from(pairs[at + 8])) as f32;
            *sum += whole * factor;
        }
    }
    sums.iter().sum()
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
