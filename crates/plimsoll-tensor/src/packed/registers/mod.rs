//! What a processor does with sixteen numbers at once: one trait, an implementation for each set of instructions, and
//! the choice among them.
//!
//! Whole numbers are exact, and singles are multiplied and added one after the other in the same order everywhere: products
//! of quantized weights are equal to the bit with every set. Only [`Registers::fuse`] rounds once or twice, which products
//! of weights that are singles or halves show in the last bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_alone;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_alone;
mod instructions;
#[cfg(target_arch = "aarch64")]
mod neon;
mod one;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86_sums;

pub use instructions::Instructions;
pub(crate) use one::One;

use super::Packing;
use crate::half::from_f16;

/// Sixteen lanes.
pub(crate) const LANES: usize = 16;

/// A set of instructions.
///
/// # Safety
/// All functions demand that the processor has the instructions, and that pointers may be read or written for as many
/// numbers as the name says; they need no alignment.
pub(crate) trait Registers {
    /// Whether [`dot`](Self::dot) takes levels without a sign. If so, levels that have one are stored with an offset.
    const UNSIGNED: bool;
    /// Sixteen singles.
    type Singles: Copy;
    /// Sixteen whole numbers of 32 bits.
    type Wholes: Copy;

    unsafe fn splat(number: f32) -> Self::Singles;
    unsafe fn load(from: *const f32) -> Self::Singles;
    unsafe fn store(to: *mut f32, numbers: Self::Singles);
    unsafe fn add(a: Self::Singles, b: Self::Singles) -> Self::Singles;
    unsafe fn mul(a: Self::Singles, b: Self::Singles) -> Self::Singles;
    /// `a × b + c`.
    unsafe fn fuse(a: Self::Singles, b: Self::Singles, c: Self::Singles) -> Self::Singles;

    unsafe fn splat_whole(number: i32) -> Self::Wholes;
    unsafe fn load_whole(from: *const i32) -> Self::Wholes;
    unsafe fn add_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes;
    unsafe fn mul_whole(a: Self::Wholes, b: Self::Wholes) -> Self::Wholes;
    unsafe fn to_singles(numbers: Self::Wholes) -> Self::Singles;
    /// Adds to each lane four products: of its four levels among 64, and of the same four inputs for all.
    unsafe fn dot(sum: Self::Wholes, levels: *const i8, inputs: *const i8) -> Self::Wholes;

    /// Sixteen rows of 32 bytes, `stride` apart, become eight groups: in group `k` stand four bytes of each row, those from
    /// 4`k` on, each with the bits of `flip` turned.
    #[inline(always)]
    unsafe fn spread(from: *const u8, stride: usize, flip: u8, to: *mut u8) {
        let flip = u32::from_ne_bytes([flip; 4]);
        for row in 0..LANES {
            for group in 0..8 {
                // SAFETY: within the rows and the groups, which the caller vouches for.
                unsafe {
                    let four = from.add(row * stride + group * 4).cast::<u32>().read_unaligned();
                    to.add((group * LANES + row) * 4).cast::<u32>().write_unaligned(four ^ flip);
                }
            }
        }
    }

    /// Asks for the line of memory that a byte is in, which need not be there.
    #[inline(always)]
    unsafe fn prefetch(_from: *const u8) {}

    /// The halves that sixteen rows begin with, `stride` bytes apart.
    #[inline(always)]
    unsafe fn halves(from: *const u8, stride: usize) -> Self::Singles {
        let mut singles = [0.0; LANES];
        for (row, single) in singles.iter_mut().enumerate() {
            // SAFETY: two bytes of each row, which the caller vouches for.
            *single = from_f16(unsafe { from.add(row * stride).cast::<u16>().read_unaligned() }.to_le());
        }
        // SAFETY: sixteen numbers.
        unsafe { Self::load(singles.as_ptr()) }
    }

    /// Sixteen halves that lie side by side.
    #[inline(always)]
    unsafe fn row_of_halves(from: *const u8) -> Self::Singles {
        // SAFETY: as the trait demands.
        unsafe { Self::halves(from, 2) }
    }

    /// Whether there are [`columns`](Self::columns).
    const COLUMNS: bool = false;

    /// Sixteen rows of sixteen halves, `stride` bytes apart, column after column.
    #[inline(always)]
    unsafe fn columns(_from: *const u8, _stride: usize) -> [Self::Singles; LANES] {
        // SAFETY: as the trait demands.
        unsafe { [Self::splat(0.0); LANES] }
    }

    /// Whether there is an [`alone`](Self::alone) for rows of such weights.
    #[inline(always)]
    fn takes_alone(_packing: Packing, _columns: usize) -> bool {
        false
    }

    /// Sixteen rows of weights, `stride` bytes apart, times one input, without a panel between. Bytes behind the rows are
    /// asked for beforehand.
    #[inline(always)]
    unsafe fn alone(_packing: Packing, _rows: *const u8, _stride: usize, _input: &One<'_>, _out: *mut f32) {}
}

/// Work that is compiled for each set.
pub(crate) trait Job {
    /// Does it.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    unsafe fn run<R: Registers>(self);
}
