//! What an entry is worth, and how worth ages.
//!
//! The policy is GreedyDual-Size-Frequency: an entry's price is
//!
//! ```text
//! H = L + uses · cost ÷ bytes          (seconds per byte)
//! ```
//!
//! and the entry with the lowest price goes first. Every term has one unit, so no term can rule by its scale: an
//! entry twice as large must be twice as dear to compute, or be used twice as often, to stay as long. `L` is the
//! price of the last entry that was evicted. It only rises, and an entry that is used again is priced from the
//! present `L`, so what was popular once and is no longer asked for is overtaken without a sweep over all entries.

use std::time::Duration;

use crate::Bytes;

/// Seconds per byte that it costs to get something back. An entry of no bytes is priced as one byte: keeping it
/// is free, so it should go last, yet the number must stay finite.
#[expect(clippy::cast_precision_loss, reason = "a price orders entries; it does not count bytes")]
pub fn worth(cost: Duration, bytes: Bytes) -> f64 {
    cost.as_secs_f64() / bytes.get().max(1) as f64
}

/// The rising floor `L` of the policy.
///
/// A floor that has risen 2⁴⁰ times over the worth of one entry would begin to swallow the differences between
/// entries; at one eviction a microsecond that is two weeks of evicting dear entries only, so it is not rebased.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ageing {
    floor: f64,
}

impl Ageing {
    /// The price of an entry of this worth that has now been used so often.
    pub fn price(self, worth: f64, uses: u32) -> f64 {
        self.floor + f64::from(uses.max(1)) * worth
    }

    /// An entry of this price was evicted: the floor rises to it.
    pub fn evicted(&mut self, price: f64) {
        self.floor = self.floor.max(price);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worth_is_seconds_per_byte() {
        let dear = worth(Duration::from_secs(2), Bytes::kib(1));
        let cheap = worth(Duration::from_secs(2), Bytes::kib(2));
        assert!((dear - 2.0 * cheap).abs() < f64::EPSILON);
        assert!(worth(Duration::MAX, Bytes::ZERO).is_finite());
        assert!(worth(Duration::ZERO, Bytes::mib(1)).abs() < f64::EPSILON);
    }

    #[test]
    fn the_floor_only_rises_and_lifts_what_is_priced_later() {
        let mut ageing = Ageing::default();
        let before = ageing.price(1.0, 3);
        ageing.evicted(5.0);
        ageing.evicted(2.0);
        assert!((ageing.price(1.0, 1) - 6.0).abs() < f64::EPSILON);
        assert!(ageing.price(1.0, 1) > before, "one fresh use outranks three uses of long ago");
    }
}
