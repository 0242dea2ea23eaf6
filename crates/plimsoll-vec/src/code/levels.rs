//! Vectors as levels of a range: a byte or half a byte a number.

use crate::Codec;

/// What a level means: `low + step · level`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    /// The number at level 0.
    pub low: f32,
    /// From level to level.
    pub step: f32,
}

impl Range {
    /// From a row's side. Levels of `int8` are told as they lie in memory with their sign turned: 1..=255, zero at 128.
    pub(crate) fn read(codec: Codec, side: &[u8]) -> Self {
        let float = |at: usize| f32::from_le_bytes([side[at], side[at + 1], side[at + 2], side[at + 3]]);
        if codec == Codec::Int8 {
            Self { low: -128.0 * float(0), step: float(0) }
        } else {
            Self { low: float(0), step: float(4) }
        }
    }

    /// Between the least and the greatest, in `levels` steps. Halved on the way: the width of a range may be above the
    /// largest single, a step never is.
    fn between(vector: &[f32], levels: f32) -> Self {
        let low = vector.iter().copied().fold(f32::INFINITY, f32::min);
        let high = vector.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        Self { low, step: (high * 0.5 - low * 0.5) / (levels * 0.5) }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
    fn level(self, x: f32, most: f64) -> u8 {
        if self.step == 0.0 {
            return 0;
        }
        ((f64::from(x) - f64::from(self.low)) / f64::from(self.step)).round().clamp(0.0, most) as u8
    }
}

/// Writes code and side.
pub(crate) fn write(codec: Codec, vector: &[f32], code: &mut [u8], side: &mut [u8]) {
    match codec {
        Codec::Int8 => symmetric(vector, code, side),
        Codec::Int8Affine => {
            let range = Range::between(vector, 255.0);
            for (x, byte) in vector.iter().zip(code) {
                *byte = range.level(*x, 255.0);
            }
            put(side, &[range.low, range.step]);
        }
        _ => {
            let range = nearest(vector, Range::between(vector, 15.0));
            let (front, back) = vector.split_at(code.len());
            for (at, (x, byte)) in front.iter().zip(code).enumerate() {
                // Where there is no number stands the middle, which counts as nothing.
                let upper = back.get(at).map_or(8, |x| range.level(*x, 15.0));
                *byte = range.level(*x, 15.0) | upper << 4;
            }
            put(side, &[range.low, range.step]);
        }
    }
}

/// Parts of the whole range that are tried for half a byte.
const PARTS: [f32; 6] = [1.0, 0.92, 0.84, 0.76, 0.68, 0.6];

/// The range whose levels are nearest to the vector: with sixteen levels it pays to clip the few largest numbers, where
/// the rest are told more finely for it.
fn nearest(vector: &[f32], whole: Range) -> Range {
    let mut best = (whole, f64::INFINITY);
    for part in PARTS {
        let cut = (1.0 - part) * 7.5;
        let range = Range { low: whole.low + cut * whole.step, step: whole.step * part };
        let square = |x: &f32| {
            let level = f64::from(range.level(*x, 15.0));
            (f64::from(*x) - f64::from(range.low) - f64::from(range.step) * level).powi(2)
        };
        let error: f64 = vector.iter().map(square).sum();
        if error < best.1 {
            best = (range, error);
        }
    }
    best.0
}

/// −127..=127 times a scale.
fn symmetric(vector: &[f32], code: &mut [u8], side: &mut [u8]) {
    let scale = quantize(vector, 127.0, |at, level| code[at] = level.cast_unsigned());
    put(side, &[scale]);
}

/// Gives each number its level of −most..=most, and returns the scale.
#[expect(clippy::cast_possible_truncation, reason = "at most 127")]
pub(crate) fn quantize(vector: &[f32], most: f32, mut each: impl FnMut(usize, i8)) -> f32 {
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = largest / most;
    let turn = if scale > 0.0 { 1.0 / f64::from(scale) } else { 0.0 };
    for (at, x) in vector.iter().enumerate() {
        let most = f64::from(most);
        each(at, (f64::from(*x) * turn).round().clamp(-most, most) as i8);
    }
    scale
}

fn put(side: &mut [u8], floats: &[f32]) {
    for (bytes, float) in side.chunks_exact_mut(4).zip(floats) {
        bytes.copy_from_slice(&float.to_le_bytes());
    }
}

/// The level of a number.
pub(crate) fn level(codec: Codec, code: &[u8], at: usize) -> u8 {
    match codec {
        Codec::Int8 => code[at] ^ 0x80,
        Codec::Int8Affine => code[at],
        _ if at < code.len() => code[at] & 15,
        _ => code[at - code.len()] >> 4,
    }
}

/// Reads the numbers back.
#[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
pub(crate) fn read(codec: Codec, code: &[u8], side: &[u8], vector: &mut [f32]) {
    let range = Range::read(codec, side);
    for (at, x) in vector.iter_mut().enumerate() {
        // In doubles: at −128 times the largest scale a single would overflow before the sum is small again.
        let level = f64::from(level(codec, code, at));
        *x = match codec {
            Codec::Int8 => (f64::from(range.step) * (level - 128.0)) as f32,
            _ => (f64::from(range.step) * level + f64::from(range.low)) as f32,
        };
    }
}
