//! Losses that are scaled, so that small gradients in halves are not lost.

/// How many times as large gradients are made as they are, where they flow in halves.
///
/// Halves end at 65,504 and lose what is below 6·10⁻⁸. So gradients are made as large as they may be: when some became no
/// numbers the step is given up and the scale halved, and after many good steps it is doubled. Whoever uses gradients divides
/// by it. Other numbers have the range of singles and need none of this: their scale is 1 and stays so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScale {
    scale: f32,
    good: u32,
    moves: bool,
}

/// What it begins with.
const FIRST: f32 = 65_536.0;
/// Good steps until it is doubled.
const GROW_AFTER: u32 = 1000;
/// The largest: the square of what it begins with.
const MOST: f32 = 4_294_967_296.0;

impl LossScale {
    /// One that moves, for halves.
    pub const fn moving() -> Self {
        Self { scale: FIRST, good: 0, moves: true }
    }

    /// None: for numbers with the range of singles.
    pub const fn one() -> Self {
        Self { scale: 1.0, good: 0, moves: false }
    }

    /// One that was kept: its scale, and how many good steps it has had.
    #[must_use]
    pub fn resumed(self, scale: f32, good: u32) -> Self {
        let possible = self.moves && (1.0..=MOST).contains(&scale);
        if possible { Self { scale, good, moves: true } } else { self }
    }

    /// How many times as large gradients are made.
    pub const fn scale(&self) -> f32 {
        self.scale
    }

    /// How many good steps there were since it moved.
    pub const fn good(&self) -> u32 {
        self.good
    }

    /// A step's gradients were numbers.
    pub fn went_well(&mut self) {
        if !self.moves {
            return;
        }
        self.good += 1;
        if self.good >= GROW_AFTER && self.scale < MOST {
            (self.scale, self.good) = (self.scale * 2.0, 0);
        }
    }

    /// Some gradients of a step were no numbers: whether a smaller scale may help.
    pub fn overflowed(&mut self) -> bool {
        self.good = 0;
        if !self.moves || self.scale <= 1.0 {
            return false;
        }
        self.scale /= 2.0;
        true
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "powers of two")]
mod tests {
    use super::*;

    #[test]
    fn it_halves_at_once_and_doubles_after_many() {
        let mut scale = LossScale::moving();
        assert!(scale.overflowed());
        assert_eq!(scale.scale(), FIRST / 2.0);
        for _ in 0..GROW_AFTER - 1 {
            scale.went_well();
        }
        assert_eq!((scale.scale(), scale.good()), (FIRST / 2.0, GROW_AFTER - 1));
        scale.went_well();
        assert_eq!((scale.scale(), scale.good()), (FIRST, 0));
        while scale.overflowed() {}
        assert_eq!(scale.scale(), 1.0, "it never makes gradients smaller");
    }

    #[test]
    fn one_stays_one_and_what_cannot_be_is_not_resumed() {
        let mut one = LossScale::one();
        one.went_well();
        assert!(!one.overflowed());
        assert_eq!(one, LossScale::one());
        assert_eq!(one.resumed(8.0, 3), one);
        for scale in [f32::NAN, 0.0, -8.0, f32::INFINITY] {
            assert_eq!(LossScale::moving().resumed(scale, 3), LossScale::moving());
        }
        assert_eq!(LossScale::moving().resumed(8.0, 3).scale(), 8.0);
    }
}
