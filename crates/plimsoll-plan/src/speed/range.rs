//! A figure that is known to lie between two.

use std::fmt;

/// From low to high.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
}

impl Range {
    /// Nothing.
    pub const ZERO: Self = Self { low: 0.0, high: 0.0 };

    /// Whether a number lies in it.
    pub fn holds(self, number: f64) -> bool {
        (self.low..=self.high).contains(&number)
    }

    /// The number in the middle, by ratio.
    pub fn middle(self) -> f64 {
        (self.low * self.high).max(0.0).sqrt()
    }

    /// Both ends times a number.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }

    /// End by end.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }

    /// So much work, done at a rate of which a share is reached: the time, shortest first. Infinite where the rate is
    /// not above zero.
    pub(super) fn seconds(work: f64, rate: f64, reached: Self) -> Self {
        let time = |share: f64| if work <= 0.0 { 0.0 } else { work / (rate * share).max(f64::MIN_POSITIVE) };
        Self { low: time(reached.high), high: time(reached.low) }
    }

    /// So many in these times: how many a second.
    pub(super) fn per_second(self, count: f64) -> Self {
        let rate = |seconds: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        Self { low: rate(self.high), high: rate(self.low) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = |number: f64| match number {
            number if number >= 99.5 => format!("{number:.0}"),
            number if number >= 9.95 => format!("{number:.1}"),
            number => format!("{number:.2}"),
        };
        f.pad(&format!("{} to {}", digits(self.low), digits(self.high)))
    }
}
