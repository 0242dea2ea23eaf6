//! Quantizing with vector instructions.
//!
//! Which instructions there are is asked when the program runs. They take whole runs of 64 channels, say how many
//! channels that was, and leave the rest to the plain Rust of `quantized`, which gives the same bytes: the same
//! arithmetic on singles in the same order, nothing fused.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod drive;
#[cfg(test)]
mod tests;

use super::quantized::NotFinite;
use super::shape::Rows;

/// Calls what this processor has; without any of it, nothing is done.
macro_rules! dispatch {
    ($function:ident($($argument:expr),*) or $nothing:expr) => {{
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx2") && has!("f16c") {
                // SAFETY: the processor has all that the functions of this module are compiled for.
                return unsafe { avx512::$function($($argument),*) };
            }
            if has!("avx2") && has!("f16c") {
                // SAFETY: the processor has all that the functions of this module are compiled for.
                return unsafe { avx2::$function($($argument),*) };
            }
        }
        let _ = ($(&$argument,)*);
        $nothing
    }};
}

/// Restores the first channels of a group of keys, and says how many.
pub(super) fn decode_keys(rows: &Rows, scales: &[u8], codes: &[u8], native: &mut [u8]) -> usize {
    dispatch!(decode_keys(rows, scales, codes, native) or 0)
}

/// Restores the first channels of every token's values, and says how many.
pub(super) fn decode_values(rows: &Rows, encoded: &[u8], native: &mut [u8]) -> usize {
    dispatch!(decode_values(rows, encoded, native) or 0)
}

/// Quantizes the first channels of a group of keys, and says how many.
pub(super) fn encode_keys(
    rows: &Rows,
    native: &[u8],
    scales: &mut [u8],
    codes: &mut [u8],
) -> Result<usize, NotFinite> {
    dispatch!(encode_keys(rows, native, scales, codes) or Ok(0))
}

/// Quantizes the first channels of every token's values, and says how many.
pub(super) fn encode_values(rows: &Rows, native: &[u8], encoded: &mut [u8]) -> Result<usize, NotFinite> {
    dispatch!(encode_values(rows, native, encoded) or Ok(0))
}
