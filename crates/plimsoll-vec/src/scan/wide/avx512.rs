//! AVX-512 with F, BW, DQ, VL and VNNI.

#[allow(
    clippy::wildcard_imports,
    reason = "the names are those of the instructions; not found where tests are built"
)]
use std::arch::x86_64::*;

use super::Avx2;
use super::Wide;

/// 16 lanes.
pub(crate) struct Avx512;

impl Wide for Avx512 {
    const LANES: usize = 16;
    type F = __m512;
    type I = __m512i;

    #[inline(always)]
    unsafe fn fetch(from: *const u8) {
        // SAFETY: the caller keeps what the trait demands; what is not there is not fetched.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn zero() -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(
                from.cast(),
            ))))
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, number: Self::F) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            _mm512_storeu_ps(to, number);
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn sum(number: Self::F) -> f32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            let half = _mm256_add_ps(_mm512_castps512_ps256(number), _mm512_extractf32x8_ps::<1>(number));
            Avx2::sum(half)
        }
    }

    #[inline(always)]
    unsafe fn not_above(a: Self::F, b: Self::F) -> u32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_NGT_UQ>(a, b)) }
    }

    #[inline(always)]
    unsafe fn zero_ints() -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn splat_ints(number: i32) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_set1_epi32(number) }
    }

    #[inline(always)]
    unsafe fn load_ints(from: *const u8) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_ints(to: *mut u8, number: Self::I) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            _mm512_storeu_si512(to.cast(), number);
        }
    }

    #[inline(always)]
    unsafe fn sub_ints(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_sub_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn add_ints(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn sub_bytes(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_sub_epi8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_add_epi8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_halves(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_add_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn sub_halves(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_sub_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn shift_down(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_srli_epi16::<8>(a) }
    }

    #[inline(always)]
    unsafe fn shift_up(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_slli_epi16::<8>(a) }
    }

    #[inline(always)]
    unsafe fn load_table(from: *const u8) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn look_up(table: Self::I, at: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_shuffle_epi8(table, at) }
    }

    #[inline(always)]
    unsafe fn xor(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_xor_si512(a, b) }
    }

    #[inline(always)]
    unsafe fn and(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_and_si512(a, b) }
    }

    #[inline(always)]
    unsafe fn upper_nibbles(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_and_si512(_mm512_srli_epi16::<4>(a), _mm512_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_dpbusd_epi32(sum, a, b) }
    }

    #[inline(always)]
    unsafe fn sum_lanes(number: Self::I) -> i32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_reduce_add_epi32(number) }
    }

    #[inline(always)]
    unsafe fn to_f(number: Self::I) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { _mm512_cvtepi32_ps(number) }
    }
}
