//! Vectors as signs, and as four planes of bits.
//!
//! After the rotation a vector's numbers are nearly normal with one spread. A sign stands for `±a`; four bits stand for one of
//! sixteen [`LEVELS`], closer together where numbers are frequent, of which the uppermost bit is the sign. What matters in
//! a search is the product with a query: for a code `z` of the vector `x` it is told as `⟨q, z⟩ · |x|² / ⟨x, z⟩`, which is
//! right on average over directions of `q`, where the nearest point on the line of `z` would be short by the cosine
//! between the two.

use half::f16;

use super::layout::sign_at;
use crate::BLOCK_ROWS;

/// What four bits stand for, the lowest eight turned round: the best sixteen levels for normal numbers (Lloyd and Max), of
/// which 46 are a spread. Small enough for a byte, so that products are products of bytes.
const LEVELS: [u8; 8] = [6, 18, 30, 43, 58, 74, 95, 126];

/// The levels as bytes from 0 on, with 128 in the middle, by code.
pub(crate) const LEVEL_BYTES: [u8; 16] = {
    let mut bytes = [0; 16];
    let mut at = 0;
    while at < 8 {
        bytes[8 + at] = 128 + LEVELS[at];
        bytes[7 - at] = 128 - LEVELS[at];
        at += 1;
    }
    bytes
};

/// What a row's side says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Side {
    /// The length of the vector.
    pub length: f32,
    /// A sign times this stands for a number.
    pub sign: f32,
    /// A level times this stands for a number.
    pub level: f32,
}

impl Side {
    /// From a row's side: the length, then what the two factors would be for a vector whose numbers are all one. `root` is
    /// 1 / √dimension: rows are many, and a root is dear.
    #[inline]
    pub(crate) fn read(side: &[u8], root: f32) -> Self {
        let length = f32::from_le_bytes([side[0], side[1], side[2], side[3]]);
        let spread = length * root;
        Self { length, sign: half(side[4], side[5]) * spread, level: half(side[6], side[7]) * spread }
    }
}

/// A half that is not negative: shifted to where a single has its parts, then scaled.
#[inline]
fn half(low: u8, high: u8) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes([low, high])) << 13) * f32::from_bits(0x7780_0000)
}

/// 1 / √dimension.
#[expect(clippy::cast_precision_loss, reason = "at most 65,536")]
pub(crate) fn root(dimension: usize) -> f32 {
    1.0 / (dimension as f32).sqrt()
}

/// Other units that are tried, in usual ones.
const UNITS: [f64; 6] = [0.72, 0.84, 0.93, 1.07, 1.18, 1.36];

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
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "written as singles and halves"
    )]
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
            let (unit, product) = best_unit(vector, spread);
            if product > 0.0 {
                // In units of a level: about 1 / 46, as levels are.
                level = length * root / product;
            }
            let planes = self.lower.chunks_exact_mut(bytes).zip([4, 2, 1]);
            for (plane, weight) in planes {
                for (byte, eight) in plane.iter_mut().zip(vector.chunks(8)) {
                    *byte = bits(eight, |x| code(x, unit) & weight != 0);
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

/// Which of the levels is nearest to a size in units.
#[inline]
fn nearest(size: f32) -> usize {
    let mut level = 0;
    for at in 0..LEVELS.len() - 1 {
        level += usize::from(size > f32::from(LEVELS[at]).midpoint(f32::from(LEVELS[at + 1])));
    }
    level
}

/// The four bits of a number; `unit` is how many levels a number of one is. A number's sign decides the uppermost, also that
/// of a zero.
#[expect(clippy::cast_possible_truncation, reason = "0 to 15")]
fn code(x: f32, unit: f32) -> u8 {
    let level = nearest(x.abs() * unit) as u8;
    if x.is_sign_negative() { 7 - level } else { 8 + level }
}

/// The share of a normal vector's square that its code loses, .0095, and a little: with no more than this the usual unit is
/// taken. Neighbours that are told in one unit are wrong alike, which leaves their order right more often than if each had
/// the unit that suits it a little better (recall .875 against .862, on clustered vectors).
const USUAL_LOSS: f64 = 0.0115;

/// The unit, and the product of vector and code: the usual, or where that loses more than usual the one whose code is nearest
/// in direction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a unit in singles is near enough"
)]
fn best_unit(vector: &[f32], spread: f64) -> (f32, f64) {
    let length = spread * spread * vector.len() as f64;
    let try_unit = |unit: f64| {
        let unit = if spread > 0.0 { (46.0 * unit / spread) as f32 } else { 0.0 };
        let (mut product, mut square) = (0.0, 0.0);
        for x in vector {
            let level = f64::from(LEVELS[nearest(x.abs() * unit)]);
            product += level * f64::from(x.abs());
            square += level * level;
        }
        let loss = if length > 0.0 { 1.0 - product * product / (square * length) } else { 0.0 };
        (unit, product, loss)
    };
    let mut best = try_unit(1.0);
    if best.2 > USUAL_LOSS {
        for unit in UNITS {
            let other = try_unit(unit);
            if other.2 < best.2 {
                best = other;
            }
        }
    }
    (best.0, best.1)
}

/// The level of a number: −126 to 126, or −1 and 1 of a sign alone.
pub(crate) fn level_of(signs: &[u8], row: usize, lower: &[u8], at: usize) -> i32 {
    let bytes = signs.len() / BLOCK_ROWS;
    let bit = |byte: u8| byte >> (at % 8) & 1;
    let sign = bit(signs[sign_at(bytes, row, at / 8)]);
    if lower.is_empty() {
        return i32::from(sign) * 2 - 1;
    }
    let plane = |plane: usize| bit(lower[plane * bytes + at / 8]);
    let code = sign << 3 | plane(0) << 2 | plane(1) << 1 | plane(2);
    i32::from(LEVEL_BYTES[usize::from(code)]) - 128
}

/// Reads the numbers back: the nearest point on the code's line, still rotated.
#[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
pub(crate) fn read(signs: &[u8], row: usize, side: &[u8], lower: &[u8], vector: &mut [f32]) {
    let side = Side::read(side, root(vector.len()));
    let scale = f64::from(if lower.is_empty() { side.sign } else { side.level });
    let square: f64 = (0..vector.len()).map(|at| f64::from(level_of(signs, row, lower, at)).powi(2)).sum();
    let length = f64::from(side.length);
    // The factor in the side is |x|² / ⟨x, z⟩; the nearest point has ⟨x, z⟩ / ⟨z, z⟩.
    let factor = if scale > 0.0 { length * length / (scale * square) } else { 0.0 };
    for (at, x) in vector.iter_mut().enumerate() {
        *x = (factor * f64::from(level_of(signs, row, lower, at))) as f32;
    }
}
