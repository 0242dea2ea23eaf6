//! Runs of 64 channels with AVX2 and F16C.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_LE_OQ, _CMP_LT_OQ, _CMP_ORD_Q, _MM_FROUND_TO_NEAREST_INT,
    _MM_FROUND_TO_POS_INF, _mm_cvtsi128_si32, _mm_cvtss_f32, _mm_loadu_si128, _mm_max_ps, _mm_min_ps,
    _mm_movehl_ps, _mm_packus_epi16, _mm_packus_epi32, _mm_set1_epi16, _mm_shuffle_ps, _mm_srli_si128,
    _mm_storeu_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_andnot_ps,
    _mm256_castps_si256, _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmp_ps,
    _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_cvtps_epi32,
    _mm256_cvtps_ph, _mm256_cvtss_f32, _mm256_div_ps, _mm256_extractf128_ps, _mm256_extracti128_si256,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps, _mm256_min_ps, _mm256_movemask_ps, _mm256_mul_ps,
    _mm256_or_si256, _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_slli_epi16, _mm256_slli_epi32, _mm256_srli_epi16, _mm256_srli_epi32, _mm256_storeu_ps,
    _mm256_storeu_si256, _mm256_sub_ps,
};

super::drive::drive! { #[target_feature(enable = "avx2,f16c")] }

/// Sixteen singles.
type Lanes = [__m256; 2];

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn splat(value: f32) -> Lanes {
    [_mm256_set1_ps(value); 2]
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn plus(a: Lanes, b: Lanes) -> Lanes {
    [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn minus(a: Lanes, b: Lanes) -> Lanes {
    [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn times(a: Lanes, b: Lanes) -> Lanes {
    [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn over(a: Lanes, b: Lanes) -> Lanes {
    [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])]
}

/// One over each lane; zero where the lane is below what has a full precision.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn inverse(a: Lanes) -> Lanes {
    each!(eight in [a[0], a[1]] => {
        let small = _mm256_cmp_ps::<_CMP_LT_OQ>(eight, _mm256_set1_ps(f32::MIN_POSITIVE));
        _mm256_andnot_ps(small, _mm256_div_ps(_mm256_set1_ps(1.0), eight))
    })
}

/// Whether every lane is at most this.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn within(a: Lanes, most: f32) -> bool {
    let [first, second] = each!(eight in [a[0], a[1]] => {
        _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(eight, _mm256_set1_ps(most)))
    });
    first & second == 0xff
}

/// The least numbers of this kind that are not below.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn above<const E: u8>(a: Lanes) -> Lanes {
    each!(eight in [a[0], a[1]] => match E {
        F32 => eight,
        F16 => _mm256_cvtph_ps(_mm256_cvtps_ph::<_MM_FROUND_TO_POS_INF>(eight)),
        _ => {
            let raised = _mm256_add_epi32(_mm256_castps_si256(eight), _mm256_set1_epi32(0xffff));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_srli_epi32::<16>(raised)))
        }
    })
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn least(a: Lanes, b: Lanes) -> Lanes {
    [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn most(a: Lanes, b: Lanes) -> Lanes {
    [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn lowest(a: Lanes) -> f32 {
    let eight = _mm256_min_ps(a[0], a[1]);
    let four = _mm_min_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_min_ps(two, _mm_shuffle_ps::<1>(two, two)))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn highest(a: Lanes) -> f32 {
    let eight = _mm256_max_ps(a[0], a[1]);
    let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_max_ps(two, _mm_shuffle_ps::<1>(two, two)))
}

/// Whether no lane is NaN.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn finite(a: Lanes) -> bool {
    let [first, second] =
        each!(eight in [a[0], a[1]] => _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_ORD_Q>(eight, eight)));
    first & second == 0xff
}

/// # Safety
/// Sixteen numbers of this kind can be read at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn load<const E: u8>(at: *const u8) -> Lanes {
    each!(part in [0, 1] => {
        if E == F32 {
            // SAFETY: two times 32 bytes, which the caller vouches for.
            unsafe { _mm256_loadu_ps(at.add(32 * part).cast()) }
        } else {
            // SAFETY: two times 16 bytes, which the caller vouches for.
            let numbers = unsafe { _mm_loadu_si128(at.add(16 * part).cast()) };
            if E == F16 { _mm256_cvtph_ps(numbers) } else { upper(numbers) }
        }
    })
}

/// One number in every lane.
///
/// # Safety
/// One number of this kind can be read at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn spread<const E: u8>(at: *const u8) -> Lanes {
    if E == F32 {
        // SAFETY: 4 bytes, which the caller vouches for.
        return splat(unsafe { at.cast::<f32>().read_unaligned() });
    }
    // SAFETY: 2 bytes, which the caller vouches for.
    let numbers = _mm_set1_epi16(unsafe { at.cast::<i16>().read_unaligned() });
    [if E == F16 { _mm256_cvtph_ps(numbers) } else { upper(numbers) }; 2]
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn upper(brains: __m128i) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(brains)))
}

