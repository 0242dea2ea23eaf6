//! The product of one row of planes with one query: the bits become levels in registers, and nothing is unpacked into memory.
//!
//! A second look at what the signs left touches thousands of rows that lie far apart. So the lines of a row can be asked for
//! before it is looked at.

use super::signs::eight_levels;
use crate::BLOCK_ROWS;
use crate::code::Side;
#[cfg(target_arch = "x86_64")]
use crate::code::sign_at;
use crate::scan::wide::Wide;

/// A row of planes and a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaneRow<'a> {
    /// The signs of its block.
    pub signs: &'a [u8],
    /// Which row.
    pub row: usize,
    /// Its own lower planes.
    pub lower: &'a [u8],
    /// The levels of the query, in whole words of 64.
    pub query: &'a [i8],
}

impl PlaneRow<'_> {
    /// Bytes of a plane.
    #[inline(always)]
    fn bytes(&self) -> usize {
        let bytes = self.signs.len() / BLOCK_ROWS;
        assert!(self.row < BLOCK_ROWS && self.lower.len() >= 3 * bytes);
        assert!(self.query.len() >= bytes.next_multiple_of(8) * 8);
        bytes
    }
}

/// What the sides of a block say.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct PlaneSides {
    /// The length of each row.
    pub length: [f32; BLOCK_ROWS],
    /// What a sign, or a level, of it stands for.
    pub step: [f32; BLOCK_ROWS],
}

impl PlaneSides {
    /// Of rows that are all zeros.
    pub(crate) const ZERO: Self = Self { length: [0.0; BLOCK_ROWS], step: [0.0; BLOCK_ROWS] };
}

/// Reads the sides of a block, all at once, as [`Side::read`] does one; `root` is 1 / √dimension.
///
/// # Safety
/// The processor has the instructions of `W`.
#[inline(always)]
pub(super) unsafe fn sides<W: Wide>(sides: &[u8], levels: bool, root: f32, into: &mut PlaneSides) {
    let sides = sides.as_chunks::<8>().0;
    assert_eq!(sides.len(), BLOCK_ROWS);
    for (row, side) in sides.iter().enumerate() {
        let side = Side::read(side, root);
        into.length[row] = side.length;
        into.step[row] = if levels { side.level } else { side.sign };
    }
}

