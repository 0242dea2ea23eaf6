//! Codes of groups: which word is nearest to a group of numbers, and what the words of a row add up to for a query.
//!
//! A query has a table of sixteen bytes for each group, and one instruction looks a group up for as many rows as a
//! register has bytes. Entries are at most [`ENTRY_MOST`], so four groups add up within a byte and [`PAIRS_MOST`] pairs
//! within sixteen bits: all sums are exact, and every processor has the same. A score follows from a sum by five operations
//! in doubles, in one order, never fused; so scores are the same too.

use super::Terms;
use crate::BLOCK_ROWS;
use crate::code::Gain;
use crate::scan::wide::Wide;

/// Vectors whose numbers stand side by side to be compared with words.
pub(crate) const LOT: usize = 16;

/// The most that a table says of a group.
pub(crate) const ENTRY_MOST: u8 = 63;

/// Pairs of groups whose sums still fit sixteen bits, a multiple of two.
pub(crate) const PAIRS_MOST: usize = 512;

/// The codes of a block against the tables of some queries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableRows<'a> {
    /// For each two groups a byte a row.
    pub codes: &'a [u8],
    /// How many times two groups, at most [`PAIRS_MOST`].
    pub pairs: usize,
    /// The queries' tables, one query after the other: sixteen bytes a group.
    pub tables: &'a [u8],
    /// From query to query.
    pub stride: usize,
}

/// What the groups of each row add up to.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct TableSums {
    /// Of even rows.
    pub(super) even: [u16; BLOCK_ROWS / 2],
    /// Of odd rows.
    pub(super) odd: [u16; BLOCK_ROWS / 2],
    /// The least of all.
    pub least: u16,
}

impl TableSums {
    /// All zero.
    pub(crate) const ZERO: Self = Self { even: [0; BLOCK_ROWS / 2], odd: [0; BLOCK_ROWS / 2], least: 0 };

    /// That of a row.
    #[inline]
    pub(crate) fn of(&self, row: usize) -> u16 {
        if row.is_multiple_of(2) { self.even[row / 2] } else { self.odd[row / 2] }
    }
}

/// Something for each row of a block: the even rows, then the odd ones, as their sums lie.
pub(crate) type ByHalves<T> = [[T; BLOCK_ROWS / 2]; 2];

/// What makes scores of sums, for each row of a block.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Gains {
    factors: ByHalves<f64>,
    /// The squares of lengths where distances are wanted, else zeros.
    squares: ByHalves<f64>,
}

/// Between what the rows of a block are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// Between these are all factors.
    factors: [f64; 2],
    /// No square is less; zero where distances are not wanted.
    square: f64,
}

/// What the sums of a query mean.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    /// What every score begins with: of distances the square of the query.
    pub base: f64,
    /// The product with a row whose words all add least, its sign turned; of distances twice.
    pub offset: f64,
    /// From sum to sum.
    pub each: f64,
}

impl Step {
    /// The score of a row. A zero is 0 and not −0.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a score is a single; what is larger is infinite")]
    pub(crate) fn score(&self, sum: u32, factor: f64, square: f64) -> f32 {
        ((self.offset + self.each * f64::from(sum)) * factor + (self.base + square)) as f32 + 0.0
    }

    /// No row of a block whose least sum is this has a score below. Each operation keeps the order of what goes into it, so
    /// the bound holds to the bit.
    pub(crate) fn bound(&self, least: u32, reach: &Reach) -> f32 {
        let product = self.offset + self.each * f64::from(least);
        let factor = reach.factors[usize::from(product < 0.0)];
        self.score(least, factor, reach.square)
    }
}

/// What makes scores of the sums of signs, for each row of a block, and what bounds all of them.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct SignGains {
    square: ByHalves<f32>,
    step: ByHalves<f32>,
    /// No square is less; no number if one of them is none.
    least: f32,
    /// Between these are all steps.
    steps: [f32; 2],
}

/// What the sums of signs mean for a query: `offset − 2 · sum` is the product from the middle level.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SignStep {
    /// The square of the length.
    pub square: f32,
    /// What the middle level of every row adds.
    pub low: f32,
    /// From level to level.
    pub scale: f32,
    /// The product with a row that has a sign wherever that adds to it.
    pub offset: i32,
}

/// What makes scores of the sums of signs, of the terms of a block.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn sign_gains<W: Wide>(terms: &Terms) -> SignGains {
    let none = [[0.0; BLOCK_ROWS / 2]; 2];
    let mut gains =
        SignGains { square: none, step: none, least: 0.0, steps: [f32::INFINITY, f32::NEG_INFINITY] };
    let (mut least, mut known) = (f32::INFINITY, true);
    for row in 0..BLOCK_ROWS {
        let (square, step) = (terms.square[row], terms.step[row]);
        gains.square[row % 2][row / 2] = square;
        gains.step[row % 2][row / 2] = step;
        known &= !square.is_nan();
        least = least.min(square);
        gains.steps = [gains.steps[0].min(step), gains.steps[1].max(step)];
    }
    gains.least = if known { least } else { f32::NAN };
    gains
}

