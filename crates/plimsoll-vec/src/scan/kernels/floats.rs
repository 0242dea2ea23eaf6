//! Products and distances of numbers.

use super::GROUP;
use crate::scan::wide::Wide;
use crate::{BLOCK_ROWS, Codec, Metric};

/// Sums of a row that are kept apart: lane `l` has the numbers `l`, `l + 64`, ….
pub(crate) const SUMS: usize = 64;

/// How far ahead of what is looked at memory is asked for: the processor does so too, but not from one page into the next,
/// nor from the start of a list.
const AHEAD: usize = 4096;

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
            for line in (0..SUMS * N::BYTES).step_by(64) {
                W::fetch(code.wrapping_add(at * N::BYTES + AHEAD + line));
            }
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
#[expect(
    clippy::needless_range_loop,
    reason = "iterators over registers are not always made part of the loop"
)]
unsafe fn step<W: Wide, N: Number, const L2: bool>(
    query: *const f32,
    code: *const u8,
    sums: &mut [W::F; 16],
) {
    for at in 0..SUMS / W::LANES {
        // SAFETY: the caller vouches for a whole step of both.
        unsafe {
            let q = W::load(query.add(at * W::LANES));
            let x = N::load::<W>(code.add(at * W::LANES * N::BYTES));
            if L2 {
                let apart = W::sub(q, x);
                sums[at] = W::fma(apart, apart, sums[at]);
            } else {
                sums[at] = W::fma(q, x, sums[at]);
            }
        }
    }
}

/// The score of one vector, summed in doubles: there are few, and no bits of other ways to agree with. In eight sums, so
/// that none waits for the other, and never fused, so that every processor has the same.
///
/// # Safety
/// The processor has the instructions that the function around this is compiled for.
#[inline(always)]
pub(super) unsafe fn in_doubles<W: Wide>(metric: Metric, query: &[f32], vector: &[f32]) -> f32 {
    let score = match metric {
        Metric::L2 => sum(query, vector, |a, b| (a - b) * (a - b)),
        Metric::Ip | Metric::Cosine => -sum(query, vector, |a, b| a * b),
        Metric::Hamming => sum(query, vector, |a, b| f64::from(u8::from((a < 0.0) != (b < 0.0)))),
    };
    #[expect(clippy::cast_possible_truncation, reason = "scores are singles")]
    let score = score as f32;
    score
}

/// By index: iterators in the inmost loop were not always inlined.
#[inline(always)]
fn sum(query: &[f32], vector: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let (queries, query_rest) = query.as_chunks::<8>();
    let (vectors, vector_rest) = vector.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (query, vector) in queries.iter().zip(vectors) {
        for at in 0..8 {
            sums[at] += term(f64::from(query[at]), f64::from(vector[at]));
        }
    }
    let rest = query_rest.iter().zip(vector_rest).map(|(a, b)| term(f64::from(*a), f64::from(*b)));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// Rows as singles, whatever they are kept as, and their squares added up.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn widen<W: Wide>(codec: Codec, kept: &[u8], dimension: usize, into: &mut [f32]) {
    let count = BLOCK_ROWS * dimension;
    assert!(kept.len() >= codec.code_bytes(dimension) * BLOCK_ROWS && into.len() >= count);
    let mut at = 0;
    // SAFETY: whole registers only, within what was checked; the rest one by one.
    unsafe {
        while at + W::LANES <= count {
            let from = kept.as_ptr().add(at * 2);
            let x = if codec == Codec::F16 { W::load_f16(from) } else { W::load_bf16(from) };
            W::store(into.as_mut_ptr().add(at), x);
            at += W::LANES;
        }
    }
    crate::code::read_numbers(codec, &kept[at * 2..count * 2], &mut into[at..count]);
}

/// The sum of the squares of each row of singles that lie in memory as they may.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "iterators over registers are not always made part of the loop"
)]
pub(super) unsafe fn squares<W: Wide>(rows: &[u8], dimension: usize, squares: &mut [f32; BLOCK_ROWS]) {
    assert!(rows.len() >= BLOCK_ROWS * dimension * 4);
    for row in 0..BLOCK_ROWS {
        // SAFETY: whole registers within the row, the rest through a copy.
        unsafe {
            let from = rows.as_ptr().add(row * dimension * 4);
            let mut sums = [W::zero(); 4];
            let wide = W::LANES * 4;
            let mut at = 0;
            while at + 4 * W::LANES <= dimension {
                for part in 0..4 {
                    let x = W::load(from.add(at * 4 + part * wide).cast());
                    sums[part] = W::fma(x, x, sums[part]);
                }
                at += 4 * W::LANES;
            }
            if at < dimension {
                let mut rest = [0_u8; SUMS * 4];
                std::ptr::copy_nonoverlapping(from.add(at * 4), rest.as_mut_ptr(), (dimension - at) * 4);
                for part in 0..4 {
                    let x = W::load(rest.as_ptr().add(part * wide).cast());
                    sums[part] = W::fma(x, x, sums[part]);
                }
            }
            squares[row] = W::sum(W::add(W::add(sums[0], sums[1]), W::add(sums[2], sums[3])));
        }
    }
}

/// Products of a block of singles with `G` groups of queries: `packed` has for each group and each number of a row the
/// sixteen queries' numbers; `tiles` gets a tile a group. Loops by index only: iterators over registers are not always
/// made part of the loop, and then cost more than the products.
///
/// # Safety
/// The processor has the instructions of `W`, `R` divides the rows of a block, and `P` registers hold a group.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "see above")]
pub(super) unsafe fn tile<W: Wide, const R: usize, const G: usize, const P: usize>(
    rows: &[u8],
    dimension: usize,
    packed: &[f32],
    tiles: &mut [f32],
) {
    assert!(rows.len() >= BLOCK_ROWS * dimension * 4 && packed.len() >= G * dimension * GROUP);
    assert!(tiles.len() >= G * super::TILE && P * W::LANES == GROUP);
    let mut first = 0;
    while first < BLOCK_ROWS {
        // SAFETY: rows, numbers and groups are within what was checked.
        unsafe {
            let from = rows.as_ptr().add(first * dimension * 4).cast::<f32>();
            let mut sums = [[[W::zero(); P]; G]; R];
            let mut at = 0;
            while at < dimension {
                let mut q = [[W::zero(); P]; G];
                for group in 0..G {
                    for part in 0..P {
                        let from = (group * dimension + at) * GROUP + part * W::LANES;
                        q[group][part] = W::load(packed.as_ptr().add(from));
                    }
                }
                for row in 0..R {
                    let x = W::splat(from.add(row * dimension + at).read_unaligned());
                    for group in 0..G {
                        for part in 0..P {
                            sums[row][group][part] = W::fma(q[group][part], x, sums[row][group][part]);
                        }
                    }
                }
                at += 1;
            }
            for row in 0..R {
                for group in 0..G {
                    for part in 0..P {
                        let to = group * super::TILE + (first + row) * GROUP + part * W::LANES;
                        W::store(tiles.as_mut_ptr().add(to), sums[row][group][part]);
                    }
                }
            }
        }
        first += R;
    }
}
