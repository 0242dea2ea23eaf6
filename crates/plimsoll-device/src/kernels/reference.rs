//! What each operation means, in plain Rust on slices.

/// The sum of [`Kernels::sum`](super::Kernels::sum).
pub fn sum(bytes: &[u8]) -> u64 {
    let (mut plain, mut weighted, mut weight) = (0_u32, 0_u32, 1_u32);
    for chunk in bytes.chunks(4) {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u32::from_le_bytes(word);
        plain = plain.wrapping_add(word);
        weighted = weighted.wrapping_add(word.wrapping_mul(weight));
        weight = weight.wrapping_add(2);
    }
    u64::from(weighted) << 32 | u64::from(plain)
}
