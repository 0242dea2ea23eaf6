//! Operations on single rows.

/// How many sums are kept side by side, so that they become lanes of vectors.
const LANES: usize = 16;

/// The sum of products.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
pub(crate) fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
    let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (one, other) in ones.zip(others) {
        for ((sum, a), b) in sums.iter_mut().zip(one).zip(other) {
            *sum += a * b;
        }
    }
    rest + sums.iter().sum::<f32>()
}

/// Adds `factor` times a row to another.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
pub(crate) fn add(into: &mut [f32], factor: f32, row: &[f32]) {
    for (into, number) in into.iter_mut().zip(row) {
        *into += factor * number;
    }
}

/// Multiplies a row.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
pub(crate) fn scale(row: &mut [f32], factor: f32) {
    for number in row {
        *number *= factor;
    }
}

/// A row divided by its root mean square, times the weights.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a mean of singles")]
pub(crate) fn normalize(row: &[f32], weights: &[f32], epsilon: f32, into: &mut [f32]) {
    let squares: f64 = row.iter().map(|number| f64::from(number * number)).sum();
    let mean = (squares / row.len().max(1) as f64) as f32;
    let factor = 1.0 / (mean + epsilon).sqrt();
    for ((into, number), weight) in into.iter_mut().zip(row).zip(weights) {
        *into = number * factor * weight;
    }
}

/// `gate ← silu(gate) × up`, as the feed-forward part of these models has it.
pub(crate) fn gate(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + (-*gate).exp()) * up;
    }
}
