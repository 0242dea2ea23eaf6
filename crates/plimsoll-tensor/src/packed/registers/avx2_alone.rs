//! One input times sixteen rows of each quantized packing, without a panel between: AVX2.
//!
//! As with AVX-512: whole numbers are exact in any order, and singles are added up in the order of the kernels over panels.
//! The instruction that multiplies bytes adds two products into sixteen bits, which all levels here fit.

#![expect(clippy::needless_range_loop, reason = "a closure is compiled by itself, without the instructions")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "numbers of a block's parts"
)]

#[allow(clippy::wildcard_imports, reason = "the names are those of the instructions")]
use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::x86_sums::{leasts, one, pair, scales};
use super::{LANES, One, Registers};

/// Asks for the lines that `bytes` bytes from a place on are in.
#[inline(always)]
unsafe fn ask(from: *const u8, bytes: usize) {
    for line in 0..bytes.div_ceil(64) {
        // SAFETY: what is prefetched need not be there.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(line * 64).cast()) };
    }
}

/// `q8_0`, whose levels' signs go to the inputs.
#[inline(always)]
pub(super) unsafe fn q8_0(rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
    // SAFETY: as the trait demands, here and below; what is prefetched need not be there.
    unsafe {
        let mut total = Avx2::splat(0.0);
        let behind = rows.wrapping_add(LANES * stride);
        for (block, scale) in input.scales.iter().enumerate() {
            let from = rows.add(block * 34);
            ask(behind.wrapping_add(block * LANES * 34), LANES * 34);
            let inputs = _mm256_loadu_si256(input.bytes.as_ptr().add(block * 32).cast());
            let mut wholes = [_mm_setzero_si128(); 4];
            for four in 0..4 {
                let from = from.add(2 + 4 * four * stride);
                let (a, b) = (signed(from, inputs), signed(from.add(stride), inputs));
                let (c, d) = (signed(from.add(2 * stride), inputs), signed(from.add(3 * stride), inputs));
                let sums = across(a, b, c, d);
                wholes[four] =
                    _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
            }
            let wholes = [join(wholes[0], wholes[1]), join(wholes[2], wholes[3])];
            let scales = Avx2::mul(Avx2::halves(from, stride), Avx2::splat(*scale));
            total = Avx2::add(total, Avx2::mul(Avx2::to_singles(wholes), scales));
        }
        Avx2::store(out, total);
    }
}

#[inline(always)]
unsafe fn signed(from: *const u8, inputs: __m256i) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe {
        let levels = _mm256_loadu_si256(from.cast());
        let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(levels), _mm256_sign_epi8(inputs, levels));
        _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
    }
}

/// `q4_0`. Each half of a register holds a row's block; levels are eight too high.
#[inline(always)]
pub(super) unsafe fn q4_0(rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
    // SAFETY: see above.
    unsafe {
        let mut total = Avx2::splat(0.0);
        let behind = rows.wrapping_add(LANES * stride);
        for (block, (scale, sum)) in input.scales.iter().zip(input.sums).enumerate() {
            let from = rows.add(block * 18);
            ask(behind.wrapping_add(block * LANES * 18), LANES * 18);
            let bytes = input.bytes.as_ptr().add(block * 32);
            let first = _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.cast()));
            let second = _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.add(16).cast()));
            let mut wholes = [_mm256_setzero_si256(); 2];
            for eight in 0..2 {
                let from = from.add(2 + 8 * eight * stride);
                let (a, b) = (two(from, stride, first, second), two(from.add(stride), stride, first, second));
                let from = from.add(2 * stride);
                let (c, d) = (two(from, stride, first, second), two(from.add(stride), stride, first, second));
                let sums = across(a, b, c, d);
                wholes[eight] = _mm256_add_epi32(sums, _mm256_set1_epi32(sum << 3));
            }
            let scales = Avx2::mul(Avx2::halves(from, stride), Avx2::splat(*scale));
            total = Avx2::add(total, Avx2::mul(Avx2::to_singles(wholes), scales));
        }
        Avx2::store(out, total);
    }
}

/// Products of a row's 32 levels, and of the fourth row's behind it, in four sums each.
#[inline(always)]
unsafe fn two(from: *const u8, stride: usize, first: __m256i, second: __m256i) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe {
        let rows = join(_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(4 * stride).cast()));
        let mask = _mm256_set1_epi8(15);
        let low = _mm256_maddubs_epi16(_mm256_and_si256(rows, mask), first);
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(rows), mask);
        let pairs = _mm256_add_epi16(low, _mm256_maddubs_epi16(high, second));
        _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
    }
}

#[inline(always)]
unsafe fn join(low: __m128i, high: __m128i) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe { _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high) }
}

/// Sums of four: in each half, lane `i` is the sum of the half of register `i`.
#[inline(always)]
unsafe fn across(a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe {
        let ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd))
    }
}

