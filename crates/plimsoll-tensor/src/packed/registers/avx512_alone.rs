//! One input times sixteen rows of each packing, without a panel between: AVX-512 with VNNI.
//!
//! Weights of a panel are read, spread, written and read again; with one input that is most of the work. Here they go from
//! memory to the product. Whole numbers are exact in any order, and singles are added up in the order of the kernels over
//! panels, so that what comes out is the same to the bit.

#![expect(clippy::needless_range_loop, reason = "a closure is compiled by itself, without the instructions")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "numbers of a block's parts"
)]

#[allow(clippy::wildcard_imports, reason = "the names are those of the instructions")]
use std::arch::x86_64::*;

use super::avx512::{across, halves, two};
use super::x86_sums::{leasts, one, pair, scales};
use super::{LANES, One};
use crate::packed::panel::CHUNK;

/// How far ahead of what is computed lines are asked for, where rows are read one after the other.
const AHEAD: usize = 2304;

/// Asks for the lines that `bytes` bytes from a place on are in.
#[inline(always)]
unsafe fn ask(from: *const u8, bytes: usize) {
    for line in 0..bytes.div_ceil(64) {
        // SAFETY: what is prefetched need not be there.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(line * 64).cast()) };
    }
}

/// `q8_0`. Each half of a register holds a row's block; eight registers are summed across as they are transposed. Products
/// take the levels without their sign, 128 more, which the inputs' sums take away again.
#[inline(always)]
pub(super) unsafe fn q8_0(rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
    // SAFETY: as the trait demands, here and below; what is prefetched need not be there.
    unsafe {
        let flip = _mm512_set1_epi8(i8::MIN);
        let mut total = _mm512_setzero_ps();
        let behind = rows.wrapping_add(LANES * stride);
        for (block, (scale, sum)) in input.scales.iter().zip(input.sums).enumerate() {
            let from = rows.add(block * 34);
            let bytes = _mm256_loadu_si256(input.bytes.as_ptr().add(block * 32).cast());
            let bytes = _mm512_broadcast_i64x4(bytes);
            ask(behind.wrapping_add(block * LANES * 34), LANES * 34);
            let low = eight(from.add(2), stride, flip, bytes);
            let high = eight(from.add(2 + 8 * stride), stride, flip, bytes);
            let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, high);
            let odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, high);
            let whole = _mm512_add_epi32(_mm512_add_epi32(even, odd), _mm512_set1_epi32(sum << 7));
            let scales = _mm512_mul_ps(halves(from, stride), _mm512_set1_ps(*scale));
            total = _mm512_add_ps(total, _mm512_mul_ps(_mm512_cvtepi32_ps(whole), scales));
        }
        _mm512_storeu_ps(out, total);
    }
}

/// Products of eight rows' 32 bytes and the input, each row's in two sums: in the quarters the first sums of four rows,
/// their second ones, and those of the other four rows.
#[inline(always)]
unsafe fn eight(from: *const u8, stride: usize, flip: __m512i, bytes: __m512i) -> __m512i {
    // SAFETY: as the caller promises.
    unsafe {
        let none = _mm512_setzero_si512();
        let a = _mm512_dpbusd_epi32(none, two(from, stride, flip), bytes);
        let b = _mm512_dpbusd_epi32(none, two(from.add(stride), stride, flip), bytes);
        let c = _mm512_dpbusd_epi32(none, two(from.add(2 * stride), stride, flip), bytes);
        let d = _mm512_dpbusd_epi32(none, two(from.add(3 * stride), stride, flip), bytes);
        across(a, b, c, d)
    }
}

