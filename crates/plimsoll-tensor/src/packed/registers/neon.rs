//! NEON, as every 64-bit ARM processor has it: four registers of four lanes.

#[allow(clippy::wildcard_imports, reason = "the names are those of the instructions")]
use std::arch::aarch64::*;

use super::{Job, Registers};

pub(crate) struct Neon;

/// Runs a job.
pub(super) unsafe fn run(job: impl Job) {
    // SAFETY: every processor of this kind has the instructions.
    unsafe { job.run::<Neon>() }
}

impl Registers for Neon {
    const UNSIGNED: bool = false;
    type Singles = [float32x4_t; 4];
    type Wholes = [int32x4_t; 4];

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::Singles {
        // SAFETY: the caller keeps what the trait demands, here and below.
        unsafe { [vdupq_n_f32(number); 4] }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Singles {
        // SAFETY: see above.
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, numbers: Self::Singles) {
        for (quarter, numbers) in numbers.into_iter().enumerate() {
            // SAFETY: see above.
            unsafe { vst1q_f32(to.add(quarter * 4), numbers) }
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Singles, b: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        std::array::from_fn(|at| unsafe { vaddq_f32(a[at], b[at]) })
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Singles, b: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        std::array::from_fn(|at| unsafe { vmulq_f32(a[at], b[at]) })
    }

    #[inline(always)]
    unsafe fn fuse(a: Self::Singles, b: Self::Singles, c: Self::Singles) -> Self::Singles {
        // SAFETY: see above.
        std::array::from_fn(|at| unsafe { vfmaq_f32(c[at], a[at], b[at]) })
    }

    #[inline(always)]
    unsafe fn splat_whole(number: i32) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { [vdupq_n_s32(number); 4] }
    }

    #[inline(always)]
    unsafe fn load_whole(from: *const i32) -> Self::Wholes {
        // SAFETY: see above.
        unsafe { [vld1q_s32(from), vld1q_s32(from.add(4)), vld1q_s32(from.add(8)), vld1q_s32(from.add(12))] }
    }

    #[inline(always)]
    unsafe fn add_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes {
        // SAFETY: see above.
        std::array::from_fn(|at| unsafe { vaddq_s32(a[at], b[at]) })
    }

    #[inline(always)]
    unsafe fn mul_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes {
        // SAFETY: see above.
        std::array::from_fn(|at| unsafe { vmulq_s32(a[at], b[at]) })
    }

    #[inline(always)]
    unsafe fn to_singles(numbers: Self::Wholes) -> Self::Singles {
        // SAFETY: see above.
        numbers.map(|numbers| unsafe { vcvtq_f32_s32(numbers) })
    }

    /// By products of sixteen bits, which every processor has; the instruction that sums four at once is not one that the
    /// compiler has a stable function for.
    #[inline(always)]
    unsafe fn dot(sum: Self::Wholes, levels: *const i8, inputs: *const i8) -> Self::Wholes {
        // SAFETY: see above.
        unsafe {
            let inputs = vreinterpretq_s8_s32(vdupq_n_s32(inputs.cast::<i32>().read_unaligned()));
            std::array::from_fn(|at| {
                let levels = vld1q_s8(levels.add(at * 16));
                let low = vmull_s8(vget_low_s8(levels), vget_low_s8(inputs));
                let high = vmull_high_s8(levels, inputs);
                vaddq_s32(sum[at], vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
            })
        }
    }
}
