//! Products and distances of numbers.

use super::GROUP;
use crate::scan::wide::Wide;
use crate::{BLOCK_ROWS, Codec};

/// Sums of a row that are kept apart: lane `l` has the numbers `l`, `l + 64`, ….
pub(crate) const SUMS: usize = 64;

/// Rows of numbers against one query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloatRows<'a> {
    /// f32, f16 or bf16.
    pub codec: Codec,
    /// The squared distance, and not the product.
    pub distance: bool,
    /// The query, with zeros up to a multiple of [`SUMS`].
    pub query: &'a [f32],
    /// The codes of a block.
    pub codes: &'a [u8],
    /// Numbers in a row.
    pub dimension: usize,
}

impl FloatRows<'_> {
    fn check(&self, live: u64) {
        assert!(self.query.len() >= self.dimension.next_multiple_of(SUMS));
        // Rows behind the last live one need not be there.
        let needed = BLOCK_ROWS - live.leading_zeros() as usize;
        assert!(self.codes.len() >= needed * self.codec.code_bytes(self.dimension));
    }
}

/// How a number lies in memory.
trait Number {
    const BYTES: usize;
    unsafe fn load<W: Wide>(from: *const u8) -> W::F;
}

struct Single;
struct Half;
struct Upper;

impl Number for Single {
    const BYTES: usize = 4;
    #[inline(always)]
    unsafe fn load<W: Wide>(from: *const u8) -> W::F {
        // SAFETY: the caller vouches for the bytes and the instructions.
        unsafe { W::load(from.cast()) }
    }
}

impl Number for Half {
    const BYTES: usize = 2;
    #[inline(always)]
    unsafe fn load<W: Wide>(from: *const u8) -> W::F {
        // SAFETY: the caller vouches for the bytes and the instructions.
        unsafe { W::load_f16(from) }
    }
}

impl Number for Upper {
    const BYTES: usize = 2;
    #[inline(always)]
    unsafe fn load<W: Wide>(from: *const u8) -> W::F {
        // SAFETY: the caller vouches for the bytes and the instructions.
        unsafe { W::load_bf16(from) }
    }
}

/// The score of each live row: the squared distance, or the product with its sign turned.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn score_rows<W: Wide>(rows: &FloatRows, live: u64, scores: &mut [f32; BLOCK_ROWS]) {
    rows.check(live);
    // SAFETY: checked just now; the caller has the instructions.
    unsafe {
        match (rows.codec, rows.distance) {
            (Codec::F16, true) => each::<W, Half, true>(rows, live, scores),
            (Codec::F16, false) => each::<W, Half, false>(rows, live, scores),
            (Codec::Bf16, true) => each::<W, Upper, true>(rows, live, scores),
            (Codec::Bf16, false) => each::<W, Upper, false>(rows, live, scores),
            (_, true) => each::<W, Single, true>(rows, live, scores),
            (_, false) => each::<W, Single, false>(rows, live, scores),
        }
    }
}

#[inline(always)]
unsafe fn each<W: Wide, N: Number, const L2: bool>(
    rows: &FloatRows,
    live: u64,
    scores: &mut [f32; BLOCK_ROWS],
) {
    let mut left = live;
    while left != 0 {
        let row = left.trailing_zeros() as usize;
        left &= left - 1;
        // SAFETY: the row is one of the block's, whose bytes were checked.
        unsafe {
            let code = rows.codes.as_ptr().add(row * rows.dimension * N::BYTES);
            scores[row] = pair::<W, N, L2>(rows.query.as_ptr(), code, rows.dimension);
        }
    }
}

/// One row. The order of its sums is that of every row, wherever it stands.
#[inline(always)]
unsafe fn pair<W: Wide, N: Number, const L2: bool>(
    query: *const f32,
    code: *const u8,
    dimension: usize,
) -> f32 {
    let apart = SUMS / W::LANES;
    // SAFETY: the query has whole steps, the row up to its last whole step; what is left of it is copied first.
    unsafe {
        let mut sums = [W::zero(); 16];
        let whole = dimension / SUMS * SUMS;
        let mut at = 0;
        while at < whole {
            step::<W, N, L2>(query.add(at), code.add(at * N::BYTES), &mut sums);
            at += SUMS;
        }
        if at < dimension {
            let mut rest = [0_u8; SUMS * 4];
            let left = (dimension - at) * N::BYTES;
            std::ptr::copy_nonoverlapping(code.add(at * N::BYTES), rest.as_mut_ptr(), left);
            step::<W, N, L2>(query.add(at), rest.as_ptr(), &mut sums);
        }
        let mut width = apart;
        while width > 1 {
            width /= 2;
            for at in 0..width {
                sums[at] = W::add(sums[at], sums[at + width]);
            }
        }
        let sum = W::sum(sums[0]);
        // Not `-sum`: nothing is 0, and not −0, so that equal scores are equal bits.
        if L2 { sum } else { 0.0 - sum }
    }
}

