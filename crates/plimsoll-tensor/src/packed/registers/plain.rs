//! The reference: arrays in place of registers.

use super::{LANES, Registers};

pub(crate) struct Plain;

impl Registers for Plain {
    const UNSIGNED: bool = false;
    type Singles = [f32; LANES];
    type Wholes = [i32; LANES];

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::Singles {
        [number; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Singles {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { from.cast::<Self::Singles>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, numbers: Self::Singles) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { to.cast::<Self::Singles>().write_unaligned(numbers) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Singles, b: Self::Singles) -> Self::Singles {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Singles, b: Self::Singles) -> Self::Singles {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn fuse(a: Self::Singles, b: Self::Singles, c: Self::Singles) -> Self::Singles {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    unsafe fn splat_whole(number: i32) -> Self::Wholes {
        [number; LANES]
    }

    #[inline(always)]
    unsafe fn load_whole(from: *const i32) -> Self::Wholes {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { from.cast::<Self::Wholes>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn add_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes {
        std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }

    #[inline(always)]
    unsafe fn mul_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes {
        std::array::from_fn(|lane| a[lane].wrapping_mul(b[lane]))
    }

    #[expect(clippy::cast_precision_loss, reason = "rounded as the instructions round it")]
    #[inline(always)]
    unsafe fn to_singles(numbers: Self::Wholes) -> Self::Singles {
        numbers.map(|number| number as f32)
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Wholes, levels: *const i8, inputs: *const i8) -> Self::Wholes {
        // SAFETY: the caller keeps what the trait demands.
        let (levels, inputs) = unsafe {
            (levels.cast::<[[i8; 4]; LANES]>().read_unaligned(), inputs.cast::<[i8; 4]>().read_unaligned())
        };
        std::array::from_fn(|lane| {
            let products = levels[lane].iter().zip(inputs);
            products.fold(sum[lane], |sum, (level, input)| sum + i32::from(*level) * i32::from(input))
        })
    }
}
