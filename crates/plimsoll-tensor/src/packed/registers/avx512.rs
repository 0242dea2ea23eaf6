//! AVX-512 with VNNI: one register of sixteen lanes.

#[allow(clippy::wildcard_imports, reason = "the names are those of the instructions")]
use std::arch::x86_64::*;

use super::{Job, One, Registers, avx512_alone as alone};
use crate::packed::Packing;

pub(crate) struct Avx512;

/// Runs a job, compiled for these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) fn run(job: impl Job) {
    // SAFETY: this function's caller has made sure of the instructions.
    unsafe { job.run::<Avx512>() }
}

impl Registers for Avx512 {
    const UNSIGNED: bool = true;
    type Singles = __m512;
    type Wholes = __m512i;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::Singles {
        // SAFETY: the caller keeps what the trait demands, here and below.
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Singles {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, numbers: Self::Singles) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, numbers) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Singles, b: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Singles, b: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fuse(a: Self::Singles, b: Self::Singles, c: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn splat_whole(number: i32) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi32(number) }
    }

    #[inline(always)]
    unsafe fn load_whole(from: *const i32) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { _mm512_mullo_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn to_singles(numbers: Self::Wholes) -> Self::Singles {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(numbers) }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Wholes, levels: *const i8, inputs: *const i8) -> Self::Wholes {
        // SAFETY: see above.
        unsafe {
            let inputs = _mm512_set1_epi32(inputs.cast::<i32>().read_unaligned());
            _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(levels.cast()), inputs)
        }
    }

    #[inline(always)]
    unsafe fn spread(from: *const u8, stride: usize, flip: u8, to: *mut u8) {
        // SAFETY: see above.
        unsafe {
            let flip = _mm512_set1_epi8(flip.cast_signed());
            let (low, high) = (square(from, stride, flip), square(from.add(8 * stride), stride, flip));
            for group in 0..4 {
                let to = to.add(group * 64);
                let first = _mm512_shuffle_i32x4::<0b10_00_10_00>(low[group], high[group]);
                let second = _mm512_shuffle_i32x4::<0b11_01_11_01>(low[group], high[group]);
                _mm512_storeu_si512(to.cast(), first);
                _mm512_storeu_si512(to.add(256).cast(), second);
            }
        }
    }

    #[inline(always)]
    unsafe fn halves(from: *const u8, stride: usize) -> Self::Singles {
        // SAFETY: see above.
        unsafe { halves(from, stride) }
    }

    #[inline(always)]
    unsafe fn row_of_halves(from: *const u8) -> Self::Singles {
        // SAFETY: see above.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        // SAFETY: what is prefetched need not be there.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }

    const COLUMNS: bool = true;

    #[inline(always)]
    unsafe fn columns(from: *const u8, stride: usize) -> [Self::Singles; super::LANES] {
        // SAFETY: see above.
        unsafe { alone::columns::<alone::Halves>(from, stride) }
    }

    #[inline(always)]
    fn takes_alone(packing: Packing, columns: usize) -> bool {
        packing.block_numbers() > 1 || columns.is_multiple_of(super::LANES)
    }

    #[inline(always)]
    unsafe fn alone(packing: Packing, rows: *const u8, stride: usize, input: &One<'_>, out: *mut f32) {
        // SAFETY: see above.
        unsafe {
            match packing {
                Packing::F32 => alone::numbers::<alone::Singles>(rows, stride, input, out),
                Packing::F16 => alone::numbers::<alone::Halves>(rows, stride, input, out),
                Packing::Bf16 => alone::numbers::<alone::Uppers>(rows, stride, input, out),
                Packing::Q8_0 => alone::q8_0(rows, stride, input, out),
                Packing::Q4_0 => alone::q4_0(rows, stride, input, out),
                Packing::Q4K => alone::parts_of_32::<false>(rows, stride, input, out),
                Packing::Q5K => alone::parts_of_32::<true>(rows, stride, input, out),
                Packing::Q6K => alone::parts_of_16(rows, stride, input, out),
            }
        }
    }
}

/// The halves that sixteen rows begin with.
#[inline(always)]
pub(super) unsafe fn halves(from: *const u8, stride: usize) -> __m512 {
    // SAFETY: as the caller promises.
    unsafe {
        // Each is put into its place: stores of two bytes are not there yet for a load of all.
        let low = eight_halves(from, stride);
        let high = eight_halves(from.add(8 * stride), stride);
        _mm512_cvtph_ps(_mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high))
    }
}

/// The halves that eight rows begin with.
#[inline(always)]
unsafe fn eight_halves(from: *const u8, stride: usize) -> __m128i {
    // SAFETY: as the caller promises.
    unsafe {
        let mut halves = _mm_cvtsi32_si128(half(from));
        halves = _mm_insert_epi16::<1>(halves, half(from.add(stride)));
        halves = _mm_insert_epi16::<2>(halves, half(from.add(2 * stride)));
        halves = _mm_insert_epi16::<3>(halves, half(from.add(3 * stride)));
        halves = _mm_insert_epi16::<4>(halves, half(from.add(4 * stride)));
        halves = _mm_insert_epi16::<5>(halves, half(from.add(5 * stride)));
        halves = _mm_insert_epi16::<6>(halves, half(from.add(6 * stride)));
        _mm_insert_epi16::<7>(halves, half(from.add(7 * stride)))
    }
}

#[inline(always)]
unsafe fn half(from: *const u8) -> i32 {
    // SAFETY: as the caller promises.
    i32::from(unsafe { from.cast::<u16>().read_unaligned() })
}

/// 32 bytes of a row and of the fourth row behind it, with some bits turned.
#[inline(always)]
pub(super) unsafe fn two(from: *const u8, stride: usize, flip: __m512i) -> __m512i {
    // SAFETY: as the caller promises.
    unsafe {
        let low = _mm256_loadu_si256(from.cast());
        let high = _mm256_loadu_si256(from.add(4 * stride).cast());
        _mm512_xor_si512(_mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high), flip)
    }
}

/// Eight rows of 32 bytes, transposed by fours: in each quarter of register `k` stand four rows of one group. The quarters
/// are: the first four rows in group `k` and in `k + 4`, then the other four rows in these.
#[inline(always)]
unsafe fn square(from: *const u8, stride: usize, flip: __m512i) -> [__m512i; 4] {
    // SAFETY: as the caller promises.
    unsafe {
        let (a, b) = (two(from, stride, flip), two(from.add(stride), stride, flip));
        let (c, d) = (two(from.add(2 * stride), stride, flip), two(from.add(3 * stride), stride, flip));
        let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
        let (hab, hcd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
        [
            _mm512_unpacklo_epi64(ab, cd),
            _mm512_unpackhi_epi64(ab, cd),
            _mm512_unpacklo_epi64(hab, hcd),
            _mm512_unpackhi_epi64(hab, hcd),
        ]
    }
}

/// Sums of four: in each quarter, lane `i` is the sum of the quarter of register `i`.
#[inline(always)]
pub(super) unsafe fn across(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> __m512i {
    // SAFETY: as the caller promises.
    unsafe {
        let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd))
    }
}
