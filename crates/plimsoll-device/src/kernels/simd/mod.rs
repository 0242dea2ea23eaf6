//! The operations of the host that vector instructions make faster: conversions and sums.
//!
//! Which instructions there are is asked when the program runs. Conversions take 32 numbers at a time through
//! registers of singles, whatever they come from and go to, and give what the reference gives to the bit (the same
//! divisions, the same roundings), NaN excepted. A processor without them takes the reference. Copies need
//! nothing of this: the system's `memcpy` is as fast as memory.

#[cfg(target_arch = "aarch64")]
mod arm;
mod drive;
mod sum;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use sum::sum;

use super::Number;
use super::check::Conversion;
use super::reference::{self, Stored, StoredMut};

/// How many numbers are converted at a time; every group of numbers with one scale is a multiple of it.
const BLOCK: usize = 32;

/// The conversion of [`Kernels::convert`](super::Kernels::convert).
pub(crate) fn convert(conversion: &Conversion, source: Stored<'_>, target: StoredMut<'_>) {
    if conversion.from == conversion.to {
        target.numbers.copy_from_slice(source.numbers);
        return;
    }
    let StoredMut { numbers, scales } = target;
    let done = blocks(conversion, source, StoredMut { numbers, scales }) * BLOCK as u64;
    // Numbers with scales are whole blocks, so what is left are floats.
    let rest = Conversion { count: conversion.count - done, ..*conversion };
    let after = |number: Number| usize::try_from(done * number.bits() / 8).unwrap_or(usize::MAX);
    if rest.count > 0 {
        let source = Stored { numbers: &source.numbers[after(rest.from)..], ..source };
        let numbers = &mut numbers[after(rest.to)..];
        reference::convert(&rest, source, StoredMut { numbers, scales });
    }
}

/// Converts as many whole blocks as this processor can, and says how many.
fn blocks(conversion: &Conversion, source: Stored<'_>, target: StoredMut<'_>) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("f16c") {
        // SAFETY: the processor has both.
        return unsafe { x86::blocks(conversion, source, target) };
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        // SAFETY: the processor has it.
        return unsafe { arm::blocks(conversion, source, target) };
    }
    0
}

/// Bytes of one block.
fn block_bytes(number: Number) -> usize {
    usize::try_from(number.bits()).unwrap_or(usize::MAX) * BLOCK / 8
}
