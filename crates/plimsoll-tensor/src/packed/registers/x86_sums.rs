//! What becomes of a block of 256 when its products are added up: singles, in the order of the kernels over panels.

#[allow(clippy::wildcard_imports, reason = "the names are those of the instructions")]
use std::arch::x86_64::*;

/// Eight scales of six bits, a byte each, out of the twelve bytes that they share with eight leasts.
#[inline(always)]
pub(super) unsafe fn scales(from: *const u8) -> __m128i {
    // SAFETY: the caller vouches for twelve bytes.
    let (first, _, third) = unsafe { words(from) };
    both(first & 0x3f3f_3f3f, (third & 0x0f0f_0f0f) | ((first >> 6 & 0x0303_0303) << 4))
}

/// The leasts.
#[inline(always)]
pub(super) unsafe fn leasts(from: *const u8) -> __m128i {
    // SAFETY: the caller vouches for twelve bytes.
    let (_, second, third) = unsafe { words(from) };
    both(second & 0x3f3f_3f3f, (third >> 4 & 0x0f0f_0f0f) | ((second >> 6 & 0x0303_0303) << 4))
}

#[inline(always)]
unsafe fn words(from: *const u8) -> (u32, u32, u32) {
    // SAFETY: as the caller promises.
    let [one, two, three] = unsafe { from.cast::<[[u8; 4]; 3]>().read() };
    (u32::from_le_bytes(one), u32::from_le_bytes(two), u32::from_le_bytes(three))
}

#[inline(always)]
fn both(low: u32, high: u32) -> __m128i {
    let bytes = u64::from(low) | u64::from(high) << 32;
    // SAFETY: SSE2 is part of every such processor.
    unsafe { _mm_cvtsi64_si128(bytes.cast_signed()) }
}

/// Adds a block's sum, times the half at `from`, and its leasts, times the half behind that; both times `scale`.
#[inline(always)]
pub(super) unsafe fn pair(total: f32, sums: __m256i, below: __m256i, from: *const u8, scale: f32) -> f32 {
    // SAFETY: the caller has the instructions, and vouches for four bytes.
    unsafe {
        let sums = _mm256_hadd_epi32(sums, below);
        let sums = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let sums = _mm_cvtepi32_ps(_mm_hadd_epi32(sums, sums));
        let halves = _mm_cvtsi32_si128(from.cast::<i32>().read_unaligned());
        let factors = _mm_mul_ps(_mm_cvtph_ps(halves), _mm_set1_ps(scale));
        let products = _mm_mul_ps(sums, factors);
        total + _mm_cvtss_f32(products) + _mm_cvtss_f32(_mm_movehdup_ps(products))
    }
}

/// Adds a block's sum, times the half at `from` and `scale`.
#[inline(always)]
pub(super) unsafe fn one(total: f32, sums: __m256i, from: *const u8, scale: f32) -> f32 {
    // SAFETY: the caller has the instructions, and vouches for two bytes.
    unsafe {
        let sums = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let sums = _mm_hadd_epi32(sums, sums);
        let sums = _mm_cvtepi32_ps(_mm_hadd_epi32(sums, sums));
        let half = _mm_cvtsi32_si128(i32::from(from.cast::<u16>().read_unaligned()));
        let factor = _mm_mul_ss(_mm_cvtph_ps(half), _mm_set_ss(scale));
        total + _mm_cvtss_f32(_mm_mul_ss(sums, factor))
    }
}