/// `q4_0`. Each quarter of a register holds a row's block; levels are eight too high.
#[inline(always)]
pub(super) unsafe fn q4_0(rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
    // SAFETY: see above.
    unsafe {
        let mut total = _mm512_setzero_ps();
        let behind = rows.wrapping_add(LANES * stride);
        for (block, (scale, sum)) in input.scales.iter().zip(input.sums).enumerate() {
            let from = rows.add(block * 18);
            let bytes = input.bytes.as_ptr().add(block * 32);
            let first = _mm512_broadcast_i32x4(_mm_loadu_si128(bytes.cast()));
            let second = _mm512_broadcast_i32x4(_mm_loadu_si128(bytes.add(16).cast()));
            ask(behind.wrapping_add(block * LANES * 18), LANES * 18);
            let a = four(from.add(2), stride, first, second);
            let b = four(from.add(2 + stride), stride, first, second);
            let c = four(from.add(2 + 2 * stride), stride, first, second);
            let d = four(from.add(2 + 3 * stride), stride, first, second);
            let whole = _mm512_add_epi32(across(a, b, c, d), _mm512_set1_epi32(sum << 3));
            let scales = _mm512_mul_ps(halves(from, stride), _mm512_set1_ps(*scale));
            total = _mm512_add_ps(total, _mm512_mul_ps(_mm512_cvtepi32_ps(whole), scales));
        }
        _mm512_storeu_ps(out, total);
    }
}

/// Products of a row's 32 levels, and of every fourth row's behind it, in four sums each.
#[inline(always)]
unsafe fn four(from: *const u8, stride: usize, first: __m512i, second: __m512i) -> __m512i {
    // SAFETY: as the caller promises.
    unsafe {
        let rows = _mm512_castsi128_si512(_mm_loadu_si128(from.cast()));
        let rows = _mm512_inserti32x4::<1>(rows, _mm_loadu_si128(from.add(4 * stride).cast()));
        let rows = _mm512_inserti32x4::<2>(rows, _mm_loadu_si128(from.add(8 * stride).cast()));
        let rows = _mm512_inserti32x4::<3>(rows, _mm_loadu_si128(from.add(12 * stride).cast()));
        let mask = _mm512_set1_epi8(15);
        let low = _mm512_and_si512(rows, mask);
        let high = _mm512_and_si512(_mm512_srli_epi16::<4>(rows), mask);
        _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), low, first), high, second)
    }
}

/// A number in the lower half of the lanes, and another in the upper.
#[inline(always)]
unsafe fn halves_of(low: i32, high: i32) -> __m512i {
    // SAFETY: as the caller promises.
    unsafe { _mm512_inserti64x4::<1>(_mm512_set1_epi32(low), _mm256_set1_epi32(high)) }
}

/// `q4_K` and, with a fifth bit, `q5_K`: a row after the other. A register holds 64 columns, which are two parts.
#[inline(always)]
pub(super) unsafe fn parts_of_32<const FIFTH: bool>(
    rows: *const u8,
    stride: usize,
    input: &One<'_>,
    out: *mut f32,
) {
    let (size, levels) = if FIFTH { (176, 48) } else { (144, 16) };
    // SAFETY: see above.
    unsafe {
        let mask = _mm512_set1_epi8(15);
        let shifts = _mm512_inserti64x4::<1>(_mm512_setzero_si512(), _mm256_set1_epi16(4));
        let fifth = _mm512_set1_epi8(16);
        for row in 0..LANES {
            let mut total = 0.0_f32;
            for (block, scale) in input.scales.iter().enumerate() {
                let from = rows.add(row * stride + block * size);
                ask(from.wrapping_add(AHEAD), size);
                let inputs = input.bytes.as_ptr().add(block * 256);
                let packed = from.add(4);
                let each = _mm256_cvtepu8_epi32(scales(packed));
                let each = _mm512_castsi256_si512(each);
                let tops = _mm512_broadcast_i64x4(_mm256_loadu_si256(from.add(16).cast()));
                let mut sums = _mm512_setzero_si512();
                for group in 0..4 {
                    let bytes = _mm256_loadu_si256(from.add(levels + group * 32).cast());
                    let both = _mm512_srlv_epi16(_mm512_broadcast_i64x4(bytes), shifts);
                    let mut both = _mm512_and_si512(both, mask);
                    if FIFTH {
                        // Bit 2·group for the first part, and the one above it for the second, become the fifth.
                        let (first, second) = ((36 - 2 * group as i32) % 32, (35 - 2 * group as i32) % 32);
                        let turns = halves_of(first, second);
                        let turned = _mm512_rolv_epi32(tops, turns);
                        both = _mm512_ternarylogic_epi32::<0xCA>(fifth, turned, both);
                    }
                    let inputs = _mm512_loadu_si512(inputs.add(group * 64).cast());
                    let products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), both, inputs);
                    let (first, second) = (2 * group as i32, 2 * group as i32 + 1);
                    let which = halves_of(first, second);
                    let scale = _mm512_permutexvar_epi32(which, each);
                    sums = _mm512_add_epi32(sums, _mm512_mullo_epi32(products, scale));
                }
                let below = _mm256_cvtepu8_epi32(leasts(packed));
                let inputs = _mm256_loadu_si256(input.sums.as_ptr().add(block * 8).cast());
                let below = _mm256_mullo_epi32(below, inputs);
                let sums =
                    _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums));
                total = pair(total, sums, below, from, *scale);
            }
            *out.add(row) = total;
        }
    }
}