/// # Safety
/// Sixteen numbers of this kind can be written at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn store<const E: u8>(at: *mut u8, numbers: Lanes) {
    for (part, eight) in numbers.into_iter().enumerate() {
        if E == F32 {
            // SAFETY: two times 32 bytes, which the caller vouches for.
            unsafe { _mm256_storeu_ps(at.add(32 * part).cast(), eight) };
            continue;
        }
        // SAFETY: two times 16 bytes, which the caller vouches for.
        unsafe { _mm_storeu_si128(at.add(16 * part).cast(), shorten::<E>(eight)) };
    }
}

/// Writes the first of them.
///
/// # Safety
/// A number of this kind can be written at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn store_one<const E: u8>(at: *mut u8, numbers: Lanes) {
    if E == F32 {
        // SAFETY: 4 bytes, which the caller vouches for.
        return unsafe { at.cast::<f32>().write_unaligned(_mm256_cvtss_f32(numbers[0])) };
    }
    let pair = _mm_cvtsi128_si32(shorten::<E>(numbers[0]));
    // SAFETY: 2 bytes, which the caller vouches for.
    unsafe { at.cast::<[u8; 2]>().write_unaligned([pair.to_le_bytes()[0], pair.to_le_bytes()[1]]) };
}

/// Rounded to two bytes each, to nearest even.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn shorten<const E: u8>(eight: __m256) -> __m128i {
    if E == F16 {
        return _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(eight);
    }
    let bits = _mm256_castps_si256(eight);
    let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
    let rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    let (low, high) = halves(_mm256_srli_epi32::<16>(rounded));
    _mm_packus_epi32(low, high)
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn halves(both: __m256i) -> (__m128i, __m128i) {
    (_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both))
}

/// The 64 codes of a run as singles.
///
/// # Safety
/// They can be read at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn load_codes<const EIGHT: bool>(at: *const u8) -> [Lanes; 4] {
    if EIGHT {
        // SAFETY: 64 bytes, which the caller vouches for.
        return each!(part in [0, 1, 2, 3] => sixteen(unsafe { _mm_loadu_si128(at.add(part * LANES).cast()) }));
    }
    // SAFETY: 32 bytes, which the caller vouches for.
    let pairs = unsafe { _mm256_loadu_si256(at.cast()) };
    let mask = _mm256_set1_epi8(0x0f);
    let (a, b) = halves(_mm256_and_si256(pairs, mask));
    let (c, d) = halves(_mm256_and_si256(_mm256_srli_epi16::<4>(pairs), mask));
    each!(codes in [a, b, c, d] => sixteen(codes))
}

/// Sixteen codes as singles.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn sixteen(codes: __m128i) -> Lanes {
    each!(eight in [codes, _mm_srli_si128::<8>(codes)] => _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight)))
}

/// Rounds 64 quotients to codes; they are between zero and the highest code.
///
/// # Safety
/// The codes of a run can be written at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn store_codes<const EIGHT: bool>(at: *mut u8, quotients: [Lanes; 4]) {
    let [a, b, c, d] = quotients;
    let [a, b, c, d] = each!(quotients in [a, b, c, d] => {
        let [first, second] = each!(eight in [quotients[0], quotients[1]] => {
            let (low, high) = halves(_mm256_cvtps_epi32(eight));
            _mm_packus_epi32(low, high)
        });
        _mm_packus_epi16(first, second)
    });
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
