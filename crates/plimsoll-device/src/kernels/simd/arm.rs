//! Conversions with NEON, which every 64-bit ARM processor has.

use std::arch::aarch64::{
    float32x4_t, int8x16_t, uint8x16_t, uint16x4_t, uint32x4_t, vabsq_f32, vaddq_u32, vandq_u8, vandq_u32,
    vbslq_u32, vceqq_f32, vcltq_u32, vcombine_s8, vcombine_s16, vcvt_f16_f32, vcvt_f32_f16, vcvtnq_s32_f32,
    vcvtq_f32_s32, vdivq_f32, vdupq_n_f32, vdupq_n_s8, vdupq_n_u8, vdupq_n_u32, veorq_s8, vget_high_s8,
    vget_high_s16, vget_low_s8, vget_low_s16, vld1_u16, vld1q_f32, vld1q_s8, vld1q_u8, vmaxq_f32, vmaxvq_f32,
    vminq_f32, vmovl_s8, vmovl_s16, vmovn_s16, vmovn_s32, vmulq_f32, vorrq_u8, vorrq_u32,
    vreinterpret_f16_u16, vreinterpret_u16_f16, vreinterpretq_f32_u32, vreinterpretq_s8_u8,
    vreinterpretq_u8_s8, vreinterpretq_u32_f32, vshll_n_u16, vshlq_n_u8, vshrn_n_u32, vshrq_n_u8,
    vshrq_n_u32, vst1_u16, vst1q_f32, vst1q_s8, vst1q_u8, vsubq_s8, vuzp1q_u8, vuzp2q_u8, vzip1q_u8,
    vzip2q_u8,
};

super::drive::drive! { #[target_feature(enable = "neon")] }

/// A block of numbers as singles.
type Block = [float32x4_t; 8];

const PARTS: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

#[inline]
#[target_feature(enable = "neon")]
fn times(block: Block, by: f32) -> Block {
    let by = vdupq_n_f32(by);
    block.map(|values| vmulq_f32(values, by))
}

#[inline]
#[target_feature(enable = "neon")]
fn over(block: Block, by: f32) -> Block {
    let by = vdupq_n_f32(by);
    block.map(|values| vdivq_f32(values, by))
}

/// The largest magnitude that each lane has and had; what is not finite counts as zero.
#[inline]
#[target_feature(enable = "neon")]
fn magnitude(block: Block, before: Option<float32x4_t>) -> float32x4_t {
    let mut largest = before.unwrap_or(vdupq_n_f32(0.0));
    for values in block {
        let bits = vreinterpretq_u32_f32(vabsq_f32(values));
        let finite = vcltq_u32(bits, vdupq_n_u32(0x7f80_0000));
        largest = vmaxq_f32(largest, vreinterpretq_f32_u32(vandq_u32(bits, finite)));
    }
    largest
}

#[inline]
#[target_feature(enable = "neon")]
fn highest(values: float32x4_t) -> f32 {
    vmaxvq_f32(values)
}

/// # Safety
/// A block of this kind can be read at `at`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load<const N: u8>(at: *const u8) -> Block {
    // SAFETY: within the block that the caller vouches for; callers ask for parts of it.
    let four = |part: usize| unsafe { vld1_u16(at.add(8 * part).cast()) };
    match N {
        // SAFETY: as above, 16 bytes a part.
        F32 => PARTS.map(|part| unsafe { vld1q_f32(at.add(16 * part).cast()) }),
        F16 => PARTS.map(|part| vcvt_f32_f16(vreinterpret_f16_u16(four(part)))),
        BF16 => PARTS.map(|part| vreinterpretq_f32_u32(vshll_n_u16::<16>(four(part)))),
        INT8 => {
            // SAFETY: as above, the block is 32 bytes.
            let (first, second) = unsafe { (vld1q_s8(at.cast()), vld1q_s8(at.add(16).cast())) };
            singles(first, second)
        }
        _ => {
            // SAFETY: as above, the block is 16 bytes.
            let pairs = unsafe { vld1q_u8(at) };
            let (even, odd) = (vandq_u8(pairs, vdupq_n_u8(0x0f)), vshrq_n_u8::<4>(pairs));
            singles(signed(vzip1q_u8(even, odd)), signed(vzip2q_u8(even, odd)))
        }
    }
}

