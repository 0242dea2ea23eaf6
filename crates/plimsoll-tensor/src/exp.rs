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

/// The same of a double, right to two units in the last place from −700 to 700; beyond them it is the power of these. Without fused
/// steps it is the same to the bit on every machine.
#[inline(always)]
pub fn exp_double(number: f64) -> f64 {
    const ONES: f64 = 6_755_399_441_055_744.0;
    const LN_2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    let number = number.clamp(-700.0, 700.0);
    let rounded = number * std::f64::consts::LOG2_E + ONES;
    let twos = rounded - ONES;
    let rest = number - twos * LN_2.0 - twos * LN_2.1;
    let mut sum = 1.0 / 6_227_020_800.0;
    for factor in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * rest + factor;
    }
    let exponent = rounded.to_bits().wrapping_sub(ONES.to_bits()).wrapping_add(1023) << 52;
    sum * f64::from_bits(exponent)
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

    #[test]
    fn powers_of_doubles_are_those_of_the_library() {
        assert_eq!(exp_double(0.0).to_bits(), 1_f64.to_bits());
        assert!(exp_double(f64::NAN).is_nan());
        for step in i32::from(i16::MIN) * 8..=i32::from(i16::MAX) * 8 {
            let number = f64::from(step) * (700.0 / 262_144.0);
            let wanted = number.exp();
            assert!((exp_double(number) - wanted).abs() <= 4.5e-16 * wanted, "{number}");
        }
    }
}
