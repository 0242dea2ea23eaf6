//! Runs of 64 channels with AVX-512.

use std::arch::x86_64::{
    __m256i, __m512, _CMP_LE_OQ, _CMP_LT_OQ, _CMP_ORD_Q, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT,
    _MM_FROUND_TO_POS_INF, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_storeu_si128, _mm256_and_si256,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_slli_epi16, _mm256_srli_epi16, _mm256_storeu_si256,
    _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_cvtepi32_epi8, _mm512_cvtepi32_epi16, _mm512_cvtepi32_ps,
    _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_cvtps_epi32, _mm512_cvtps_ph,
    _mm512_cvtss_f32, _mm512_div_ps, _mm512_loadu_ps, _mm512_mask_blend_ps, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_reduce_max_ps, _mm512_reduce_min_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_ps, _mm512_sub_ps,
};

super::drive::drive! { #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")] }

/// Sixteen singles.
type Lanes = __m512;

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn splat(value: f32) -> Lanes {
    _mm512_set1_ps(value)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn plus(a: Lanes, b: Lanes) -> Lanes {
    _mm512_add_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn minus(a: Lanes, b: Lanes) -> Lanes {
    _mm512_sub_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn times(a: Lanes, b: Lanes) -> Lanes {
    _mm512_mul_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn over(a: Lanes, b: Lanes) -> Lanes {
    _mm512_div_ps(a, b)
}

/// One over each lane; zero where the lane is below what has a full precision.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn inverse(a: Lanes) -> Lanes {
    let small = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, splat(f32::MIN_POSITIVE));
    _mm512_mask_blend_ps(small, _mm512_div_ps(splat(1.0), a), splat(0.0))
}

/// Whether every lane is at most this.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn within(a: Lanes, most: f32) -> bool {
    _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, splat(most)) == u16::MAX
}

/// The least numbers of this kind that are not below.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn above<const E: u8>(a: Lanes) -> Lanes {
    match E {
        F32 => a,
        F16 => _mm512_cvtph_ps(_mm512_cvtps_ph::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(a)),
        _ => {
            let raised = _mm512_add_epi32(_mm512_castps_si512(a), _mm512_set1_epi32(0xffff));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_srli_epi32::<16>(raised)))
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn least(a: Lanes, b: Lanes) -> Lanes {
    _mm512_min_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn most(a: Lanes, b: Lanes) -> Lanes {
    _mm512_max_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn lowest(a: Lanes) -> f32 {
    _mm512_reduce_min_ps(a)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn highest(a: Lanes) -> f32 {
    _mm512_reduce_max_ps(a)
}

/// Whether no lane is NaN.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn finite(a: Lanes) -> bool {
    _mm512_cmp_ps_mask::<_CMP_ORD_Q>(a, a) == u16::MAX
}

/// # Safety
/// Sixteen numbers of this kind can be read at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
unsafe fn load<const E: u8>(at: *const u8) -> Lanes {
    if E == F32 {
        // SAFETY: 64 bytes, which the caller vouches for.
        return unsafe { _mm512_loadu_ps(at.cast()) };
    }
    // SAFETY: 32 bytes, which the caller vouches for.
    let numbers = unsafe { _mm256_loadu_si256(at.cast()) };
    if E == F16 { _mm512_cvtph_ps(numbers) } else { upper(numbers) }
}

/// One number in every lane.
///
/// # Safety
/// One number of this kind can be read at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
unsafe fn spread<const E: u8>(at: *const u8) -> Lanes {
    if E == F32 {
        // SAFETY: 4 bytes, which the caller vouches for.
        return _mm512_set1_ps(unsafe { at.cast::<f32>().read_unaligned() });
    }
    // SAFETY: 2 bytes, which the caller vouches for.
    let numbers = _mm256_set1_epi16(unsafe { at.cast::<i16>().read_unaligned() });
    if E == F16 { _mm512_cvtph_ps(numbers) } else { upper(numbers) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn upper(brains: __m256i) -> Lanes {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(brains)))
}

/// # Safety
/// Sixteen numbers of this kind can be written at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
unsafe fn store<const E: u8>(at: *mut u8, numbers: Lanes) {
    if E == F32 {
        // SAFETY: 64 bytes, which the caller vouches for.
        return unsafe { _mm512_storeu_ps(at.cast(), numbers) };
    }
    // SAFETY: 32 bytes, which the caller vouches for.
    unsafe { _mm256_storeu_si256(at.cast(), shorten::<E>(numbers)) };
}

/// Writes the first of them.
///
/// # Safety
/// A number of this kind can be written at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
unsafe fn store_one<const E: u8>(at: *mut u8, numbers: Lanes) {
    if E == F32 {
        // SAFETY: 4 bytes, which the caller vouches for.
        return unsafe { at.cast::<f32>().write_unaligned(_mm512_cvtss_f32(numbers)) };
    }
    let pair = _mm_cvtsi128_si32(_mm256_castsi256_si128(shorten::<E>(numbers)));
    // SAFETY: 2 bytes, which the caller vouches for.
    unsafe { at.cast::<[u8; 2]>().write_unaligned([pair.to_le_bytes()[0], pair.to_le_bytes()[1]]) };
}

/// Rounded to two bytes each, to nearest even.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
fn shorten<const E: u8>(numbers: Lanes) -> __m256i {
    if E == F16 {
        return _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(numbers);
    }
    let bits = _mm512_castps_si512(numbers);
    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    let rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded))
}

/// The 64 codes of a run as singles.
///
/// # Safety
/// They can be read at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
unsafe fn load_codes<const EIGHT: bool>(at: *const u8) -> [Lanes; 4] {
    if EIGHT {
        return each!(part in [0, 1, 2, 3] => {
            // SAFETY: 64 bytes, which the caller vouches for.
            let codes = unsafe { _mm_loadu_si128(at.add(part * LANES).cast()) };
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes))
        });
    }
    // SAFETY: 32 bytes, which the caller vouches for.
    let pairs = unsafe { _mm256_loadu_si256(at.cast()) };
    let mask = _mm256_set1_epi8(0x0f);
    let (low, high) = (_mm256_and_si256(pairs, mask), _mm256_and_si256(_mm256_srli_epi16::<4>(pairs), mask));
    let (a, b) = (_mm256_castsi256_si128(low), _mm256_extracti128_si256::<1>(low));
    let (c, d) = (_mm256_castsi256_si128(high), _mm256_extracti128_si256::<1>(high));
    each!(codes in [a, b, c, d] => _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes)))
}

/// Rounds 64 quotients to codes; they are between zero and the highest code.
///
/// # Safety
/// The codes of a run can be written at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,f16c")]
unsafe fn store_codes<const EIGHT: bool>(at: *mut u8, quotients: [Lanes; 4]) {
    let [a, b, c, d] = quotients;
    let [a, b, c, d] =
        each!(quotients in [a, b, c, d] => _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(quotients)));
    if EIGHT {
        for (part, codes) in [a, b, c, d].into_iter().enumerate() {
            // SAFETY: 64 bytes, which the caller vouches for.
            unsafe { _mm_storeu_si128(at.add(part * LANES).cast(), codes) };
        }
        return;
    }
    let (low, high) = (_mm256_set_m128i(b, a), _mm256_set_m128i(d, c));
    // Codes have four bits, so none is shifted into the next byte.
    let pairs = _mm256_or_si256(low, _mm256_slli_epi16::<4>(high));
    // SAFETY: 32 bytes, which the caller vouches for.
    unsafe { _mm256_storeu_si256(at.cast(), pairs) };
}