/// Four bits with a sign, each in a byte, as bytes with a sign.
#[inline]
#[target_feature(enable = "neon")]
fn signed(fours: uint8x16_t) -> int8x16_t {
    let sign = vdupq_n_s8(8);
    vsubq_s8(veorq_s8(vreinterpretq_s8_u8(fours), sign), sign)
}

#[inline]
#[target_feature(enable = "neon")]
fn singles(first: int8x16_t, second: int8x16_t) -> Block {
    let eights = [
        vmovl_s8(vget_low_s8(first)),
        vmovl_s8(vget_high_s8(first)),
        vmovl_s8(vget_low_s8(second)),
        vmovl_s8(vget_high_s8(second)),
    ];
    PARTS.map(|part| {
        let eight = eights[part / 2];
        let four = if part % 2 == 0 { vget_low_s16(eight) } else { vget_high_s16(eight) };
        vcvtq_f32_s32(vmovl_s16(four))
    })
}

/// # Safety
/// A block of this kind can be written at `at`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store<const N: u8>(at: *mut u8, block: Block) {
    // SAFETY: within the block that the caller vouches for; callers name parts of it.
    let put = |part: usize, four: uint16x4_t| unsafe { vst1_u16(at.add(8 * part).cast(), four) };
    match N {
        F32 => {
            for (part, values) in block.into_iter().enumerate() {
                // SAFETY: as above, 16 bytes a part.
                unsafe { vst1q_f32(at.add(16 * part).cast(), values) };
            }
        }
        F16 => {
            for (part, values) in block.into_iter().enumerate() {
                put(part, vreinterpret_u16_f16(vcvt_f16_f32(values)));
            }
        }
        BF16 => {
            for (part, values) in block.into_iter().enumerate() {
                put(part, vshrn_n_u32::<16>(rounded(values)));
            }
        }
        INT8 => {
            let (first, second) = integers(block, 127.0);
            // SAFETY: as above, the block is 32 bytes.
            unsafe {
                vst1q_s8(at.cast(), first);
                vst1q_s8(at.add(16).cast(), second);
            }
        }
        _ => {
            let (first, second) = integers(block, 7.0);
            let (first, second) = (vreinterpretq_u8_s8(first), vreinterpretq_u8_s8(second));
            let even = vandq_u8(vuzp1q_u8(first, second), vdupq_n_u8(0x0f));
            let odd = vshlq_n_u8::<4>(vuzp2q_u8(first, second));
            // SAFETY: as above, the block is 16 bytes.
            unsafe { vst1q_u8(at, vorrq_u8(even, odd)) };
        }
    }
}

/// Singles whose upper halves are rounded to nearest even; NaN stays NaN.
#[inline]
#[target_feature(enable = "neon")]
fn rounded(values: float32x4_t) -> uint32x4_t {
    let bits = vreinterpretq_u32_f32(values);
    let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
    let rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
    let quiet = vorrq_u32(bits, vdupq_n_u32(0x0040_0000));
    vbslq_u32(vceqq_f32(values, values), rounded, quiet)
}

/// Quotients rounded to nearest even and clamped, a byte each; NaN is zero.
#[inline]
#[target_feature(enable = "neon")]
fn integers(block: Block, limit: f32) -> (int8x16_t, int8x16_t) {
    let (most, least) = (vdupq_n_f32(limit), vdupq_n_f32(-limit));
    // The conversion gives zero for NaN, which passes the clamp.
    let [a, b, c, d, e, f, g, h] =
        block.map(|quotients| vmovn_s32(vcvtnq_s32_f32(vmaxq_f32(vminq_f32(quotients, most), least))));
    let eight = |low, high| vmovn_s16(vcombine_s16(low, high));
    (vcombine_s8(eight(a, b), eight(c, d)), vcombine_s8(eight(e, f), eight(g, h)))
}
