//! An optimizer's states in eight bits.
//!
//! Blocks of numbers share a scale, the largest of them, and a number is one of 127 or 255 powers below it. Powers, and not
//! even steps: what a step of AdamW divides by is a root of a mean of squares, which goes over many sizes within a block, and
//! even steps make nothing of the small ones. What lies between two powers becomes one of them by lot, so that a mean that
//! moves by a thousandth a step still moves: rounded to the nearest it would stand still.

/// How many numbers share a scale.
pub(crate) const BLOCK: usize = 256;

/// How numbers between 0 and 1 are told in a few bits: as powers of two that are `step` apart, 0 as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Code {
    /// What 1 is told as.
    pub(crate) top: u8,
    pub(crate) step: f32,
    /// Whether what is below the smallest is always the smallest: a mean of squares that is none would divide by nothing.
    pub(crate) never_nothing: bool,
}

/// Of means, whose eighth bit is a sign: 14 powers of two.
pub(crate) const MEAN: Code = Code { top: 127, step: 1.0 / 9.0, never_nothing: false };
/// Of means of squares: 24 powers of two.
pub(crate) const SQUARE: Code = Code { top: 255, step: 24.0 / 254.0, never_nothing: true };
/// The bit of a mean below nothing.
pub(crate) const SIGN: u8 = 0x80;

impl Code {
    /// The number that a code tells.
    pub(crate) fn number(self, code: u8) -> f32 {
        if code == 0 { 0.0 } else { ((f32::from(code) - f32::from(self.top)) * self.step).exp2() }
    }

    /// The code of a number between 0 and 1, by a lot between 0 and 1; a half takes the nearer one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the top")]
    pub(crate) fn code(self, number: f32, lot: f32) -> u8 {
        if number <= 0.0 {
            return 0;
        }
        let place = f32::from(self.top) + number.log2() / self.step;
        if place < 1.0 {
            let kept = self.never_nothing || lot < number / self.number(1);
            return u8::from(kept);
        }
        let below = (place as u8).min(self.top);
        if below == self.top {
            return below;
        }
        let (low, high) = (self.number(below), self.number(below + 1));
        below + u8::from(lot < (number - low) / (high - low))
    }
}

/// The largest of some numbers, whatever their signs.
pub(crate) fn largest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0, |most, number| most.max(number.abs()))
}

/// Tells a block of numbers; its scale. `lot` draws for each.
pub(crate) fn tell(code: Code, numbers: &[f32], codes: &mut [u8], mut lot: impl FnMut(usize) -> f32) -> f32 {
    let scale = largest(numbers);
    for (index, (number, told)) in numbers.iter().zip(codes).enumerate() {
        let share = if scale > 0.0 { number.abs() / scale } else { 0.0 };
        *told = code.code(share, lot(index));
        if !code.never_nothing && *number < 0.0 {
            *told |= SIGN;
        }
    }
    scale
}

/// The numbers of a block.
pub(crate) fn read(code: Code, codes: &[u8], scale: f32, numbers: &mut [f32]) {
    for (told, number) in codes.iter().zip(numbers) {
        let size = scale * code.number(if code.never_nothing { *told } else { *told & !SIGN });
        *number = if !code.never_nothing && *told & SIGN != 0 { -size } else { size };
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is told exactly")]
mod tests {
    use super::*;

    fn lots(seed: u32) -> impl FnMut(usize) -> f32 {
        let mut state = seed | 1;
        move |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 65536.0
        }
    }

    #[test]
    fn what_was_told_is_told_again_as_it_was() {
        for code in [MEAN, SQUARE] {
            let all: Vec<u8> = (0..=code.top).collect();
            let mut numbers = vec![0.0; all.len()];
            read(code, &all, 3.7e-5, &mut numbers);
            for lot in [0.01, 0.5, 0.99] {
                let mut again = vec![0; all.len()];
                let scale = tell(code, &numbers, &mut again, |_| lot);
                let mut found = vec![0.0; all.len()];
                read(code, &again, scale, &mut found);
                assert_eq!(scale, 3.7e-5);
                if lot == 0.5 {
                    assert_eq!(again, all);
                    assert_eq!(found, numbers);
                }
            }
        }
    }

    #[test]
    fn a_mean_of_many_lots_is_the_number() {
        for code in [MEAN, SQUARE] {
            for number in [1.0, 0.73, 0.011, 3.3e-3, 2.0e-4] {
                let mut lot = lots(77);
                let draws = 20_000;
                let sum: f64 = (0..draws).map(|at| f64::from(code.number(code.code(number, lot(at))))).sum();
                let mean = sum / f64::from(u32::try_from(draws).unwrap_or(0));
                assert!((mean / f64::from(number) - 1.0).abs() < 2e-3, "{number}: {mean}");
            }
        }
    }

    #[test]
    fn a_square_is_never_nothing_and_a_small_mean_may_be() {
        assert_eq!(SQUARE.code(1e-12, 0.999), 1);
        assert_eq!(SQUARE.code(0.0, 0.0), 0);
        assert_eq!((MEAN.code(1e-12, 0.5), MEAN.code(5e-5, 0.0)), (0, 1));
        let mut codes = [9; 4];
        assert_eq!(tell(MEAN, &[0.0; 4], &mut codes, |_| 0.5), 0.0);
        assert_eq!(codes, [0; 4]);
        assert_eq!(tell(MEAN, &[-1.0, 1.0, -0.25, 0.0], &mut codes, |_| 0.5), 1.0);
        let mut back = [0.0; 4];
        read(MEAN, &codes, 1.0, &mut back);
        assert_eq!(back, [-1.0, 1.0, -0.25, 0.0]);
    }
}
