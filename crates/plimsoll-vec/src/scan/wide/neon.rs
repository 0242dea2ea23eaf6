//! NEON, as every 64-bit ARM processor has it.

#[allow(
    clippy::wildcard_imports,
    reason = "the names are those of the instructions; not found where tests are built"
)]
use std::arch::aarch64::*;

use super::Wide;

/// 4 lanes.
pub(crate) struct Neon;

impl Wide for Neon {
    const LANES: usize = 4;
    type F = float32x4_t;
    type I = uint8x16_t;

    #[inline(always)]
    unsafe fn zero() -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vdupq_n_f32(number) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            // Shifted to where a single has its exponent and mantissa, then scaled: right for subnormal halves too.
            let half = vmovl_u16(vld1_u16(from.cast()));
            let size = vshlq_n_u32::<13>(vandq_u32(half, vdupq_n_u32(0x7fff)));
            let sign = vshlq_n_u32::<16>(vandq_u32(half, vdupq_n_u32(0x8000)));
            let scaled = vmulq_f32(vreinterpretq_f32_u32(size), vdupq_n_f32(f32::from_bits(0x7780_0000)));
            vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(scaled), sign))
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, number: Self::F) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            vst1q_f32(to, number);
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    unsafe fn sum(number: Self::F) -> f32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            let two = vadd_f32(vget_low_f32(number), vget_high_f32(number));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }

    #[inline(always)]
    unsafe fn not_above(a: Self::F, b: Self::F) -> u32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            let bits = vandq_u32(vmvnq_u32(vcgtq_f32(a, b)), vld1q_u32([1, 2, 4, 8].as_ptr()));
            vaddvq_u32(bits)
        }
    }

    #[inline(always)]
    unsafe fn zero_ints() -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vdupq_n_u8(0) }
    }

    #[inline(always)]
    unsafe fn splat_ints(number: i32) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vreinterpretq_u8_s32(vdupq_n_s32(number)) }
    }

    #[inline(always)]
    unsafe fn load_ints(from: *const u8) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn store_ints(to: *mut u8, number: Self::I) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            vst1q_u8(to, number);
        }
    }

    #[inline(always)]
    unsafe fn sub_ints(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vreinterpretq_u8_s32(vsubq_s32(vreinterpretq_s32_u8(a), vreinterpretq_s32_u8(b))) }
    }

    #[inline(always)]
    unsafe fn add_ints(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vreinterpretq_u8_s32(vaddq_s32(vreinterpretq_s32_u8(a), vreinterpretq_s32_u8(b))) }
    }

    #[inline(always)]
    unsafe fn sub_bytes(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vsubq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vaddq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_halves(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vreinterpretq_u8_u16(vaddq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b))) }
    }

    #[inline(always)]
    unsafe fn sub_halves(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vreinterpretq_u8_u16(vsubq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b))) }
    }

    #[inline(always)]
    unsafe fn shift_down(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vreinterpretq_u8_u16(vshrq_n_u16::<8>(vreinterpretq_u16_u8(a))) }
    }

    #[inline(always)]
    unsafe fn shift_up(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vreinterpretq_u8_u16(vshlq_n_u16::<8>(vreinterpretq_u16_u8(a))) }
    }

    #[inline(always)]
    unsafe fn load_table(from: *const u8) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn look_up(table: Self::I, at: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vqtbl1q_u8(table, at) }
    }

    #[inline(always)]
    unsafe fn xor(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { veorq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn and(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vandq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn upper_nibbles(a: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vshrq_n_u8::<4>(a) }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            let (a0, a1) =
                (vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a))), vreinterpretq_s16_u16(vmovl_high_u8(a)));
            let b = vreinterpretq_s8_u8(b);
            let (b0, b1) = (vmovl_s8(vget_low_s8(b)), vmovl_high_s8(b));
            let first = vpaddq_s32(vmull_s16(vget_low_s16(a0), vget_low_s16(b0)), vmull_high_s16(a0, b0));
            let second = vpaddq_s32(vmull_s16(vget_low_s16(a1), vget_low_s16(b1)), vmull_high_s16(a1, b1));
            vreinterpretq_u8_s32(vaddq_s32(vreinterpretq_s32_u8(sum), vpaddq_s32(first, second)))
        }
    }

    #[inline(always)]
    unsafe fn sum_lanes(number: Self::I) -> i32 {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vaddvq_s32(vreinterpretq_s32_u8(number)) }
    }

    #[inline(always)]
    unsafe fn to_f(number: Self::I) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { vcvtq_f32_s32(vreinterpretq_s32_u8(number)) }
    }
}
