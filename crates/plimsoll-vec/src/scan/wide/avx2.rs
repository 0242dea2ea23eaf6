//! AVX2 with FMA and F16C.

#[allow(
    clippy::wildcard_imports,
    reason = "the names are those of the instructions; not found where tests are built"
)]
use std::arch::x86_64::*;

use super::Wide;

/// 8 lanes.
pub(crate) struct Avx2;

impl Wide for Avx2 {
    const LANES: usize = 8;
    type F = __m256;
    type I = __m256i;

    #[inline(always)]
    unsafe fn fetch(from: *const u8) {
        // SAFETY: the caller keeps what the trait demands; what is not there is not fetched.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn zero() -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()))))
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, number: Self::F) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            _mm256_storeu_ps(to, number);
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn sum(number: Self::F) -> f32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(number), _mm256_extractf128_ps::<1>(number));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    unsafe fn not_above(a: Self::F, b: Self::F) -> u32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NGT_UQ>(a, b)).cast_unsigned() }
    }

    #[inline(always)]
    unsafe fn zero_ints() -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn splat_ints(number: i32) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_set1_epi32(number) }
    }

    #[inline(always)]
    unsafe fn load_ints(from: *const u8) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_ints(to: *mut u8, number: Self::I) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            _mm256_storeu_si256(to.cast(), number);
        }
    }

    #[inline(always)]
    unsafe fn sub_ints(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_sub_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn add_ints(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn sub_bytes(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_sub_epi8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_add_epi8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_halves(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_add_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn sub_halves(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_sub_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn shift_down(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_srli_epi16::<8>(a) }
    }

    #[inline(always)]
    unsafe fn shift_up(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_slli_epi16::<8>(a) }
    }

    #[inline(always)]
    unsafe fn load_table(from: *const u8) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn look_up(table: Self::I, at: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_shuffle_epi8(table, at) }
    }

    #[inline(always)]
    unsafe fn xor(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn and(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_and_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn upper_nibbles(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_and_si256(_mm256_srli_epi16::<4>(a), _mm256_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            // By pairs of 16 bits: the instruction for bytes would clip the sum of two products.
            let even = _mm256_madd_epi16(
                _mm256_and_si256(a, _mm256_set1_epi16(255)),
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)),
            );
            let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
            _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
        }
    }

    #[inline(always)]
    unsafe fn sum_lanes(number: Self::I) -> i32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            let four = _mm_add_epi32(_mm256_castsi256_si128(number), _mm256_extracti128_si256::<1>(number));
            let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b0100_1110>(four));
            _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
        }
    }

    #[inline(always)]
    unsafe fn to_f(number: Self::I) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm256_cvtepi32_ps(number) }
    }
}
