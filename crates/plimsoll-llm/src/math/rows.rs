//! Operations on single rows.

use plimsoll_tensor::exp;
use plimsoll_tensor::wide::Work;

/// Adds a row to another.
pub(crate) fn add(into: &mut [f32], row: &[f32]) {
    for (into, number) in into.iter_mut().zip(row) {
        *into += number;
    }
}

/// Rows divided by their root mean square, times the weights.
pub(crate) struct Normalize<'a> {
    pub(crate) rows: &'a [f32],
    pub(crate) weights: &'a [f32],
    pub(crate) epsilon: f32,
    pub(crate) into: &'a mut [f32],
}

impl Work for Normalize<'_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
    #[inline(always)]
    fn run(self) {
        let width = self.weights.len();
        for (row, into) in self.rows.chunks_exact(width).zip(self.into.chunks_exact_mut(width)) {
            let mut squares = [0.0_f64; 8];
            let eights = row.chunks_exact(8);
            for (square, number) in squares.iter_mut().zip(eights.remainder()) {
                *square += f64::from(number * number);
            }
            for eight in eights {
                for (square, number) in squares.iter_mut().zip(eight) {
                    *square += f64::from(number * number);
                }
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "a mean of singles"
            )]
            let mean = (squares.iter().sum::<f64>() / row.len().max(1) as f64) as f32;
            let factor = 1.0 / (mean + self.epsilon).sqrt();
            for ((into, number), weight) in into.iter_mut().zip(row).zip(self.weights) {
                *into = number * factor * weight;
            }
        }
    }
}

/// `gate ← silu(gate) × up`, as the feed-forward part of these models has it.
pub(crate) struct Gate<'a> {
    pub(crate) gate: &'a mut [f32],
    pub(crate) up: &'a [f32],
}

impl Work for Gate<'_> {
    #[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
    #[inline(always)]
    fn run(self) {
        for (gate, up) in self.gate.iter_mut().zip(self.up) {
            *gate = *gate / (1.0 + exp(-*gate)) * up;
        }
    }
}
