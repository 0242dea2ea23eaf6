//! Conversions with AVX2 and F16C.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_ORD_Q, _MM_FROUND_TO_NEAREST_INT, _mm_and_si128, _mm_cvtsi128_si32,
    _mm_loadu_si128, _mm_max_epi32, _mm_packus_epi16, _mm_set1_epi8, _mm_srli_epi16, _mm_srli_si128,
    _mm_storeu_si128, _mm_sub_epi8, _mm_unpackhi_epi8, _mm_unpacklo_epi8, _mm_xor_si128, _mm256_add_epi32,
    _mm256_and_ps, _mm256_and_si256, _mm256_blendv_epi8, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cmpgt_epi32, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_cvtps_epi32, _mm256_cvtps_ph, _mm256_div_ps,
    _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_maddubs_epi16, _mm256_max_epi32, _mm256_max_ps,
    _mm256_min_ps, _mm256_mul_ps, _mm256_or_si256, _mm256_packs_epi16, _mm256_packs_epi32,
    _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_permutevar8x32_epi32, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_storeu_ps, _mm256_storeu_si256,
};

super::drive::drive! { #[target_feature(enable = "avx2,f16c")] }

/// A block of numbers as singles.
type Block = [__m256; 4];

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn times(block: Block, by: f32) -> Block {
    let by = _mm256_set1_ps(by);
    block.map(|values| _mm256_mul_ps(values, by))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn over(block: Block, by: f32) -> Block {
    let by = _mm256_set1_ps(by);
    block.map(|values| _mm256_div_ps(values, by))
}

/// The largest magnitude that each lane has and had; what is not finite counts as zero.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn magnitude(block: Block, before: Option<__m256i>) -> __m256i {
    let [a, b, c, d] = block.map(|values| {
        let bits = _mm256_and_si256(_mm256_castps_si256(values), _mm256_set1_epi32(0x7fff_ffff));
        _mm256_and_si256(bits, _mm256_cmpgt_epi32(_mm256_set1_epi32(0x7f80_0000), bits))
    });
    // Without a sign, the bits of floats are in the order of the floats.
    let largest = _mm256_max_epi32(_mm256_max_epi32(a, b), _mm256_max_epi32(c, d));
    before.map_or(largest, |before| _mm256_max_epi32(before, largest))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn highest(magnitudes: __m256i) -> f32 {
    let four = _mm_max_epi32(_mm256_castsi256_si128(magnitudes), _mm256_extracti128_si256::<1>(magnitudes));
    let two = _mm_max_epi32(four, _mm_srli_si128::<8>(four));
    let one = _mm_max_epi32(two, _mm_srli_si128::<4>(two));
    f32::from_bits(_mm_cvtsi128_si32(one).cast_unsigned())
}

/// # Safety
/// A block of this kind can be read at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn load<const N: u8>(at: *const u8) -> Block {
    // SAFETY: within the block that the caller vouches for; callers ask for parts of it.
    let sixteen = |part: usize| unsafe { _mm_loadu_si128(at.add(16 * part).cast()) };
    match N {
        F32 => {
            // SAFETY: as above, 32 bytes a part.
            let part = |part: usize| unsafe { _mm256_loadu_ps(at.add(32 * part).cast()) };
            [part(0), part(1), part(2), part(3)]
        }
        F16 => [0, 1, 2, 3].map(|part| _mm256_cvtph_ps(sixteen(part))),
        BF16 => [0, 1, 2, 3]
            .map(|part| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(sixteen(part))))),
        INT8 => singles(sixteen(0), sixteen(1)),
        _ => {
            let (pairs, four) = (sixteen(0), _mm_set1_epi8(0x0f));
            let (even, odd) = (_mm_and_si128(pairs, four), _mm_and_si128(_mm_srli_epi16::<4>(pairs), four));
            singles(signed(_mm_unpacklo_epi8(even, odd)), signed(_mm_unpackhi_epi8(even, odd)))
        }
    }
}

/// Four bits with a sign, each in a byte, as bytes with a sign.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn signed(fours: __m128i) -> __m128i {
    let sign = _mm_set1_epi8(8);
    _mm_sub_epi8(_mm_xor_si128(fours, sign), sign)
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn singles(first: __m128i, second: __m128i) -> Block {
    let single = |eight: __m128i| _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
    [single(first), single(_mm_srli_si128::<8>(first)), single(second), single(_mm_srli_si128::<8>(second))]
}

/// # Safety
/// A block of this kind can be written at `at`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
unsafe fn store<const N: u8>(at: *mut u8, block: Block) {
    match N {
        F32 => {
            for (part, values) in block.into_iter().enumerate() {
                // SAFETY: the four parts of the block that the caller vouches for.
                unsafe { _mm256_storeu_ps(at.add(32 * part).cast(), values) };
            }
        }
        F16 => {
            for (part, values) in block.into_iter().enumerate() {
                let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values);
                // SAFETY: as above.
                unsafe { _mm_storeu_si128(at.add(16 * part).cast(), halves) };
            }
        }
        BF16 => {
            for part in 0..2 {
                let (low, high) = (upper_half(block[2 * part]), upper_half(block[2 * part + 1]));
                // Packing works within halves of the register; this puts the quarters in order.
                let brains = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high));
                // SAFETY: as above, in two parts.
                unsafe { _mm256_storeu_si256(at.add(32 * part).cast(), brains) };
            }
        }
        INT8 => {
            // SAFETY: as above, the block is 32 bytes.
            unsafe { _mm256_storeu_si256(at.cast(), integers(block, 127.0)) };
        }
        _ => {
            let fours = _mm256_and_si256(integers(block, 7.0), _mm256_set1_epi8(0x0f));
            // The second of each pair times sixteen, plus the first.
            let pairs = _mm256_maddubs_epi16(fours, _mm256_set1_epi16(0x1001));
            let bytes = _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
            // SAFETY: as above, the block is 16 bytes.
            unsafe { _mm_storeu_si128(at.cast(), bytes) };
        }
    }
}

/// The upper halves of singles, rounded to nearest even; NaN stays NaN.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn upper_half(values: __m256) -> __m256i {
    let bits = _mm256_castps_si256(values);
    let upper = _mm256_srli_epi32::<16>(bits);
    let odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    let rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    let ordered = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_ORD_Q>(values, values));
    let quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    _mm256_blendv_epi8(quiet, _mm256_srli_epi32::<16>(rounded), ordered)
}

/// Quotients rounded to nearest even and clamped, a byte each; NaN is zero.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn integers(block: Block, limit: f32) -> __m256i {
    let (most, least) = (_mm256_set1_ps(limit), _mm256_set1_ps(-limit));
    let [a, b, c, d] = block.map(|quotients| {
        let ordered = _mm256_and_ps(quotients, _mm256_cmp_ps::<_CMP_ORD_Q>(quotients, quotients));
        _mm256_cvtps_epi32(_mm256_max_ps(_mm256_min_ps(ordered, most), least))
    });
    let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    // Packing works within halves of the register; this puts the eighths in order.
    _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
}
