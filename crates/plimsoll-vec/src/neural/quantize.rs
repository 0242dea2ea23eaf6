//! Numbers as levels of a scale.

use crate::code::quantize;

/// Adding it leaves a single no bits behind the point, so that it is rounded, to even at a half.
const ROUNDS: f32 = 12_582_912.0;
/// Below this the reciprocal of a scale may be no single.
const SMALL: f32 = 1e-30;

/// Gives each number its level of −127..=127 and returns the scale; none if a number is not finite.
#[expect(clippy::cast_possible_truncation, reason = "at most 127")]
pub(super) fn levels(numbers: &[f32], into: &mut [i8]) -> Option<f32> {
    // An infinity stays the largest, and NaN makes a sum that is not finite.
    let largest = numbers.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let odd = numbers.iter().fold(0.0_f32, |sum, x| sum + x * 0.0);
    if !largest.is_finite() || odd != 0.0 {
        return None;
    }
    if largest < SMALL {
        return Some(quantize(numbers, 127.0, |at, level| into[at] = level));
    }
    let turn = 127.0 / largest;
    for (level, x) in into.iter_mut().zip(numbers) {
        *level = (((x * turn) + ROUNDS) - ROUNDS).clamp(-127.0, 127.0) as i8;
    }
    Some(largest / 127.0)
}

#[cfg(test)]
mod tests {

    #[test]
    fn levels_are_within_half_a_step_of_their_numbers() {
        for size in [1e-44, 1e-38, 1e-31, 1e-29, 1.0, 1e30, f32::MAX] {
            let numbers: Vec<f32> = [1.0, -0.5, 0.003, 0.0, -1.0].map(|x: f32| x * size).to_vec();
            let mut levels = [99; 5];
            let scale = super::levels(&numbers, &mut levels).unwrap();
            for (x, level) in numbers.iter().zip(levels) {
                let back = f64::from(scale) * f64::from(level);
                // A scale that is no normal single is itself rounded, to a step of 1e-45.
                let most = 0.5001 * f64::from(scale) + 127.0 * 1e-45;
                assert!((f64::from(*x) - back).abs() <= most, "{x} became {back}");
            }
        }
        assert_eq!(super::levels(&[0.0, -0.0], &mut [1, 1]), Some(0.0));
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(super::levels(&[1.0, wrong, 0.0], &mut [0; 3]), None);
        }
    }
}
