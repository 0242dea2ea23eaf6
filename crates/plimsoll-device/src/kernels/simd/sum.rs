//! The sum for checking, eight words at a time.
//!
//! Plain Rust that the compiler turns into additions of vectors, with no multiplication in the loop: `before` adds
//! up, at each step, what the lane had until then, so that a word counts in it once for each step after its own.
//! The weights follow from that at the end.

use crate::kernels::reference;

const LANES: usize = 8;

/// The sum of [`Kernels::sum`](crate::kernels::Kernels::sum).
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        return unsafe { wide(bytes) };
    }
    lanes(bytes)
}

/// The same with registers that hold all lanes at once.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn wide(bytes: &[u8]) -> u64 {
    lanes(bytes)
}

#[expect(clippy::inline_always, reason = "compiled for the instructions of whoever calls it")]
#[inline(always)]
fn lanes(bytes: &[u8]) -> u64 {
    let (steps, rest) = bytes.as_chunks::<{ LANES * 4 }>();
    let (mut sums, mut before) = ([0_u32; LANES], [0_u32; LANES]);
    for step in steps {
        let (words, _) = step.as_chunks::<4>();
        for lane in 0..LANES {
            before[lane] = before[lane].wrapping_add(sums[lane]);
            sums[lane] = sums[lane].wrapping_add(u32::from_le_bytes(words[lane]));
        }
    }
    // Word `lane` of step `n` has the weight 2·(8·n + lane) + 1, and is in `before` as often as steps follow it.
    #[expect(clippy::cast_possible_truncation, reason = "weights are modulo 2^32")]
    let steps = steps.len() as u32;
    let (mut plain, mut weighted) = (0_u32, 0_u32);
    for ((sum, before), lane) in sums.into_iter().zip(before).zip(0_u32..) {
        let at_steps = steps.wrapping_sub(1).wrapping_mul(sum).wrapping_sub(before);
        let own = (2 * lane + 1).wrapping_mul(sum);
        plain = plain.wrapping_add(sum);
        weighted = weighted.wrapping_add(at_steps.wrapping_mul(16)).wrapping_add(own);
    }
    let tail = reference::sum(rest);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of one number")]
    let (tail_plain, tail_weighted) = (tail as u32, (tail >> 32) as u32);
    let shift = steps.wrapping_mul(16).wrapping_mul(tail_plain);
    let weighted = weighted.wrapping_add(tail_weighted).wrapping_add(shift);
    u64::from(weighted) << 32 | u64::from(plain.wrapping_add(tail_plain))
}
