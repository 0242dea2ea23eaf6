//! Inputs rounded to eight bits, as the products with quantized weights take them.
//!
//! 32 numbers share a scale that is a half, or 256 one that is a single: llama.cpp's choice for the same weights, so that
//! results agree closely. Sums of inputs are kept beside them, with the other sign: of 32, or of 16 and of 32.

use super::packing::Rounding;
use crate::Crew;
use crate::half::{from_f16, to_f16};
use crate::wide::{Work, widest};

/// Rows that were rounded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounded {
    pub(crate) bytes: Vec<i8>,
    pub(crate) scales: Vec<f32>,
    /// Of 32 numbers, with the other sign.
    pub(crate) sums: Vec<i32>,
    /// Of 16.
    pub(crate) halves: Vec<i32>,
}

impl Rounded {
    /// With room for so many numbers.
    pub(crate) fn with_room(numbers: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(numbers),
            scales: Vec::with_capacity(numbers / 32),
            sums: Vec::with_capacity(numbers / 32),
            halves: Vec::with_capacity(numbers / 16),
        }
    }

    /// Bytes that so many numbers take.
    pub(crate) const fn room_bytes(numbers: usize) -> usize {
        numbers + 2 * (numbers / 32) * 4 + numbers / 16 * 4
    }

    /// Rounds rows, whose length is whole blocks.
    pub(crate) fn round(&mut self, crew: &Crew, rounding: Rounding, rows: &[f32], columns: usize) {
        let block = match rounding {
            Rounding::None => return,
            Rounding::By32 => 32,
            Rounding::By256 => 256,
        };
        self.bytes.resize(rows.len(), 0);
        self.scales.resize(rows.len() / block, 0.0);
        self.sums.resize(rows.len() / 32, 0);
        self.halves.resize(rows.len() / 16, 0);
        // A row takes about a microsecond; more than a few are worth a second thread.
        let run = if rows.len() >= 16_384 { columns } else { rows.len().max(block) };
        let parts = rows
            .chunks(run)
            .zip(self.bytes.chunks_mut(run))
            .zip(self.scales.chunks_mut(run / block))
            .zip(self.sums.chunks_mut(run / 32))
            .zip(self.halves.chunks_mut(run / 16))
            .map(|((((numbers, bytes), scales), sums), halves)| Part {
                block,
                numbers,
                bytes,
                scales,
                sums,
                halves,
            });
        if run < rows.len() { crew.over(parts, widest) } else { parts.for_each(widest) }
    }
}

struct Part<'a> {
    block: usize,
    numbers: &'a [f32],
    bytes: &'a mut [i8],
    scales: &'a mut [f32],
    sums: &'a mut [i32],
    halves: &'a mut [i32],
}

impl Work for Part<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { block, numbers, bytes, scales, sums, halves } = self;
        let blocks = numbers.chunks_exact(block).zip(bytes.chunks_exact_mut(block));
        for ((numbers, bytes), scale) in blocks.zip(scales) {
            *scale = if block == 32 { by_32(numbers, bytes) } else { by_256(numbers, bytes) };
        }
        for (sum, bytes) in halves.iter_mut().zip(bytes.chunks_exact(16)) {
            *sum = -bytes.iter().map(|byte| i32::from(*byte)).sum::<i32>();
        }
        for (sum, halves) in sums.iter_mut().zip(halves.chunks_exact(2)) {
            *sum = halves[0] + halves[1];
        }
    }
}

#[inline(always)]
fn greatest(numbers: &[f32]) -> f32 {
    let mut most = [0.0_f32; 16];
    for numbers in numbers.chunks_exact(16) {
        for (most, number) in most.iter_mut().zip(numbers) {
            *most = most.max(number.abs());
        }
    }
    most.into_iter().fold(0.0, f32::max)
}

#[inline(always)]
fn by_32(numbers: &[f32], bytes: &mut [i8]) -> f32 {
    let step = greatest(numbers) / 127.0;
    let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
    level(numbers, inverse, bytes);
    from_f16(to_f16(step))
}

#[inline(always)]
fn by_256(numbers: &[f32], bytes: &mut [i8]) -> f32 {
    let most = greatest(numbers);
    let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
    level(numbers, inverse, bytes);
    if inverse > 0.0 { 1.0 / inverse } else { 0.0 }
}

/// The nearest whole numbers, even ones between two; NaN becomes zero.
#[inline(always)]
fn level(numbers: &[f32], inverse: f32, bytes: &mut [i8]) {
    // In a single of this size the last bit stands for one: adding it rounds, and the number is what was added to its bits.
    const ONES: f32 = 12_582_912.0;
    for (byte, number) in bytes.iter_mut().zip(numbers) {
        let scaled = number * inverse;
        let scaled = if scaled.is_nan() { 0.0 } else { scaled.clamp(-127.0, 127.0) };
        let bits = (scaled + ONES).to_bits().wrapping_sub(ONES.to_bits());
        #[expect(clippy::cast_possible_truncation, reason = "between −127 and 127")]
        let whole = bits.cast_signed() as i8;
        *byte = whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_and_odd_numbers_do_no_harm() {
        let mut numbers: Vec<f32> = (0_u16..512).map(|n| (f32::from(n) * 0.37).sin() * 3.0).collect();
        numbers[70] = f32::NAN;
        numbers[130] = f32::INFINITY;
        numbers[300..364].fill(0.0);
        numbers[400] = 1e-42;
        for (rounding, block) in [(Rounding::By32, 32), (Rounding::By256, 256)] {
            let mut rounded = Rounded::default();
            rounded.round(&Crew::new(1), rounding, &numbers, 512);
            for (at, number) in numbers.iter().enumerate() {
                let around = &numbers[at / block * block..][..block];
                if around.iter().all(|number| number.is_finite()) {
                    let most = around.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
                    let back = f32::from(rounded.bytes[at]) * rounded.scales[at / block];
                    assert!(
                        (back - number).abs() <= most / 127.0 * 0.51 + most * 5e-4 + 1e-7,
                        "{at}: {back} {number}"
                    );
                }
            }
            assert_eq!(rounded.bytes[70], 0);
            for (at, sum) in rounded.sums.iter().enumerate() {
                let whole: i32 = rounded.bytes[at * 32..][..32].iter().map(|byte| i32::from(*byte)).sum();
                assert_eq!(*sum, -whole);
            }
        }
    }
}
