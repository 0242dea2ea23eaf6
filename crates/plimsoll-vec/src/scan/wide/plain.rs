//! Without instructions of any processor: what a compiler makes of arrays.

use std::cmp::Ordering;

use super::Wide;

/// Bytes as lanes.
fn lanes(bytes: [u8; 64]) -> [i32; 16] {
    std::array::from_fn(|lane| {
        i32::from_ne_bytes([bytes[lane * 4], bytes[lane * 4 + 1], bytes[lane * 4 + 2], bytes[lane * 4 + 3]])
    })
}

/// Lanes as bytes.
fn ints(lanes: [i32; 16]) -> [u8; 64] {
    std::array::from_fn(|at| lanes[at / 4].to_ne_bytes()[at % 4])
}

/// Bytes as lanes of 16 bits.
fn halves(bytes: [u8; 64]) -> [u16; 32] {
    std::array::from_fn(|lane| u16::from_ne_bytes([bytes[lane * 2], bytes[lane * 2 + 1]]))
}

/// Lanes of 16 bits as bytes.
fn bytes(halves: [u16; 32]) -> [u8; 64] {
    std::array::from_fn(|at| halves[at / 2].to_ne_bytes()[at % 2])
}

/// 16 lanes.
pub(crate) struct Plain;

impl Wide for Plain {
    const LANES: usize = 16;
    type F = [f32; 16];
    type I = [u8; 64];

    #[inline(always)]
    unsafe fn zero() -> Self::F {
        [0.0; 16]
    }

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self::F {
        [number; 16]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { from.cast::<[f32; 16]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            let halves = from.cast::<[u16; 16]>().read_unaligned();
            halves.map(|half| half::f16::from_bits(half).to_f32())
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::F {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            let halves = from.cast::<[u16; 16]>().read_unaligned();
            halves.map(|half| f32::from_bits(u32::from(half) << 16))
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, number: Self::F) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            to.cast::<[f32; 16]>().write_unaligned(number);
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    unsafe fn sum(number: Self::F) -> f32 {
        let eight: [f32; 8] = std::array::from_fn(|lane| number[lane] + number[lane + 8]);
        let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[inline(always)]
    unsafe fn not_above(a: Self::F, b: Self::F) -> u32 {
        (0..16).fold(0, |mask, lane| {
            mask | (u32::from(a[lane].partial_cmp(&b[lane]) != Some(Ordering::Greater)) << lane)
        })
    }

    #[inline(always)]
    unsafe fn zero_ints() -> Self::I {
        [0; 64]
    }

    #[inline(always)]
    unsafe fn splat_ints(number: i32) -> Self::I {
        ints([number; 16])
    }

    #[inline(always)]
    unsafe fn load_ints(from: *const u8) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        unsafe { from.cast::<[u8; 64]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_ints(to: *mut u8, number: Self::I) {
        // SAFETY: the caller keeps what the trait demands.
        unsafe {
            to.cast::<[u8; 64]>().write_unaligned(number);
        }
    }

    #[inline(always)]
    unsafe fn sub_ints(a: Self::I, b: Self::I) -> Self::I {
        let (a, b) = (lanes(a), lanes(b));
        ints(std::array::from_fn(|lane| a[lane].wrapping_sub(b[lane])))
    }

    #[inline(always)]
    unsafe fn add_ints(a: Self::I, b: Self::I) -> Self::I {
        let (a, b) = (lanes(a), lanes(b));
        ints(std::array::from_fn(|lane| a[lane].wrapping_add(b[lane])))
    }

    #[inline(always)]
    unsafe fn sub_bytes(a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|lane| a[lane].wrapping_sub(b[lane]))
    }

    #[inline(always)]
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }

    #[inline(always)]
    unsafe fn add_halves(a: Self::I, b: Self::I) -> Self::I {
        let (a, b) = (halves(a), halves(b));
        bytes(std::array::from_fn(|lane| a[lane].wrapping_add(b[lane])))
    }

    #[inline(always)]
    unsafe fn sub_halves(a: Self::I, b: Self::I) -> Self::I {
        let (a, b) = (halves(a), halves(b));
        bytes(std::array::from_fn(|lane| a[lane].wrapping_sub(b[lane])))
    }

    #[inline(always)]
    unsafe fn shift_down(a: Self::I) -> Self::I {
        bytes(halves(a).map(|half| half >> 8))
    }

    #[inline(always)]
    unsafe fn shift_up(a: Self::I) -> Self::I {
        bytes(halves(a).map(|half| half << 8))
    }

    #[inline(always)]
    unsafe fn load_table(from: *const u8) -> Self::I {
        // SAFETY: the caller keeps what the trait demands.
        let table = unsafe { from.cast::<[u8; 16]>().read_unaligned() };
        std::array::from_fn(|at| table[at % 16])
    }

    #[inline(always)]
    unsafe fn look_up(table: Self::I, at: Self::I) -> Self::I {
        at.map(|at| table[usize::from(at & 15)])
    }

    #[inline(always)]
    unsafe fn xor(a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|lane| a[lane] ^ b[lane])
    }

    #[inline(always)]
    unsafe fn and(a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|lane| a[lane] & b[lane])
    }

    #[inline(always)]
    unsafe fn upper_nibbles(a: Self::I) -> Self::I {
        a.map(|byte| byte >> 4)
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        let sum = lanes(sum);
        let product = |at: usize| i32::from(a[at]) * i32::from(b[at].cast_signed());
        ints(std::array::from_fn(|lane| {
            let four = (0..4).map(|byte| product(lane * 4 + byte)).sum();
            sum[lane].wrapping_add(four)
        }))
    }

    #[inline(always)]
    unsafe fn sum_lanes(number: Self::I) -> i32 {
        lanes(number).into_iter().fold(0, i32::wrapping_add)
    }

    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest, as processors do")]
    #[inline(always)]
    unsafe fn to_f(number: Self::I) -> Self::F {
        lanes(number).map(|number| number as f32)
    }
}
