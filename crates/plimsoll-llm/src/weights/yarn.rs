//! `YaRN`: positions beyond those that a model was trained on at first.
//!
//! Rotations that come round often within the first context stay as they are, those that never do are slowed down by the
//! factor, and those between are between; what is rotated is made a little longer, so that attention stays as sharp.

use std::f64::consts::TAU;

/// What a file says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yarn {
    /// How many times as far positions reach.
    pub(crate) factor: f64,
    /// The context that the model was trained on at first.
    pub(crate) trained: f64,
    /// Rotations within that from which on they are fast, and up to which they are slow.
    pub(crate) fast: f64,
    pub(crate) slow: f64,
    /// Whether the pairs at which those begin and end are whole numbers.
    pub(crate) whole: bool,
}

/// What is done to rotations besides the base.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scaling {
    /// By what the frequency of each pair is divided; empty if none is.
    pub(crate) factors: Vec<f32>,
    /// How much longer what is rotated becomes.
    pub(crate) length: f32,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { factors: Vec::new(), length: 1.0 }
    }
}

impl Yarn {
    /// The usual one.
    pub(crate) const fn new(factor: f64, trained: f64) -> Self {
        Self { factor, trained, fast: 32.0, slow: 1.0, whole: true }
    }

    /// By what the frequencies of the pairs of `width` numbers are divided.
    #[expect(clippy::cast_precision_loss, reason = "widths are small")]
    pub(crate) fn factors(&self, width: usize, base: f64) -> Vec<f32> {
        // The pair that comes round so many times.
        let pair = |rounds: f64| width as f64 * (self.trained / (rounds * TAU)).ln() / (2.0 * base.ln());
        let (low, high) = (pair(self.fast), pair(self.slow));
        let (low, high) = if self.whole { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, high) = (low.max(0.0), high.min(width as f64 - 1.0));
        let of = |pair: usize| {
            let slowed = ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
            #[expect(clippy::cast_possible_truncation, reason = "a number between one and the factor")]
            let divided = (1.0 / (slowed / self.factor + (1.0 - slowed))) as f32;
            divided
        };
        (0..width / 2).map(of).collect()
    }

    /// How much longer what is rotated becomes, unless a file says it.
    pub(crate) fn length(&self) -> f64 {
        lengthened(self.factor, 1.0)
    }
}

/// By how much for a factor, `share` times as much as usual.
pub(crate) fn lengthened(factor: f64, share: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * share * factor.ln() + 1.0 }
}
