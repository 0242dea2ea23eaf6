//! Which products of a tile can still enter a list.

use super::{GROUP, TILE};
use crate::BLOCK_ROWS;
use crate::scan::wide::Wide;

/// A bit for each query of a group whose list a row can enter.
pub(crate) type Marks = [u32; BLOCK_ROWS];

/// Of queries: squares of lengths, reaches, and what may enter their lists.
pub(crate) type Reaches<'a> = (&'a [f32], &'a [f32], &'a [f32]);

/// What makes scores of the products of levels. For a row and a query:
/// `((row.square + query.square) + row.low · query.sum) + (row.step · query.scale) · (product − query.bias)`.
/// Never fused, so every processor has the same bits.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// The square of each row's length, or 0 where the metric has no use for it.
    pub square: [f32; BLOCK_ROWS],
    /// What its middle level means, times −1 or −2.
    pub low: [f32; BLOCK_ROWS],
    /// From level to level, times −1 or −2.
    pub step: [f32; BLOCK_ROWS],
}

/// The same of one query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factors {
    /// The square of the length.
    pub square: f32,
    /// The sum of the numbers.
    pub sum: f32,
    /// From level to level.
    pub scale: f32,
    /// The sum of the levels, times the middle.
    pub bias: i32,
}

/// The same of one row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowTerms {
    /// The square of the length, or 0.
    pub square: f32,
    /// What the middle level means, times −1 or −2.
    pub low: f32,
    /// From level to level, times −1 or −2.
    pub step: f32,
}

impl RowTerms {
    /// One score, in the order of operations that every kernel keeps.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest, on every path alike")]
    pub(crate) fn score(&self, query: &Factors, dot: i32) -> f32 {
        let dot = dot.wrapping_sub(query.bias) as f32;
        let base = (self.square + query.square) + self.low * query.sum;
        base + (self.step * query.scale) * dot
    }
}

impl Terms {
    /// The score of a row.
    #[inline(always)]
    pub(crate) fn score(&self, row: usize, query: &Factors, dot: i32) -> f32 {
        RowTerms { square: self.square[row], low: self.low[row], step: self.step[row] }.score(query, dot)
    }
}

/// The scores of all rows, and those that can enter a list.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn scores<W: Wide>(
    terms: &Terms,
    query: &Factors,
    (dots, worst): (&[i32; BLOCK_ROWS], f32),
    scores: &mut [f32; BLOCK_ROWS],
) -> u64 {
    let mut flags = [0_u8; BLOCK_ROWS];
    for row in 0..BLOCK_ROWS {
        let score = terms.score(row, query, dots[row]);
        scores[row] = score;
        // Also what is no number: it is told in doubles then.
        flags[row] = u8::from(score <= worst) | u8::from(score.is_nan());
    }
    let mut rows = 0;
    for (at, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        // Each flag's own power of two comes together in the highest byte.
        rows |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (at * 8);
    }
    rows
}

/// The same of the queries of a group, and what may enter their lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    /// The square of the length.
    pub square: &'a [f32],
    /// The sum of the numbers.
    pub sum: &'a [f32],
    /// From level to level.
    pub scale: &'a [f32],
    /// The sum of the levels, times the middle.
    pub bias: &'a [i32],
    /// A score above this cannot enter.
    pub worst: &'a [f32],
}

/// What the products of numbers tell of scores: `(square_r + square_q) + factor · product − reach_r · reach_q` is at most
/// the score.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Rows: a little less than the square of the length.
    pub square: [f32; BLOCK_ROWS],
    /// Rows: the length, times what a product can be wrong by.
    pub reach: [f32; BLOCK_ROWS],
    /// −1 or −2.
    pub factor: f32,
}

/// Marks what can enter, by products of levels; the rows that have a mark.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "iterators over registers are not always made part of the loop"
)]
pub(super) unsafe fn levels<W: Wide>(tile: &[i32], terms: &Terms, limits: &Limits, marks: &mut Marks) -> u64 {
    assert!(tile.len() >= TILE && limits.square.len() >= GROUP && limits.sum.len() >= GROUP);
    assert!(limits.scale.len() >= GROUP && limits.bias.len() >= GROUP && limits.worst.len() >= GROUP);
    marks.fill(0);
    let mut part = 0;
    while part < GROUP {
        // SAFETY: a register of each, within what was checked.
        unsafe {
            let square = W::load(limits.square.as_ptr().add(part));
            let sum = W::load(limits.sum.as_ptr().add(part));
            let scale = W::load(limits.scale.as_ptr().add(part));
            let bias = W::load_ints(limits.bias.as_ptr().add(part).cast());
            let worst = W::load(limits.worst.as_ptr().add(part));
            for row in 0..BLOCK_ROWS {
                let dot = W::load_ints(tile.as_ptr().add(row * GROUP + part).cast());
                let dot = W::to_f(W::sub_ints(dot, bias));
                let base = W::add(W::splat(terms.square[row]), square);
                let base = W::add(base, W::mul(W::splat(terms.low[row]), sum));
                let score = W::add(base, W::mul(W::mul(W::splat(terms.step[row]), scale), dot));
                marks[row] |= W::not_above(score, worst) << part;
            }
        }
        part += W::LANES;
    }
    rows(marks)
}

/// The rows that have a mark.
#[inline(always)]
fn rows(marks: &Marks) -> u64 {
    let mut rows = 0;
    for (row, mark) in marks.iter().enumerate() {
        rows |= u64::from(*mark != 0) << row;
    }
    rows
}

/// Marks what can enter, by products of numbers; the rows that have a mark.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "iterators over registers are not always made part of the loop"
)]
pub(super) unsafe fn floats<W: Wide>(
    tile: &[f32],
    bounds: &Bounds,
    (square, reach, worst): Reaches,
    marks: &mut Marks,
) -> u64 {
    assert!(tile.len() >= TILE && square.len() >= GROUP && reach.len() >= GROUP && worst.len() >= GROUP);
    marks.fill(0);
    let mut part = 0;
    while part < GROUP {
        // SAFETY: a register of each, within what was checked.
        unsafe {
            let square = W::load(square.as_ptr().add(part));
            let reach = W::load(reach.as_ptr().add(part));
            let worst = W::load(worst.as_ptr().add(part));
            let factor = W::splat(bounds.factor);
            for row in 0..BLOCK_ROWS {
                let dot = W::load(tile.as_ptr().add(row * GROUP + part));
                let base = W::add(W::splat(bounds.square[row]), square);
                let base = W::fma(factor, dot, base);
                let least = W::sub(base, W::mul(W::splat(bounds.reach[row]), reach));
                marks[row] |= W::not_above(least, worst) << part;
            }
        }
        part += W::LANES;
    }
    rows(marks)
}
