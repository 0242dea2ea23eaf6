//! How far a precision may be off.

use crate::codec::Precision;

/// The most that distributions of the next token may part, in nats a token on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Eight bits.
    pub eight: f64,
    /// Four bits.
    pub four: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { eight: 0.002, four: 0.05 }
    }
}

impl Limits {
    /// What a precision is held to; native is not off.
    pub const fn of(&self, precision: Precision) -> f64 {
        match precision {
            Precision::Native => 0.0,
            Precision::Eight => self.eight,
            Precision::Four => self.four,
        }
    }
}
