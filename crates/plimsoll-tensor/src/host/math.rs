//! Functions of singles, without branches, so that the compiler makes vectors of the loops around them.

use crate::compute::{Binary, Unary};

/// eˣ within two units in the last place; 0 far below, infinite far above.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // The natural logarithm of two, in two parts, the first of which times a whole number below 2⁹ is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-104.0, 89.0);
    let whole = (clamped * LOG2_E + 0.5).floor();
    let rest = clamped - whole * LN2_HIGH - whole * LN2_LOW;
    let mut sum = 1.987_569_1e-4_f32;
    for factor in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        sum = sum * rest + factor;
    }
    let sum = sum * rest * rest + rest + 1.0;
    // In two factors, so that what is below the smallest normal number and above the largest comes out right.
    #[expect(clippy::cast_possible_truncation, reason = "a whole number between -151 and 129")]
    let whole = whole as i32;
    let half = whole >> 1;
    let power = |exponent: i32| f32::from_bits(((exponent + 127) << 23).cast_unsigned());
    let found = sum * power(half) * power(whole - half);
    if x.is_nan() { x } else { found }
}

#[inline]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline]
pub(super) fn tanh(x: f32) -> f32 {
    // Near zero the quotient below loses digits; the series does not.
    let squared = x * x;
    let series = x * (1.0 - squared * (1.0 / 3.0 - squared * (2.0 / 15.0 - squared * (17.0 / 315.0))));
    let power = exp(2.0 * x.clamp(-15.0, 15.0));
    let quotient = (power - 1.0) / (power + 1.0);
    if x.abs() < 0.15 { series } else { quotient }
}

/// The error function, within 1.5e-7.
#[inline]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let mut sum = 1.061_405_4_f32;
    for factor in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = sum * t + factor;
    }
    (1.0 - sum * t * exp(-size * size)).copysign(x)
}

const SQRT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// √(2/π)
const TANH_SCALE: f32 = 0.797_884_6;
const TANH_CUBE: f32 = 0.044_715;

/// A function's value.
#[inline]
pub(super) fn value(op: Unary, x: f32) -> f32 {
    match op {
        Unary::Neg => -x,
        Unary::Exp => exp(x),
        Unary::Log => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Square => x * x,
        Unary::Abs => x.abs(),
        Unary::Tanh => tanh(x),
        Unary::Sigmoid => sigmoid(x),
        Unary::Silu => x * sigmoid(x),
        Unary::Gelu => 0.5 * x * (1.0 + erf(x * SQRT_HALF)),
        Unary::GeluTanh => 0.5 * x * (1.0 + tanh(TANH_SCALE * (x + TANH_CUBE * x * x * x))),
        Unary::Relu => x.max(0.0),
    }
}

/// Its slope.
#[inline]
pub(super) fn slope(op: Unary, x: f32) -> f32 {
    match op {
        Unary::Neg => -1.0,
        Unary::Exp => exp(x),
        Unary::Log => 1.0 / x,
        Unary::Sqrt => 0.5 / x.sqrt(),
        Unary::Square => 2.0 * x,
        Unary::Abs => {
            if x == 0.0 {
                0.0
            } else {
                1.0_f32.copysign(x)
            }
        }
        Unary::Tanh => {
            let y = tanh(x);
            1.0 - y * y
        }
        Unary::Sigmoid => {
            let y = sigmoid(x);
            y * (1.0 - y)
        }
        Unary::Silu => {
            let s = sigmoid(x);
            s * (1.0 + x * (1.0 - s))
        }
        Unary::Gelu => {
            // 1/√(2π)
            let density = 0.398_942_3 * exp(-0.5 * x * x);
            0.5 * (1.0 + erf(x * SQRT_HALF)) + x * density
        }
        Unary::GeluTanh => {
            let t = tanh(TANH_SCALE * (x + TANH_CUBE * x * x * x));
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * TANH_SCALE * (1.0 + 3.0 * TANH_CUBE * x * x)
        }
        Unary::Relu => f32::from(u8::from(x > 0.0)),
    }
}

#[inline]
pub(super) fn both(op: Binary, x: f32, y: f32) -> f32 {
    match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let mut worst = 0.0_f64;
        for step in 0..200_000 {
            let x = -87.0 + 0.000_875 * f64::from(step);
            #[expect(clippy::cast_possible_truncation, reason = "a single is what is tried")]
            let x = x as f32;
            let right = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) / right - 1.0).abs());
        }
        assert!(worst < 2.4e-7, "{worst}");
        assert_eq!((exp(-200.0), exp(f32::NEG_INFINITY)), (0.0, 0.0));
        assert!(exp(200.0).is_infinite() && exp(f32::INFINITY).is_infinite() && exp(f32::NAN).is_nan());
    }
}
