//! One alert of one subject: a small machine on values and a clock that are passed in.

use std::time::Duration;

use super::Thresholds;
use crate::monitor::Severity;

/// What it takes to raise and to clear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) thresholds: Thresholds,
    pub(super) after: Duration,
    pub(super) calm: Duration,
    pub(super) band: f64,
}

impl Rule {
    /// Whether a value is at or above any threshold.
    pub(super) fn is_crossed_by(&self, value: f64) -> bool {
        let Thresholds { warning, critical } = self.thresholds;
        [warning, critical].into_iter().flatten().any(|threshold| value >= threshold)
    }
}

/// How one alert stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm {
    /// When the last value came; absent after a gap, whose time counts for nothing.
    last: Option<Duration>,
    warning: Step,
    critical: Step,
    raised_at: Option<Duration>,
}

/// How one threshold stands: raised or not, and how long it has been otherwise.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    raised: bool,
    /// For how long the value has asked for the opposite.
    otherwise: Option<Duration>,
}

impl Step {
    const fn is_at_rest(&self) -> bool {
        !self.raised && self.otherwise.is_none()
    }

    fn read(&mut self, value: f64, threshold: Option<f64>, passed: Duration, rule: &Rule) {
        let Some(threshold) = threshold else {
            *self = Self::default();
            return;
        };
        let (otherwise, needed) = if self.raised {
            (value < threshold - rule.band, rule.calm)
        } else {
            (value >= threshold, rule.after)
        };
        if !otherwise {
            self.otherwise = None;
            return;
        }
        // The time before the first value that crosses says nothing about when it crossed.
        let lasted = self.otherwise.map_or(Duration::ZERO, |lasted| lasted + passed);
        self.otherwise = Some(lasted);
        if lasted >= needed {
            *self = Self { raised: !self.raised, otherwise: None };
        }
    }
}

impl Alarm {
    /// Takes in a value; an absent one is a gap, in which nothing changes.
    pub(super) fn read(&mut self, value: Option<f64>, now: Duration, rule: &Rule) {
        let before = std::mem::replace(&mut self.last, value.map(|_| now));
        let Some(value) = value else { return };
        let passed = before.map_or(Duration::ZERO, |before| now.saturating_sub(before));
        self.warning.read(value, rule.thresholds.warning, passed, rule);
        self.critical.read(value, rule.thresholds.critical, passed, rule);
        match (self.severity(), self.raised_at) {
            (Some(_), None) => self.raised_at = Some(now),
            (None, Some(_)) => self.raised_at = None,
            _ => {}
        }
    }

    /// Whether it is as it was before its first value: nothing raised, and nothing under way.
    pub(super) const fn is_at_rest(&self) -> bool {
        self.warning.is_at_rest() && self.critical.is_at_rest()
    }

    /// How bad it is; absent while nothing is raised.
    pub(super) const fn severity(&self) -> Option<Severity> {
        match (self.critical.raised, self.warning.raised) {
            (true, _) => Some(Severity::Critical),
            (false, true) => Some(Severity::Warning),
            (false, false) => None,
        }
    }

    /// Since when, on the clock that is passed in.
    pub(super) const fn raised_at(&self) -> Option<Duration> {
        self.raised_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        thresholds: Thresholds { warning: Some(0.85), critical: Some(0.95) },
        after: Duration::from_secs(10),
        calm: Duration::from_secs(20),
        band: 0.05,
    };

    /// Feeds a value a second and gives back what was raised after each.
    fn feed(alarm: &mut Alarm, from: u64, values: &[Option<f64>]) -> Vec<Option<Severity>> {
        let read = |(second, value): (u64, &Option<f64>)| {
            alarm.read(*value, Duration::from_secs(second), &RULE);
            alarm.severity()
        };
        (from..).zip(values).map(read).collect()
    }