#[inline(always)]
unsafe fn step<W: Wide, N: Number, const L2: bool>(
    query: *const f32,
    code: *const u8,
    sums: &mut [W::F; 16],
) {
    for (at, sum) in sums.iter_mut().enumerate().take(SUMS / W::LANES) {
        // SAFETY: the caller vouches for a whole step of both.
        unsafe {
            let q = W::load(query.add(at * W::LANES));
            let x = N::load::<W>(code.add(at * W::LANES * N::BYTES));
            if L2 {
                let apart = W::sub(q, x);
                *sum = W::fma(apart, apart, *sum);
            } else {
                *sum = W::fma(q, x, *sum);
            }
        }
    }
}

/// Rows as singles, whatever they are kept as, and their squares added up.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn widen<W: Wide>(codec: Codec, codes: &[u8], dimension: usize, into: &mut [f32]) {
    let count = BLOCK_ROWS * dimension;
    assert!(codes.len() >= codec.code_bytes(dimension) * BLOCK_ROWS && into.len() >= count);
    let mut at = 0;
    // SAFETY: whole registers only, within what was checked; the rest one by one.
    unsafe {
        while at + W::LANES <= count {
            let from = codes.as_ptr().add(at * 2);
            let x = if codec == Codec::F16 { W::load_f16(from) } else { W::load_bf16(from) };
            W::store(into.as_mut_ptr().add(at), x);
            at += W::LANES;
        }
    }
    crate::code::read_numbers(codec, &codes[at * 2..count * 2], &mut into[at..count]);
}

/// The sum of the squares of each row of singles that lie in memory as they may.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn squares<W: Wide>(rows: &[u8], dimension: usize, squares: &mut [f32; BLOCK_ROWS]) {
    assert!(rows.len() >= BLOCK_ROWS * dimension * 4);
    for (row, square) in squares.iter_mut().enumerate() {
        // SAFETY: whole registers within the row, the rest through a copy.
        unsafe {
            let from = rows.as_ptr().add(row * dimension * 4);
            let mut sums = [W::zero(); 4];
            let mut at = 0;
            while at + 4 * W::LANES <= dimension {
                for (part, sum) in sums.iter_mut().enumerate() {
                    let x = W::load(from.add((at + part * W::LANES) * 4).cast());
                    *sum = W::fma(x, x, *sum);
                }
                at += 4 * W::LANES;
            }
            let mut rest = [0_u8; SUMS * 4];
            std::ptr::copy_nonoverlapping(from.add(at * 4), rest.as_mut_ptr(), (dimension - at) * 4);
            for (part, sum) in sums.iter_mut().enumerate() {
                let x = W::load(rest.as_ptr().add(part * W::LANES * 4).cast());
                *sum = W::fma(x, x, *sum);
            }
            *square = W::sum(W::add(W::add(sums[0], sums[1]), W::add(sums[2], sums[3])));
        }
    }
}

/// Products of a block of singles with `G` groups of queries: `packed` has for each group and each number of a row the
/// sixteen queries' numbers; `tiles` gets a tile a group.
///
/// # Safety
/// The processor has the instructions of `W`, and `R` divides the rows of a block.
#[inline(always)]
pub(super) unsafe fn tile<W: Wide, const R: usize, const G: usize>(
    rows: &[u8],
    dimension: usize,
    packed: &[f32],
    tiles: &mut [f32],
) {
    assert!(rows.len() >= BLOCK_ROWS * dimension * 4 && packed.len() >= G * dimension * GROUP);
    assert!(tiles.len() >= G * super::TILE);
    for first in (0..BLOCK_ROWS).step_by(R) {
        // SAFETY: rows, numbers and groups are within what was checked.
        unsafe {
            let from = rows.as_ptr().add(first * dimension * 4).cast::<f32>();
            let mut sums = [[[W::zero(); 4]; G]; R];
            for at in 0..dimension {
                let mut q = [[W::zero(); 4]; G];
                for (group, q) in q.iter_mut().enumerate() {
                    for (part, q) in q.iter_mut().enumerate().take(GROUP / W::LANES) {
                        *q = W::load(packed.as_ptr().add((group * dimension + at) * GROUP + part * W::LANES));
                    }
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = W::splat(from.add(row * dimension + at).read_unaligned());
                    for (sums, q) in sums.iter_mut().zip(&q) {
                        for (sum, q) in sums.iter_mut().zip(q).take(GROUP / W::LANES) {
                            *sum = W::fma(*q, x, *sum);
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (group, sums) in sums.iter().enumerate() {
                    for (part, sum) in sums.iter().enumerate().take(GROUP / W::LANES) {
                        let to = group * super::TILE + (first + row) * GROUP + part * W::LANES;
                        W::store(tiles.as_mut_ptr().add(to), *sum);
                    }
                }
            }
        }
    }
}