/// Asks for the lines that the [product](product) of a row will want.
#[inline]
pub(crate) fn fetch_row(signs: &[u8], row: usize, lower: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let bytes = signs.len() / BLOCK_ROWS;
        for word in 0..bytes.div_ceil(8) {
            let from = signs.as_ptr().wrapping_add(sign_at(bytes, row, word * 8));
            // SAFETY: a prefetch reads nothing, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) };
        }
        for line in lower.chunks(64) {
            // SAFETY: as above.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (signs, row, lower);
}

/// The sum of the products of levels, 2 to 254, with the query's.
pub(crate) fn product(row: &PlaneRow) -> i32 {
    let bytes = row.bytes();
    let mut sum = 0;
    for (byte, query) in row.query.as_chunks::<8>().0.iter().take(bytes).enumerate() {
        let levels = eight_levels(row.signs, row.row, row.lower, byte);
        for at in 0..8 {
            sum += i32::from(levels[at]) * i32::from(query[at]);
        }
    }
    sum
}

/// Signs that lie by words, turned: a byte of each of the 64 rows, then the next. So a register has a byte of as many rows
/// as it has bytes, and one instruction looks all of them up.
pub(crate) fn turn(signs: &[u8], bytes: usize, turned: &mut [u8]) {
    for byte in 0..bytes {
        let wide = (bytes - byte / 8 * 8).min(8);
        let from = signs[byte / 8 * 8 * BLOCK_ROWS + byte % 8..].iter().step_by(wide);
        let to = &mut turned[byte * BLOCK_ROWS..][..BLOCK_ROWS];
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
}

/// A word of each row's signs; what is not whole is filled with zeros.
#[cfg(target_arch = "x86_64")]
pub(super) fn words_of(signs: &[u8], bytes: usize, word: usize) -> [[u8; 8]; BLOCK_ROWS] {
    let wide = (bytes - word * 8).min(8);
    let from = &signs[word * 8 * BLOCK_ROWS..];
    std::array::from_fn(|row| {
        let mut bytes = [0; 8];
        bytes[..wide].copy_from_slice(&from[row * wide..][..wide]);
        bytes
    })
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    #[allow(
        clippy::wildcard_imports,
        reason = "the names are those of the instructions; not found where tests are built"
    )]
    use std::arch::x86_64::*;

    use super::super::signs::{avx2::spread, word_at};
    use super::PlaneRow;
    use crate::BLOCK_ROWS;
    use crate::code::LEVEL_BYTES;
    use crate::scan::wide::{Avx2, Wide};

    /// As [`super::product`].
    #[target_feature(enable = "popcnt,avx2,bmi1,bmi2")]
    pub(crate) fn product(row: &PlaneRow) -> i32 {
        let bytes = row.bytes();
        // SAFETY: sixteen bytes.
        let table = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(LEVEL_BYTES.as_ptr().cast()) });
        let mut sum = _mm256_setzero_si256();
        for word in 0..bytes.div_ceil(8) {
            let wide = (bytes - word * 8).min(8);
            // SAFETY: words of this row and of its planes, whose lengths were checked.
            let [sign, first, second, third] = unsafe {
                let plane = |plane: usize| word_at(row.lower.as_ptr().add(plane * bytes + word * 8), wide);
                let sign = word_at(row.signs.as_ptr().add(word * 8 * BLOCK_ROWS + row.row * wide), wide);
                [sign, plane(0), plane(1), plane(2)]
            };
            for half in 0..2 {
                let upper = _mm256_or_si256(spread::<8>(sign, half), spread::<4>(first, half));
                let below = _mm256_or_si256(spread::<2>(second, half), spread::<1>(third, half));
                let levels = _mm256_shuffle_epi8(table, _mm256_or_si256(upper, below));
                // SAFETY: the query has whole words, which was checked; the instructions are those of this function.
                sum = unsafe {
                    let query = _mm256_loadu_si256(row.query.as_ptr().add(word * 64 + half * 32).cast());
                    Avx2::dot(sum, levels, query)
                };
            }
        }
        // SAFETY: the instructions are those of this function.
        unsafe { Avx2::sum_lanes(sum) }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    #[allow(
        clippy::wildcard_imports,
        reason = "the names are those of the instructions; not found where tests are built"
    )]
    use std::arch::x86_64::*;

    use super::super::signs::word_at;
    use super::PlaneRow;
    use crate::BLOCK_ROWS;
    use crate::code::LEVEL_BYTES;

    /// As [`super::product`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(crate) fn product(row: &PlaneRow) -> i32 {
        let bytes = row.bytes();
        // SAFETY: sixteen bytes.
        let table = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(LEVEL_BYTES.as_ptr().cast()) });
        let mut sum = _mm512_setzero_si512();
        for word in 0..bytes.div_ceil(8) {
            let wide = (bytes - word * 8).min(8);
            // SAFETY: words of this row and of its planes, whose lengths were checked, as was the query's.
            unsafe {
                let plane = |plane: usize| word_at(row.lower.as_ptr().add(plane * bytes + word * 8), wide);
                let sign = word_at(row.signs.as_ptr().add(word * 8 * BLOCK_ROWS + row.row * wide), wide);
                let x = _mm512_maskz_set1_epi8(sign, 8);
                let x = _mm512_mask_add_epi8(x, plane(0), x, _mm512_set1_epi8(4));
                let x = _mm512_mask_add_epi8(x, plane(1), x, _mm512_set1_epi8(2));
                let x = _mm512_mask_add_epi8(x, plane(2), x, _mm512_set1_epi8(1));
                let query = _mm512_loadu_si512(row.query.as_ptr().add(word * 64).cast());
                sum = _mm512_dpbusd_epi32(sum, _mm512_shuffle_epi8(table, x), query);
            }
        }
        _mm512_reduce_add_epi32(sum)
    }
}