    #[test]
    fn it_is_raised_after_its_time_and_not_before() {
        let mut alarm = Alarm::default();
        let told = feed(&mut alarm, 0, &[Some(0.9); 12]);
        assert!(told[..10].iter().all(Option::is_none));
        assert_eq!(told[10], Some(Severity::Warning), "ten seconds after the first");
        assert_eq!(alarm.raised_at(), Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_is_shorter_than_its_time_is_nothing() {
        let mut alarm = Alarm::default();
        for round in 0..20 {
            let told = feed(&mut alarm, round * 10, &[[Some(0.99); 9].as_slice(), &[Some(0.5)]].concat());
            assert!(told.iter().all(Option::is_none), "round {round}");
        }
    }

    #[test]
    fn hovering_at_the_threshold_does_not_flap() {
        let mut alarm = Alarm::default();
        feed(&mut alarm, 0, &[Some(0.86); 11]);
        assert_eq!(alarm.severity(), Some(Severity::Warning));
        let hover: Vec<_> = (0..300).map(|n| Some(if n % 2 == 0 { 0.84 } else { 0.86 })).collect();
        assert!(feed(&mut alarm, 11, &hover).iter().all(|told| *told == Some(Severity::Warning)));
        // And from below: never long enough at a time.
        let mut fresh = Alarm::default();
        assert!(feed(&mut fresh, 0, &hover).iter().all(Option::is_none));
    }

    #[test]
    fn it_is_cleared_when_calm_for_long_enough() {
        let mut alarm = Alarm::default();
        feed(&mut alarm, 0, &[Some(0.9); 11]);
        let told = feed(&mut alarm, 11, &[Some(0.7); 21]);
        assert!(told[..20].iter().all(Option::is_some));
        assert_eq!(told[20], None);
        assert_eq!(alarm.raised_at(), None);
    }

    #[test]
    fn it_grows_worse_and_better_one_step_at_a_time() {
        let mut alarm = Alarm::default();
        let told = feed(&mut alarm, 0, &[[Some(0.9); 11].as_slice(), &[Some(0.97); 11]].concat());
        assert_eq!(told.last(), Some(&Some(Severity::Critical)));
        assert_eq!(alarm.raised_at(), Some(Duration::from_secs(10)), "raised once, whatever became of it");
        let told = feed(&mut alarm, 22, &[Some(0.87); 21]);
        assert_eq!(told.last(), Some(&Some(Severity::Warning)));
    }

    #[test]
    fn a_gap_keeps_everything_as_it_was_and_its_time_does_not_count() {
        let mut alarm = Alarm::default();
        feed(&mut alarm, 0, &[Some(0.9); 6]);
        feed(&mut alarm, 6, &[None; 60]);
        assert_eq!(alarm.severity(), None, "five seconds were seen");
        let told = feed(&mut alarm, 66, &[Some(0.9); 7]);
        assert_eq!(told[4], None);
        assert_eq!(told[5], Some(Severity::Warning), "five before the gap and five after it");
        assert!(feed(&mut alarm, 73, &[None; 100]).iter().all(Option::is_some));
    }

    #[test]
    fn a_clock_that_goes_back_raises_nothing() {
        let mut alarm = Alarm::default();
        alarm.read(Some(0.9), Duration::from_secs(1000), &RULE);
        alarm.read(Some(0.9), Duration::from_secs(3), &RULE);
        assert_eq!(alarm.severity(), None);
    }

    #[test]
    fn a_threshold_that_is_off_is_never_raised() {
        let off = Rule { thresholds: Thresholds::OFF, after: Duration::ZERO, ..RULE };
        let mut alarm = Alarm::default();
        alarm.read(Some(1.0), Duration::ZERO, &off);
        assert_eq!(alarm.severity(), None);
        let at_once = Rule { after: Duration::ZERO, ..RULE };
        alarm.read(Some(1.0), Duration::from_secs(1), &at_once);
        assert_eq!(alarm.severity(), Some(Severity::Critical));
    }
}