/// `q6_K`: a row after the other. A register holds 64 columns, which are four parts; levels are 32 too high.
#[inline(always)]
pub(super) unsafe fn parts_of_16(rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
    // SAFETY: see above.
    unsafe {
        let (mask, top) = (_mm512_set1_epi8(15), _mm512_set1_epi8(48));
        let (lower, upper) = (halves_of(4, 2), halves_of(0, 30));
        let first = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        for row in 0..LANES {
            let mut total = 0.0_f32;
            for (block, scale) in input.scales.iter().enumerate() {
                let from = rows.add(row * stride + block * 210);
                ask(from.wrapping_add(AHEAD), 210);
                let inputs = input.bytes.as_ptr().add(block * 256);
                let each = _mm512_cvtepi8_epi32(_mm_loadu_si128(from.add(192).cast()));
                let halves = _mm512_loadu_si512(input.halves.as_ptr().add(block * 16).cast());
                let mut sums = _mm512_slli_epi32::<5>(_mm512_mullo_epi32(each, halves));
                for half in 0..2 {
                    let bytes = _mm512_loadu_si512(from.add(half * 64).cast());
                    let tops = _mm256_loadu_si256(from.add(128 + half * 32).cast());
                    let tops = _mm512_broadcast_i64x4(tops);
                    let low = _mm512_and_si512(bytes, mask);
                    let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask);
                    let low = _mm512_ternarylogic_epi32::<0xCA>(top, _mm512_rolv_epi32(tops, lower), low);
                    let high = _mm512_ternarylogic_epi32::<0xCA>(top, _mm512_rolv_epi32(tops, upper), high);
                    let sides = [low, high];
                    for side in 0..2 {
                        let (group, levels) = (2 * half + side, sides[side]);
                        let inputs = _mm512_loadu_si512(inputs.add(group * 64).cast());
                        let products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), levels, inputs);
                        let which = _mm512_add_epi32(first, _mm512_set1_epi32(4 * group as i32));
                        let scale = _mm512_permutexvar_epi32(which, each);
                        sums = _mm512_add_epi32(sums, _mm512_mullo_epi32(products, scale));
                    }
                }
                let sums =
                    _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums));
                total = one(total, sums, from.add(208), *scale);
            }
            *out.add(row) = total;
        }
    }
}

/// Weights that are single numbers: sixteen columns of sixteen rows are transposed in registers, and added up column after
/// column as a panel's are, with the sums of [`CHUNK`] columns by themselves. Columns are a multiple of sixteen.
#[inline(always)]
pub(super) unsafe fn numbers<N: Number>(rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
    // SAFETY: see above.
    unsafe {
        let mut total = _mm512_setzero_ps();
        let behind = rows.wrapping_add(LANES * stride);
        let (inputs, count) = (input.singles.as_ptr(), input.singles.len());
        let mut first = 0;
        while first < count {
            let end = count.min(first + CHUNK);
            let mut sum = _mm512_setzero_ps();
            while first < end {
                ask(behind.wrapping_add(first * N::WIDTH * LANES), LANES * LANES * N::WIDTH);
                let lanes = columns::<N>(rows.add(first * N::WIDTH), stride);
                for column in 0..LANES {
                    let number = _mm512_set1_ps(*inputs.add(first + column));
                    sum = _mm512_fmadd_ps(lanes[column], number, sum);
                }
                first += LANES;
            }
            total = _mm512_add_ps(total, sum);
        }
        _mm512_storeu_ps(out, total);
    }
}

