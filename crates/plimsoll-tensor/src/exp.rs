//! Powers of e, without branches and tables, so that a loop over them becomes vector instructions.

/// e to the power of a number, right to two units in the last place; below e⁻⁸⁷ it is that, and zero is the power of no
/// number. e⁰ is 1.
#[inline(always)]
pub fn exp(number: f32) -> f32 {
    // In a single of this size the last bit stands for one: adding it rounds.
    const ONES: f32 = 12_582_912.0;
    /// ln 2 in two parts, of which the first has few bits: its product with a small whole number is exact.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let number = number.clamp(-87.0, 88.0);
    let rounded = number * std::f32::consts::LOG2_E + ONES;
    let twos = rounded - ONES;
    let rest = number - twos * LN_2.0 - twos * LN_2.1;
    let mut sum = 1.0 / 720.0;
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * rest + factor;
    }
    let exponent = rounded.to_bits().wrapping_sub(ONES.to_bits()).wrapping_add(127) << 23;
    sum * f32::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_library() {
        assert_eq!(exp(0.0).to_bits(), 1_f32.to_bits());
        assert!(exp(f32::NAN).is_nan());
        for step in i16::MIN..=i16::MAX {
            let number = f32::from(step) * (87.0 / 32_768.0);
            let wanted = f64::from(number).exp();
            assert!((f64::from(exp(number)) - wanted).abs() <= 3e-7 * wanted, "{number}");
        }
    }
}
