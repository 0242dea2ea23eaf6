//! How fast a counter counts.

use std::time::Duration;

/// Two readings of one counter, and so a rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    before: Option<(Duration, u64)>,
}

impl Rate {
    /// By the second since the reading before. Absent at the first reading, where the counter is, where no time
    /// passed, and where it fell: then it was started again, and how far it had come is not known.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn read(&mut self, counter: Option<u64>, now: Duration) -> Option<f64> {
        let before = std::mem::replace(&mut self.before, counter.map(|count| (now, count)));
        let ((then, from), to) = (before?, counter?);
        let seconds = now.checked_sub(then)?.as_secs_f64();
        let more = to.checked_sub(from)?;
        (seconds > 0.0).then(|| more as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_rate_needs_two_readings_and_time_between_them() {
        let mut rate = Rate::default();
        assert_eq!(rate.read(Some(1000), at(0)), None);
        assert_eq!(rate.read(Some(1500), at(500)), Some(1000.0));
        assert_eq!(rate.read(Some(1600), at(500)), None, "no time passed");
        assert_eq!(rate.read(Some(1600), at(1500)), Some(0.0), "counted nothing, which is known");
    }

    #[test]
    fn a_counter_that_falls_or_goes_away_has_no_rate() {
        let mut rate = Rate::default();
        rate.read(Some(1000), at(0));
        assert_eq!(rate.read(Some(10), at(1000)), None);
        assert_eq!(rate.read(Some(20), at(2000)), Some(10.0));
        assert_eq!(rate.read(None, at(3000)), None);
        assert_eq!(rate.read(Some(30), at(4000)), None, "what it did meanwhile is not known");
        assert_eq!(rate.read(Some(40), at(3500)), None, "a clock that goes back gives no rate");
    }
}