impl SignStep {
    /// As [`RowTerms::score`](super::RowTerms::score): the same operations in the same order.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest, on every path alike")]
    fn score(&self, sum: u16, square: f32, step: f32) -> f32 {
        let dot = (self.offset - 2 * i32::from(sum)) as f32;
        ((square + self.square) + self.low) + (step * self.scale) * dot
    }

    /// Whether a row of a block whose least sum is this can enter. Each operation keeps the order of what goes into it, so the
    /// bound holds to the bit; and what is no number passes.
    #[inline]
    pub(crate) fn may_enter(&self, least: u16, gains: &SignGains, worst: f32) -> bool {
        let step = gains.steps[usize::from(self.offset < 2 * i32::from(least))];
        let bound = self.score(least, gains.least, step);
        bound.is_nan() || bound <= worst
    }
}

/// The scores of the sums of signs; gives back a bit for each that can enter a list, or is no number: of even rows, and of
/// odd ones.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn score_signs<W: Wide>(
    sums: &TableSums,
    gains: &SignGains,
    (step, worst): (&SignStep, f32),
    scores: &mut ByHalves<f32>,
) -> [u32; 2] {
    let mut marks = [0; 2];
    for (half, sums) in [&sums.even, &sums.odd].into_iter().enumerate() {
        let mut flags = [0_u8; BLOCK_ROWS / 2];
        for at in 0..BLOCK_ROWS / 2 {
            let score = step.score(sums[at], gains.square[half][at], gains.step[half][at]);
            scores[half][at] = score;
            flags[at] = u8::from(score <= worst) | u8::from(score.is_nan());
        }
        marks[half] = bits(&flags);
    }
    marks
}

/// A bit for each flag.
#[inline(always)]
fn bits(flags: &[u8; BLOCK_ROWS / 2]) -> u32 {
    let mut all = 0;
    for (at, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        // Each flag's own power of two comes together in the highest byte.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        all |= (bits as u32) << (at * 8);
    }
    all
}

/// Between what the rows of a block are, by their sides.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn reach<W: Wide>(sides: &[u8], distance: bool) -> Reach {
    let sides = sides.as_chunks::<4>().0;
    assert_eq!(sides.len(), BLOCK_ROWS);
    let (mut least, mut most) = ([[u32::MAX; BLOCK_ROWS / 4]; 2], [[0; BLOCK_ROWS / 4]; 2]);
    for part in sides.as_chunks::<{ BLOCK_ROWS / 4 }>().0 {
        for at in 0..BLOCK_ROWS / 4 {
            for (half, number) in Gain::read(part[at]).parts().into_iter().enumerate() {
                least[half][at] = least[half][at].min(number);
                most[half][at] = most[half][at].max(number);
            }
        }
    }
    // Both parts of a gain are in the order of what they mean.
    let least = Gain::of(least.map(|part| part.into_iter().fold(u32::MAX, u32::min)));
    let most = Gain::of(most.map(|part| part.into_iter().fold(0, u32::max)));
    Reach { factors: [least.factor(), most.factor()], square: square(least, distance) }
}

/// What makes scores of the sums of a block, by its sides.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn gains<W: Wide>(sides: &[u8], distance: bool) -> Gains {
    let pairs = sides.as_chunks::<8>().0;
    assert_eq!(pairs.len(), BLOCK_ROWS / 2);
    let mut gains = Gains { factors: [[0.0; BLOCK_ROWS / 2]; 2], squares: [[0.0; BLOCK_ROWS / 2]; 2] };
    for half in 0..2 {
        for (at, pair) in pairs.iter().enumerate() {
            let gain = Gain::read(pair.as_chunks::<4>().0[half]);
            gains.factors[half][at] = gain.factor();
            gains.squares[half][at] = square(gain, distance);
        }
    }
    gains
}

#[inline(always)]
fn square(gain: Gain, distance: bool) -> f64 {
    if distance { gain.length() * gain.length() } else { 0.0 }
}

/// The scores of all rows; gives back a bit for each that is no worse than `worst`: of even rows, and of odd ones.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn score_sums<W: Wide>(
    sums: &TableSums,
    gains: &Gains,
    (step, worst): (&Step, f32),
    scores: &mut ByHalves<f32>,
) -> [u32; 2] {
    let mut marks = [0; 2];
    for (half, sums) in [&sums.even, &sums.odd].into_iter().enumerate() {
        let mut flags = [0_u8; BLOCK_ROWS / 2];
        for at in 0..BLOCK_ROWS / 2 {
            let sum = u32::from(sums[at]);
            let score = step.score(sum, gains.factors[half][at], gains.squares[half][at]);
            scores[half][at] = score;
            flags[at] = u8::from(score <= worst);
        }
        marks[half] = bits(&flags);
    }
    marks
}

/// The least.
#[inline(always)]
fn least_of(all: &ByHalves<u16>) -> u16 {
    let mut least = [u16::MAX; BLOCK_ROWS / 2];
    for (least, (one, other)) in least.iter_mut().zip(all[0].iter().zip(&all[1])) {
        *least = (*one).min(*other);
    }
    least.into_iter().fold(u16::MAX, u16::min)
}

