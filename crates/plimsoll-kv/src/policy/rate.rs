//! The most seconds that a block can save for each second that it is kept.
//!
//! Keep a block of some age until it comes back, or until a time *T* at which one gives up: it comes back with some
//! chance, and takes room for some time. The best ratio of the two over all *T* is what the room earns:
//!
//! `rate(age) = max over T of P(back within T | age) ÷ E[min(time to come back, T) | age]`
//!
//! which is Gittins's index of the block. It needs no assumption of how long the cache will keep the block: one that
//! comes back surely but late, one that comes back soon or never, and one of which nothing is known are all measured by
//! the same yard.

use super::ages::{AGES, width_s};

/// The chance to come back within each class of age, for those that reach it.
pub(super) type Hazards = [f32; AGES];

/// The rate for each class of age, from the chances.
pub(super) fn rates(hazards: &Hazards) -> [f32; AGES] {
    let mut rates = [0.0; AGES];
    for (age, rate) in rates.iter_mut().enumerate() {
        let (mut left, mut back, mut time_s, mut best) = (1.0, 0.0, 0.0, 0.0_f64);
        for (class, &hazard) in hazards.iter().enumerate().skip(age) {
            let (hazard, width_s) = (f64::from(hazard), width_s(class));
            back += left * hazard;
            // Who comes back within a class does so in its middle.
            time_s += left * width_s * (1.0 - hazard / 2.0);
            left *= 1.0 - hazard;
            best = best.max(back / time_s);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a rate needs no more digits")]
        let best = best as f32;
        *rate = best;
    }
    rates
}
