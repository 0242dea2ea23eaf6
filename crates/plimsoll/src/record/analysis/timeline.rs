//! A place over time, in few enough points to draw.

use super::Fragmentation;
use crate::Place;

/// One stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// When the stretch begins.
    pub start_ns: u64,
    /// Its fullest moment.
    pub at_ns: u64,
    /// Live bytes as asked at that moment.
    pub live: u64,
    /// What of it was under each of [`Timeline::labels`]; the rest of `live` is other labels.
    pub labels: Vec<u64>,
    /// The most that was backed within the stretch.
    pub backed: u64,
    /// The most that was charged within the stretch.
    pub charged: Option<u64>,
    /// Bytes of cached values that were given up within it.
    pub evicted: u64,
    /// Requests that were refused within it.
    pub refused: u64,
}

impl Point {
    /// What was under labels that are not shown by themselves.
    pub fn other(&self) -> u64 {
        self.live.saturating_sub(self.labels.iter().sum())
    }
}

/// A place over time: for each of equally long stretches its fullest moment, so that no peak is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Which place.
    pub place: Place,
    /// How long it is.
    pub duration_ns: u64,
    /// The labels that had most at once, most first.
    pub labels: Vec<String>,
    /// Whether there are labels beyond those.
    pub more_labels: usize,
    /// Stretch by stretch.
    pub points: Vec<Point>,
    /// How broken up its memory was at these moments, or at some of them where there is much to look at.
    pub fragmentation: Vec<Fragmentation>,
}
