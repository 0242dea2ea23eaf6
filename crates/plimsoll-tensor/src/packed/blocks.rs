//! What is in a block: whole numbers, and the scales that make numbers of them.
//!
//! These are the layouts of GGUF files; a block's bytes are taken as they are, whatever they say.

use crate::half::from_f16;

/// Numbers of a block whose scales are scaled themselves.
pub(super) const LONG: usize = 256;

/// A block of 256: number `i` is `scale × scales[i / part] × levels[i] − least × leasts[i / part]`.
pub(super) struct Long {
    pub(super) levels: [i8; LONG],
    /// A scale for each part: 8 of them, or 16.
    pub(super) scales: [i32; 16],
    pub(super) leasts: [i32; 8],
    pub(super) scale: f32,
    pub(super) least: f32,
}

impl Long {
    pub(super) const EMPTY: Self =
        Self { levels: [0; LONG], scales: [0; 16], leasts: [0; 8], scale: 0.0, least: 0.0 };
}

#[inline(always)]
pub(super) fn half_at(bytes: &[u8], at: usize) -> f32 {
    from_f16(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// Sixteen bytes with two numbers each: the lower halves are the first sixteen numbers. From 0 to 15; what they mean is
/// eight less.
#[inline(always)]
pub(super) fn nibbles(bytes: &[u8; 16], into: &mut [i8; 32]) {
    for (at, byte) in bytes.iter().enumerate() {
        into[at] = (byte & 15).cast_signed();
        into[at + 16] = (byte >> 4).cast_signed();
    }
}

/// Eight scales and eight leasts of six bits, in twelve bytes: the first four of each lie in the lower bits of eight
/// bytes, whose upper bits complete the others.
#[inline(always)]
fn sixes(bytes: &[u8], scales: &mut [i32; 16], leasts: &mut [i32; 8]) {
    for at in 0..4 {
        let (one, two, three) = (bytes[at], bytes[at + 4], bytes[at + 8]);
        scales[at] = i32::from(one & 63);
        leasts[at] = i32::from(two & 63);
        scales[at + 4] = i32::from((three & 15) | (one >> 6) << 4);
        leasts[at + 4] = i32::from((three >> 4) | (two >> 6) << 4);
    }
}

#[inline(always)]
pub(super) fn q4k(block: &[u8], into: &mut Long) {
    (into.scale, into.least) = (half_at(block, 0), half_at(block, 2));
    sixes(&block[4..16], &mut into.scales, &mut into.leasts);
    for (levels, bytes) in into.levels.chunks_exact_mut(64).zip(block[16..144].chunks_exact(32)) {
        let (low, high) = levels.split_at_mut(32);
        for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
            *low = (byte & 15).cast_signed();
            *high = (byte >> 4).cast_signed();
        }
    }
}

#[inline(always)]
pub(super) fn q5k(block: &[u8], into: &mut Long) {
    (into.scale, into.least) = (half_at(block, 0), half_at(block, 2));
    sixes(&block[4..16], &mut into.scales, &mut into.leasts);
    let fifths = &block[16..48];
    let parts = into.levels.chunks_exact_mut(64).zip(block[48..176].chunks_exact(32));
    for (part, (levels, bytes)) in parts.enumerate() {
        let (low, high) = levels.split_at_mut(32);
        for (((low, high), byte), fifth) in low.iter_mut().zip(high).zip(bytes).zip(fifths) {
            let pair = fifth >> (2 * part);
            *low = ((byte & 15) | (pair & 1) << 4).cast_signed();
            *high = ((byte >> 4) | (pair & 2) << 3).cast_signed();
        }
    }
}

/// Levels from 0 to 63; what they mean is 32 less.
#[inline(always)]
pub(super) fn q6k(block: &[u8], into: &mut Long) {
    (into.scale, into.least) = (half_at(block, 208), 0.0);
    for (scale, byte) in into.scales.iter_mut().zip(&block[192..208]) {
        *scale = i32::from(byte.cast_signed());
    }
    let halves = block[..128].chunks_exact(64).zip(block[128..192].chunks_exact(32));
    for (levels, (lower, upper)) in into.levels.chunks_exact_mut(128).zip(halves) {
        for at in 0..32 {
            let (one, two, top) = (lower[at], lower[at + 32], upper[at]);
            levels[at] = ((one & 15) | (top & 3) << 4).cast_signed();
            levels[at + 32] = ((two & 15) | (top >> 2 & 3) << 4).cast_signed();
            levels[at + 64] = ((one >> 4) | (top >> 4 & 3) << 4).cast_signed();
            levels[at + 96] = ((two >> 4) | (top >> 6) << 4).cast_signed();
        }
    }
}