/// For each vector of a lot, which of sixteen words is nearest; the first of those that are equally near.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn nearest<W: Wide>(numbers: &[[f32; LOT]], words: &[[f32; 16]], codes: &mut [u8; LOT]) {
    assert_eq!(numbers.len(), words.len());
    let mut best = [f32::INFINITY; LOT];
    let mut found = [0_u32; LOT];
    for word in 0..16_u32 {
        let mut squares = [0.0_f32; LOT];
        for (x, w) in numbers.iter().zip(words) {
            let w = w[word as usize];
            for at in 0..LOT {
                let off = x[at] - w;
                squares[at] += off * off;
            }
        }
        for at in 0..LOT {
            let nearer = squares[at] < best[at];
            best[at] = if nearer { squares[at] } else { best[at] };
            found[at] = if nearer { word } else { found[at] };
        }
    }
    for at in 0..LOT {
        #[expect(clippy::cast_possible_truncation, reason = "below 16")]
        let code = found[at] as u8;
        codes[at] = code;
    }
}

/// The sums of all rows for `Q` queries; `P` registers of rows are worked on at once.
///
/// # Safety
/// The processor has the instructions of `W`, and `P` registers of bytes divide the rows of a block.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "iterators over registers are not always made part of the loop"
)]
pub(super) unsafe fn look_up<W: Wide, const Q: usize, const P: usize>(
    rows: &TableRows,
    sums: &mut [TableSums],
) {
    let wide = W::LANES * 4;
    assert!(rows.pairs <= PAIRS_MOST && rows.codes.len() >= rows.pairs * BLOCK_ROWS && sums.len() >= Q);
    assert!(rows.stride >= rows.pairs * 32 && rows.tables.len() >= (Q - 1) * rows.stride + rows.pairs * 32);
    assert!(BLOCK_ROWS.is_multiple_of(P * wide));
    let mut first = 0;
    while first < BLOCK_ROWS {
        // SAFETY: pairs, rows and tables are within what was checked.
        unsafe {
            let codes = rows.codes.as_ptr().add(first);
            let tables = rows.tables.as_ptr();
            let mut apart = [[[W::zero_ints(); 2]; P]; Q];
            let mut pair = 0;
            while pair + 2 <= rows.pairs {
                let mut at = [[W::zero_ints(); 4]; P];
                for part in 0..P {
                    let one = W::load_ints(codes.add(pair * BLOCK_ROWS + part * wide));
                    let two = W::load_ints(codes.add((pair + 1) * BLOCK_ROWS + part * wide));
                    let low = W::splat_ints(0x0f0f_0f0f);
                    at[part] =
                        [W::and(one, low), W::upper_nibbles(one), W::and(two, low), W::upper_nibbles(two)];
                }
                for query in 0..Q {
                    let table = tables.add(query * rows.stride + pair * 32);
                    let words = [
                        W::load_table(table),
                        W::load_table(table.add(16)),
                        W::load_table(table.add(32)),
                        W::load_table(table.add(48)),
                    ];
                    for part in 0..P {
                        let one = W::add_bytes(
                            W::look_up(words[0], at[part][0]),
                            W::look_up(words[1], at[part][1]),
                        );
                        let two = W::add_bytes(
                            W::look_up(words[2], at[part][2]),
                            W::look_up(words[3], at[part][3]),
                        );
                        add::<W>(&mut apart[query][part], W::add_bytes(one, two));
                    }
                }
                pair += 2;
            }
            if pair < rows.pairs {
                for part in 0..P {
                    let one = W::load_ints(codes.add(pair * BLOCK_ROWS + part * wide));
                    let at = [W::and(one, W::splat_ints(0x0f0f_0f0f)), W::upper_nibbles(one)];
                    for query in 0..Q {
                        let table = tables.add(query * rows.stride + pair * 32);
                        let first = W::look_up(W::load_table(table), at[0]);
                        let second = W::look_up(W::load_table(table.add(16)), at[1]);
                        add::<W>(&mut apart[query][part], W::add_bytes(first, second));
                    }
                }
            }
            for query in 0..Q {
                for part in 0..P {
                    let [all, odd] = apart[query][part];
                    let even = W::sub_halves(all, W::shift_up(odd));
                    let to = first / 2 + part * (wide / 2);
                    W::store_ints(sums[query].even.as_mut_ptr().add(to).cast(), even);
                    W::store_ints(sums[query].odd.as_mut_ptr().add(to).cast(), odd);
                }
            }
        }
        first += P * wide;
    }
    for sums in &mut sums[..Q] {
        sums.least = least_of(&[sums.even, sums.odd]);
    }
}

/// Adds bytes to sums of sixteen bits: the odd bytes to the second; to the first all, the odd ones 256 times, which is
/// taken away in the end.
#[inline(always)]
unsafe fn add<W: Wide>(sums: &mut [W::I; 2], bytes: W::I) {
    // SAFETY: the caller has the instructions.
    unsafe {
        sums[0] = W::add_halves(sums[0], bytes);
        sums[1] = W::add_halves(sums[1], W::shift_down(bytes));
    }
}
