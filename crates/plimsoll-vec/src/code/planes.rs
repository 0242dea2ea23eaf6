//! Vectors as signs, and as four planes of bits.
//!
//! After the rotation a vector's numbers are nearly normal with one spread. A sign stands for `±a`; four bits `c` stand for
//! `step · (c − 7.5)`, of which the uppermost bit is the sign. What matters in a search is the product with a query: for a
//! code `z` of the vector `x` it is told as `⟨q, z⟩ · |x|² / ⟨x, z⟩`, which is right on average over directions of `q`, where
//! the nearest point on the line of `z` would be short by the cosine between the two.

use half::f16;

use super::layout::sign_at;
use crate::BLOCK_ROWS;

/// What a row's side says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Side {
    /// The length of the vector.
    pub length: f32,
    /// A sign times this stands for a number.
    pub sign: f32,
    /// A level's distance from the middle, `c − 7.5`, times this stands for a number.
    pub level: f32,
}

impl Side {
    /// From a row's side: the length, then what the two factors would be for a vector whose numbers are all one.
    pub(crate) fn read(side: &[u8], dimension: usize) -> Self {
        let length = f32::from_le_bytes([side[0], side[1], side[2], side[3]]);
        let spread = length / (dimension as f32).sqrt();
        let part = |at: usize| f16::from_bits(u16::from_le_bytes([side[at], side[at + 1]])).to_f32();
        Self { length, sign: part(4) * spread, level: part(6) * spread }
    }
}

/// Steps that are tried, in spreads of the vector: around the best for a normal distribution, .335.
const STEPS: [f64; 7] = [0.24, 0.28, 0.31, 0.335, 0.36, 0.40, 0.46];

/// The planes of one vector, on the way into its block.
#[derive(Debug)]
pub(crate) struct Planes<'a> {
    /// The signs of all rows of the block.
    pub signs: &'a mut [u8],
    /// Which row.
    pub row: usize,
    /// The row's side.
    pub side: &'a mut [u8],
    /// The row's lower planes; empty where only signs are kept.
    pub lower: &'a mut [u8],
}

impl Planes<'_> {
    /// Writes a vector that has been shaped.
    #[expect(clippy::cast_possible_truncation, reason = "written as singles and halves")]
    pub(crate) fn write(self, vector: &[f32]) {
        let bytes = self.signs.len() / BLOCK_ROWS;
        let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        let total: f64 = vector.iter().map(|x| f64::from(x.abs())).sum();
        let root = (vector.len() as f64).sqrt();
        let length = square.sqrt();
        let spread = length / root;
        for (byte, eight) in vector.chunks(8).enumerate() {
            self.signs[sign_at(bytes, self.row, byte)] = bits(eight, |x| !x.is_sign_negative());
        }
        let sign = if total > 0.0 { length * root / total } else { 0.0 };
        let mut level = 0.0;
        if !self.lower.is_empty() {
            let (step, product) = best_step(vector, spread);
            if product > 0.0 {
                level = length * root / product;
            }
            let planes = self.lower.chunks_exact_mut(bytes).zip([4, 2, 1]);
            for (plane, weight) in planes {
                for (byte, eight) in plane.iter_mut().zip(vector.chunks(8)) {
                    *byte = bits(eight, |x| code(x, step) & weight != 0);
                }
            }
        }
        self.side[..4].copy_from_slice(&(length.min(f64::from(f32::MAX)) as f32).to_le_bytes());
        self.side[4..6].copy_from_slice(&f16::from_f64(sign).to_le_bytes());
        self.side[6..].copy_from_slice(&f16::from_f64(level).to_le_bytes());
    }
}

/// Up to eight answers as a byte, the first lowest.
fn bits(eight: &[f32], answer: impl Fn(f32) -> bool) -> u8 {
    eight.iter().enumerate().fold(0, |byte, (at, x)| byte | u8::from(answer(*x)) << at)
}

/// The four bits of a number. A number's sign decides the uppermost, also that of a zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 15")]
fn code(x: f32, step: f64) -> u8 {
    let size = if step > 0.0 { (f64::from(x.abs()) / step).min(7.0) as u8 } else { 0 };
    if x.is_sign_negative() { 7 - size } else { 8 + size }
}

/// The step whose code is nearest in direction, and the product of vector and code.
fn best_step(vector: &[f32], spread: f64) -> (f64, f64) {
    let mut best = (0.0, 0.0, -1.0);
    for step in STEPS.map(|step| step * spread) {
        let (mut product, mut square) = (0.0, 0.0);
        for x in vector {
            let size = if step > 0.0 { (f64::from(x.abs()) / step).min(7.0).floor() + 0.5 } else { 0.5 };
            product += size * f64::from(x.abs());
            square += size * size;
        }
        let near = product / square.sqrt();
        if near > best.2 {
            best = (step, product, near);
        }
    }
    (best.0, best.1)
}

/// The level of a number, twice its distance from the middle: −15 to 15, or −1 and 1 of a sign alone.
pub(crate) fn twice(signs: &[u8], row: usize, lower: &[u8], at: usize) -> i32 {
    let bytes = signs.len() / BLOCK_ROWS;
    let bit = |byte: u8| i32::from(byte >> (at % 8) & 1);
    let sign = bit(signs[sign_at(bytes, row, at / 8)]);
    if lower.is_empty() {
        return sign * 2 - 1;
    }
    let plane = |plane: usize| bit(lower[plane * bytes + at / 8]);
    2 * (sign * 8 + plane(0) * 4 + plane(1) * 2 + plane(2)) - 15
}

/// Reads the numbers back: the nearest point on the code's line, still rotated.
#[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
pub(crate) fn read(signs: &[u8], row: usize, side: &[u8], lower: &[u8], vector: &mut [f32]) {
    let side = Side::read(side, vector.len());
    let scale = f64::from(if lower.is_empty() { side.sign } else { side.level * 0.5 });
    let square: f64 = (0..vector.len()).map(|at| f64::from(twice(signs, row, lower, at)).powi(2)).sum();
    let length = f64::from(side.length);
    // The factor in the side is |x|² / ⟨x, z⟩; the nearest point has ⟨x, z⟩ / ⟨z, z⟩.
    let factor = if scale > 0.0 { length * length / (scale * square) } else { 0.0 };
    for (at, x) in vector.iter_mut().enumerate() {
        *x = (factor * f64::from(twice(signs, row, lower, at))) as f32;
    }
}
