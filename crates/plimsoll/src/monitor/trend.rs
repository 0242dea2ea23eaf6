//! Where a value is going: a line through what it was in the last minute.

use std::collections::VecDeque;
use std::time::Duration;

/// The last values of something, and the straight line that fits them best.
#[derive(Clone, Debug)]
pub(super) struct Trend {
    window: Duration,
    points: VecDeque<(f64, f64)>,
}

/// Fewer points, or points over less time than this share of the window, are no trend.
const LEAST_POINTS: usize = 5;
const LEAST_SHARE: f64 = 0.15;
/// How much of what the values do the line must account for: below it, they wander rather than go somewhere.
const LEAST_FIT: f64 = 0.8;
/// A minute says nothing about tomorrow.
const FARTHEST: f64 = 24.0 * 3600.0;
/// A sampler that is asked very often keeps no more points than this.
const MOST_POINTS: usize = 256;

impl Trend {
    pub(super) const fn over(window: Duration) -> Self {
        Self { window, points: VecDeque::new() }
    }

    /// Takes in a value. An absent one ends the line: what comes after a gap may be about something else.
    #[expect(clippy::cast_precision_loss, reason = "bytes beyond 2^53 need no exact trend")]
    pub(super) fn push(&mut self, now: Duration, value: Option<u64>) {
        let Some(value) = value else {
            self.points.clear();
            return;
        };
        let now = now.as_secs_f64();
        if self.points.back().is_some_and(|&(last, _)| now <= last) {
            return;
        }
        // Values that come more often than needed would only push older ones out.
        let spacing = self.window.as_secs_f64() / MOST_POINTS as f64;
        if let [.., (before, _), (last, _)] = self.points.make_contiguous()
            && *last - *before < spacing
        {
            self.points.pop_back();
        }
        self.points.push_back((now, value as f64));
        let oldest = now - self.window.as_secs_f64();
        while self.points.front().is_some_and(|&(at, _)| at < oldest) {
            self.points.pop_front();
        }
    }

    /// Seconds until the value is `target`, counted from the last point, if it goes on as it did. Absent when the
    /// trend is flat, points away, is noise, or would take more than a day.
    #[expect(clippy::cast_precision_loss, reason = "bytes beyond 2^53 need no exact trend")]
    pub(super) fn seconds_until(&self, target: u64) -> Option<f64> {
        let slope = self.slope()?;
        let (_, last) = *self.points.back()?;
        let seconds = (target as f64 - last) / slope;
        (seconds.is_finite() && (0.0..=FARTHEST).contains(&seconds)).then_some(seconds)
    }

    /// By the second; absent where no line fits.
    #[expect(clippy::cast_precision_loss, reason = "a count of points")]
    fn slope(&self) -> Option<f64> {
        let (first, last) = (self.points.front()?.0, self.points.back()?.0);
        if self.points.len() < LEAST_POINTS || last - first < self.window.as_secs_f64() * LEAST_SHARE {
            return None;
        }
        let count = self.points.len() as f64;
        let mean_at = self.points.iter().map(|(at, _)| at).sum::<f64>() / count;
        let mean = self.points.iter().map(|(_, value)| value).sum::<f64>() / count;
        let (mut along, mut across, mut both) = (0.0, 0.0, 0.0);
        for (at, value) in &self.points {
            along += (at - mean_at).powi(2);
            across += (value - mean).powi(2);
            both += (at - mean_at) * (value - mean);
        }
        if along <= 0.0 || across <= 0.0 {
            return None;
        }
        let fit = both * both / (along * across);
        (fit >= LEAST_FIT).then_some(both / along)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(values: impl IntoIterator<Item = u64>) -> Trend {
        let mut trend = Trend::over(Duration::from_mins(1));
        for (second, value) in (0..).zip(values) {
            trend.push(Duration::from_secs(second), Some(value));
        }
        trend
    }

    #[test]
    fn a_line_is_followed_to_where_it_leads() {
        let rising = trend((0..30).map(|second| 1000 + 100 * second));
        let until = rising.seconds_until(10_000).unwrap();
        assert!((until - 61.0).abs() < 1e-6, "3,900 after 29 s, 6,100 to go at 100 a second: {until}");
        let falling = trend((0..30).map(|second| 100_000 - 1000 * second));
        assert!((falling.seconds_until(0).unwrap() - 71.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_flat_falling_or_noise_leads_nowhere() {
        assert_eq!(trend([500; 30]).seconds_until(1000), None);
        assert_eq!(trend((0..30).map(|second| 4000 - 100 * second)).seconds_until(10_000), None);
        let noise = (0..60_u64).map(|second| 1000 + (second * 7919) % 211);
        assert_eq!(trend(noise).seconds_until(10_000), None);
        assert_eq!(trend((0..4).map(|second| second * 100)).seconds_until(10_000), None, "too few");
    }

    #[test]
    fn tomorrow_is_not_foretold_and_the_past_is_forgotten() {
        let slow = trend((0..60).map(|second| 1_000_000 + second));
        assert_eq!(slow.seconds_until(1_000_000_000), None);
        let turned = trend((0..60).map(|second| second * 100).chain((0..61).map(|second| 6000 - second)));
        assert_eq!(turned.seconds_until(10_000), None, "it fell for the whole last minute");
    }

    #[test]
    fn a_gap_starts_again_and_a_clock_that_goes_back_is_passed_over() {
        let mut gap = trend((0..30).map(|second| second * 100));
        gap.push(Duration::from_secs(30), None);
        assert_eq!(gap.seconds_until(10_000), None);
        let mut back = trend((0..30).map(|second| second * 100));
        back.push(Duration::from_secs(3), Some(9_999_999));
        assert!((back.seconds_until(3900).unwrap() - 10.0).abs() < 1e-6);
    }

    #[test]
    fn frequent_samples_keep_a_whole_minute() {
        let mut trend = Trend::over(Duration::from_mins(1));
        for tick in 0..10_000 {
            trend.push(Duration::from_millis(tick * 6), Some(tick * 10));
        }
        assert!(trend.points.len() <= MOST_POINTS + 2, "{}", trend.points.len());
        assert!(trend.points.back().unwrap().0 - trend.points.front().unwrap().0 > 55.0);
        assert!(trend.seconds_until(200_000).is_some());
    }
}
