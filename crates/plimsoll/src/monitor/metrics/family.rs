//! One metric with its series.

/// A metric: a name, what it means, and one point for each set of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// `plimsoll_place_charged_bytes`.
    pub name: &'static str,
    /// A sentence.
    pub help: &'static str,
    /// Whether it only ever grows.
    pub kind: MetricKind,
    /// What is counted.
    pub unit: Unit,
    /// Its series; a family without any is left out.
    pub points: Vec<Point>,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Goes up and down.
    Gauge,
    /// Grows until its program starts again.
    Counter,
}

/// What a metric counts, by what its name ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `_bytes`.
    Bytes,
    /// `_bytes_per_second`.
    BytesPerSecond,
    /// `_seconds`.
    Seconds,
    /// `_ratio`: 0 to 1.
    Ratio,
    /// Things, or things by the second.
    Count,
}

/// A value with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: Value,
}

/// A number; whole ones stay exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Whole.
    Whole(u64),
    /// Any other.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}