/// Sixteen columns of sixteen rows.
#[inline(always)]
pub(super) unsafe fn columns<N: Number>(from: *const u8, stride: usize) -> [__m512; LANES] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut rows = [_mm512_setzero_ps(); LANES];
        for row in 0..LANES {
            rows[row] = N::sixteen(from.add(row * stride));
        }
        transposed(rows)
    }
}

/// How single numbers are stored.
pub(super) trait Number {
    /// Bytes of one.
    const WIDTH: usize;
    /// Sixteen of them.
    unsafe fn sixteen(from: *const u8) -> __m512;
}

pub(super) struct Singles;
pub(super) struct Halves;
pub(super) struct Uppers;

impl Number for Singles {
    const WIDTH: usize = 4;
    #[inline(always)]
    unsafe fn sixteen(from: *const u8) -> __m512 {
        // SAFETY: as the caller promises.
        unsafe { _mm512_loadu_ps(from.cast()) }
    }
}

impl Number for Halves {
    const WIDTH: usize = 2;
    #[inline(always)]
    unsafe fn sixteen(from: *const u8) -> __m512 {
        // SAFETY: as the caller promises.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
}

impl Number for Uppers {
    const WIDTH: usize = 2;
    #[inline(always)]
    unsafe fn sixteen(from: *const u8) -> __m512 {
        // SAFETY: as the caller promises.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
}

/// Sixteen rows of sixteen singles become sixteen columns.
#[inline(always)]
unsafe fn transposed(rows: [__m512; LANES]) -> [__m512; LANES] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut fours = [_mm512_setzero_si512(); LANES];
        for four in 0..4 {
            let (a, b) = (_mm512_castps_si512(rows[4 * four]), _mm512_castps_si512(rows[4 * four + 1]));
            let (c, d) = (_mm512_castps_si512(rows[4 * four + 2]), _mm512_castps_si512(rows[4 * four + 3]));
            let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
            let (hab, hcd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
            // In quarter `q` of the `k`th stand four rows in column 4·q + k.
            fours[4 * four] = _mm512_unpacklo_epi64(ab, cd);
            fours[4 * four + 1] = _mm512_unpackhi_epi64(ab, cd);
            fours[4 * four + 2] = _mm512_unpacklo_epi64(hab, hcd);
            fours[4 * four + 3] = _mm512_unpackhi_epi64(hab, hcd);
        }
        let mut columns = [_mm512_setzero_ps(); LANES];
        for k in 0..4 {
            let [a, b, c, d] = [fours[k], fours[4 + k], fours[8 + k], fours[12 + k]];
            let (ab, cd) =
                (_mm512_shuffle_i32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_i32x4::<0b01_00_01_00>(c, d));
            let (hab, hcd) =
                (_mm512_shuffle_i32x4::<0b11_10_11_10>(a, b), _mm512_shuffle_i32x4::<0b11_10_11_10>(c, d));
            columns[k] = _mm512_castsi512_ps(_mm512_shuffle_i32x4::<0b10_00_10_00>(ab, cd));
            columns[4 + k] = _mm512_castsi512_ps(_mm512_shuffle_i32x4::<0b11_01_11_01>(ab, cd));
            columns[8 + k] = _mm512_castsi512_ps(_mm512_shuffle_i32x4::<0b10_00_10_00>(hab, hcd));
            columns[12 + k] = _mm512_castsi512_ps(_mm512_shuffle_i32x4::<0b11_01_11_01>(hab, hcd));
        }
        columns
    }
}