/// `q4_K` and, with a fifth bit, `q5_K`: a row after the other. A register holds 32 columns, which are a part.
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
        let (mask, top) = (_mm256_set1_epi8(15), _mm256_set1_epi8(16));
        for row in 0..LANES {
            let mut total = 0.0_f32;
            for (block, scale) in input.scales.iter().enumerate() {
                let from = rows.add(row * stride + block * size);
                let inputs = input.bytes.as_ptr().add(block * 256);
                // A scale of sixteen bits in each lane of a half, to be spread.
                let each = _mm_cvtepu8_epi16(scales(from.add(4)));
                let each = _mm256_broadcastsi128_si256(each);
                let mut tops = _mm256_loadu_si256(from.add(16).cast());
                let mut sums = _mm256_setzero_si256();
                for group in 0..4 {
                    let bytes = _mm256_loadu_si256(from.add(levels + group * 32).cast());
                    let mut low = _mm256_and_si256(bytes, mask);
                    let mut high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask);
                    if FIFTH {
                        // The lowest bit of each byte, and the one above it, become the fifth.
                        low = _mm256_or_si256(low, _mm256_and_si256(_mm256_slli_epi16::<4>(tops), top));
                        high = _mm256_or_si256(high, _mm256_and_si256(_mm256_slli_epi16::<3>(tops), top));
                        tops = _mm256_srli_epi16::<2>(tops);
                    }
                    let sides = [low, high];
                    for side in 0..2 {
                        let (part, levels) = (2 * group + side, sides[side]);
                        let inputs = _mm256_loadu_si256(inputs.add(part * 32).cast());
                        let pairs = _mm256_maddubs_epi16(levels, inputs);
                        let which = _mm256_set1_epi16((2 * part + (2 * part + 1) * 256) as i16);
                        let scale = _mm256_shuffle_epi8(each, which);
                        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, scale));
                    }
                }
                let below = _mm256_cvtepu8_epi32(leasts(from.add(4)));
                let inputs = _mm256_loadu_si256(input.sums.as_ptr().add(block * 8).cast());
                total = pair(total, sums, _mm256_mullo_epi32(below, inputs), from, *scale);
            }
            *out.add(row) = total;
        }
    }
}

/// What eight parts' levels are too high, times their scales.
#[inline(always)]
unsafe fn below(scales: __m128i, halves: *const i32) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe {
        let halves = _mm256_loadu_si256(halves.cast());
        _mm256_slli_epi32::<5>(_mm256_mullo_epi32(_mm256_cvtepi8_epi32(scales), halves))
    }
}

/// `q6_K`: a row after the other. A register holds 32 columns, which are two parts; levels are 32 too high.
#[inline(always)]
pub(super) unsafe fn parts_of_16(rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
    // SAFETY: see above.
    unsafe {
        let (mask, top) = (_mm256_set1_epi8(15), _mm256_set1_epi8(48));
        for row in 0..LANES {
            let mut total = 0.0_f32;
            for (block, scale) in input.scales.iter().enumerate() {
                let from = rows.add(row * stride + block * 210);
                let inputs = input.bytes.as_ptr().add(block * 256);
                let each = _mm_loadu_si128(from.add(192).cast());
                let halves = input.halves.as_ptr().add(block * 16);
                let first = below(each, halves);
                let second = below(_mm_srli_si128::<8>(each), halves.add(8));
                let mut sums = _mm256_add_epi32(first, second);
                for half in 0..2 {
                    let first = _mm256_loadu_si256(from.add(half * 64).cast());
                    let second = _mm256_loadu_si256(from.add(half * 64 + 32).cast());
                    let tops = _mm256_loadu_si256(from.add(128 + half * 32).cast());
                    let levels = [
                        (_mm256_and_si256(first, mask), _mm256_slli_epi16::<4>(tops)),
                        (_mm256_and_si256(second, mask), _mm256_slli_epi16::<2>(tops)),
                        (_mm256_and_si256(_mm256_srli_epi16::<4>(first), mask), tops),
                        (
                            _mm256_and_si256(_mm256_srli_epi16::<4>(second), mask),
                            _mm256_srli_epi16::<2>(tops),
                        ),
                    ];
                    for quarter in 0..4 {
                        let (at, (low, high)) = (4 * half + quarter, levels[quarter]);
                        let levels = _mm256_or_si256(low, _mm256_and_si256(high, top));
                        let inputs = _mm256_loadu_si256(inputs.add(at * 32).cast());
                        let pairs = _mm256_maddubs_epi16(levels, inputs);
                        // Two scales, each in the eight lanes of its part.
                        let which = _mm_set_epi64x(
                            0x0101_0101_0101_0101 * (2 * at as i64 + 1),
                            0x0101_0101_0101_0101 * (2 * at as i64),
                        );
                        let scale = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(each, which));
                        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, scale));
                    }
                }
                total = one(total, sums, from.add(208), *scale);
            }
            *out.add(row) = total;
        }
    }
}
