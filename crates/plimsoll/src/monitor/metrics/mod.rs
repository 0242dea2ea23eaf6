//! A sample as metrics: Prometheus text, and OpenTelemetry behind the feature `otlp`.
//!
//! Both are pure functions of a [`Sample`](super::Sample) over one table of families. What a sample does not know has
//! no series; a series that is there has a value that was measured.

mod families;
mod family;
#[cfg(feature = "otlp")]
mod otlp;
mod text;

pub use families::families;
pub use family::{Family, MetricKind, Point, Unit, Value};
#[cfg(feature = "otlp")]
pub use otlp::{OtlpSink, otlp_json};
pub use text::{CONTENT_TYPE, prometheus_text};
