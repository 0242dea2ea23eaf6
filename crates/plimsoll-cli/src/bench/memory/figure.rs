//! What several runs of one thing come to.

use std::time::Duration;

use serde::Serialize;

/// Bytes a second: the best run and the middle one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The best run.
    pub best_bytes_per_s: f64,
    /// The middle run.
    pub median_bytes_per_s: f64,
    /// Runs that count.
    pub runs: u32,
}

impl Figure {
    /// Of runs that moved so many bytes each. `None` without runs.
    pub fn of(bytes: u64, mut took: Vec<Duration>) -> Option<Self> {
        took.sort_unstable();
        let best = took.first()?;
        Some(Self {
            best_bytes_per_s: rate(bytes, *best),
            median_bytes_per_s: rate(bytes, took[took.len() / 2]),
            runs: u32::try_from(took.len()).unwrap_or(u32::MAX),
        })
    }
}

/// A clock that has not moved counts as one nanosecond.
#[expect(clippy::cast_precision_loss, reason = "a measurement")]
fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.max(Duration::from_nanos(1)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_run_is_the_shortest() {
        let ms = |ms| Duration::from_millis(ms);
        let figure = Figure::of(3_000_000, vec![ms(3), ms(1), ms(2)]).unwrap();
        assert!(
            (figure.best_bytes_per_s - 3e9).abs() < 1.0 && (figure.median_bytes_per_s - 1.5e9).abs() < 1.0
        );
        assert_eq!(figure.runs, 3);
        assert_eq!(Figure::of(1, vec![]), None);
        assert!(Figure::of(1, vec![ms(0)]).unwrap().best_bytes_per_s.is_finite());
    }
}
