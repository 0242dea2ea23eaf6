//! Halves as singles and back.
//!
//! Reading is done without branches and tables, so that a loop over it becomes vector instructions on every machine;
//! writing is rare.

/// An IEEE half as a single.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
pub fn from_f16(half: u16) -> f32 {
    // The exponent is moved to its place and set right by one multiplication, which makes subnormals normal as well.
    // Infinities and NaN come out as 2¹⁶ and more, and get the highest exponent.
    let magnitude = u32::from(half & 0x7fff) << 13;
    let scaled = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    let special = if magnitude >= 0x0f80_0000 { 0x7f80_0000 } else { 0 };
    f32::from_bits(scaled | special | (u32::from(half & 0x8000) << 16))
}

/// A bfloat16 as a single.
#[expect(clippy::inline_always, reason = "compiled once for each set of instructions, within the caller")]
#[inline(always)]
pub fn from_bf16(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The nearest half.
pub fn to_f16(number: f32) -> u16 {
    half::f16::from_f32(number).to_bits()
}

/// The nearest bfloat16.
pub fn to_bf16(number: f32) -> u16 {
    half::bf16::from_f32(number).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_read_as_the_crate_reads_it() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (from_f16(bits), half::f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#x}");
            let (ours, theirs) = (from_bf16(bits), half::bf16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#x}");
        }
    }
}
