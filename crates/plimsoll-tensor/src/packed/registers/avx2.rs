//! AVX2 with FMA: two registers of eight lanes.

#[allow(clippy::wildcard_imports, reason = "the names are those of the instructions")]
use std::arch::x86_64::*;

use super::{Job, One, Registers, avx2_alone as alone};
use crate::packed::Packing;

pub(crate) struct Avx2;

/// Runs a job, compiled for these instructions.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn run(job: impl Job) {
    // SAFETY: this function's caller has made sure of the instructions.
    unsafe { job.run::<Avx2>() }
}

impl Registers for Avx2 {
    const UNSIGNED: bool = false;
    type Singles = [__m256; 2];
    type Wholes = [__m256i; 2];

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::Singles {
        // SAFETY: the caller keeps what the trait demands, here and below.
        unsafe { [_mm256_set1_ps(number); 2] }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Singles {
        // SAFETY: see above.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, numbers: Self::Singles) {
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_ps(to, numbers[0]);
            _mm256_storeu_ps(to.add(8), numbers[1]);
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Singles, b: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Singles, b: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn fuse(a: Self::Singles, b: Self::Singles, c: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    unsafe fn splat_whole(number: i32) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { [_mm256_set1_epi32(number); 2] }
    }

    #[inline(always)]
    unsafe fn load_whole(from: *const i32) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(8).cast())] }
    }

    #[inline(always)]
    unsafe fn add_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { [_mm256_mullo_epi32(a[0], b[0]), _mm256_mullo_epi32(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn to_singles(numbers: Self::Wholes) -> Self::Singles {
        // SAFETY: see above.
        unsafe { [_mm256_cvtepi32_ps(numbers[0]), _mm256_cvtepi32_ps(numbers[1])] }
    }

    /// The instruction that multiplies bytes takes one of them without a sign, so the levels' signs go to the inputs. Two
    /// products are at most 2 × 128 × 127, which fits.
    #[inline(always)]
    unsafe fn dot(sum: Self::Wholes, levels: *const i8, inputs: *const i8) -> Self::Wholes {
        // SAFETY: see above.
        unsafe {
            let inputs = _mm256_set1_epi32(inputs.cast::<i32>().read_unaligned());
            [eight(sum[0], levels, inputs), eight(sum[1], levels.add(32), inputs)]
        }
    }

    #[inline(always)]
    unsafe fn row_of_halves(from: *const u8) -> Self::Singles {
        // SAFETY: see above.
        unsafe {
            let halves = _mm256_loadu_si256(from.cast());
            let (low, high) = (_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
            [_mm256_cvtph_ps(low), _mm256_cvtph_ps(high)]
        }
    }

    #[inline(always)]
    unsafe fn halves(from: *const u8, stride: usize) -> Self::Singles {
        // SAFETY: see above.
        unsafe {
            let mut halves = [0_u16; 16];
            let mut row = 0;
            while row < 16 {
                halves[row] = from.add(row * stride).cast::<u16>().read_unaligned();
                row += 1;
            }
            let halves = _mm256_loadu_si256(halves.as_ptr().cast());
            let (low, high) = (_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
            [_mm256_cvtph_ps(low), _mm256_cvtph_ps(high)]
        }
    }

    #[inline(always)]
    fn takes_alone(packing: Packing, _columns: usize) -> bool {
        packing.block_numbers() > 1
    }

    #[inline(always)]
    unsafe fn alone(packing: Packing, rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
        // SAFETY: see above.
        unsafe {
            match packing {
                Packing::Q8_0 => alone::q8_0(rows, stride, input, out),
                Packing::Q4_0 => alone::q4_0(rows, stride, input, out),
                Packing::Q4K => alone::parts_of_32::<false>(rows, stride, input, out),
                Packing::Q5K => alone::parts_of_32::<true>(rows, stride, input, out),
                Packing::Q6K => alone::parts_of_16(rows, stride, input, out),
                Packing::F32 | Packing::F16 | Packing::Bf16 => unreachable!("numbers are not taken alone"),
            }
        }
    }

    #[inline(always)]
    unsafe fn spread(from: *const u8, stride: usize, flip: u8, to: *mut u8) {
        // SAFETY: see above; eight rows at a time, as a square of eight by eight.
        unsafe {
            let flip = _mm256_set1_epi8(flip.cast_signed());
            for half in 0..2 {
                let from = from.add(half * 8 * stride);
                let (low, high) = (square(from, stride, flip), square(from.add(4 * stride), stride, flip));
                for group in 0..4 {
                    let to = to.add(group * 64 + half * 32);
                    let first = _mm256_permute2x128_si256::<0x20>(low[group], high[group]);
                    let second = _mm256_permute2x128_si256::<0x31>(low[group], high[group]);
                    _mm256_storeu_si256(to.cast(), first);
                    _mm256_storeu_si256(to.add(256).cast(), second);
                }
            }
        }
    }
}

/// Eight lanes of a product.
#[inline(always)]
unsafe fn eight(sum: __m256i, levels: *const i8, inputs: __m256i) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe {
        let levels = _mm256_loadu_si256(levels.cast());
        let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(levels), _mm256_sign_epi8(inputs, levels));
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
}

/// 32 bytes with some bits turned.
#[inline(always)]
unsafe fn turned(from: *const u8, flip: __m256i) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe { _mm256_xor_si256(_mm256_loadu_si256(from.cast()), flip) }
}

/// Four rows of 32 bytes, transposed: in the halves of register `k` stand the rows in group `k` and in `k + 4`.
#[inline(always)]
unsafe fn square(from: *const u8, stride: usize, flip: __m256i) -> [__m256i; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        let (a, b) = (turned(from, flip), turned(from.add(stride), flip));
        let (c, d) = (turned(from.add(2 * stride), flip), turned(from.add(3 * stride), flip));
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        let (hab, hcd) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab, cd),
            _mm256_unpackhi_epi64(ab, cd),
            _mm256_unpacklo_epi64(hab, hcd),
            _mm256_unpackhi_epi64(hab, hcd),
        ]
    }
}
