//! The Prometheus text format, version 0.0.4.

use std::fmt::Write as _;

use super::{Family, MetricKind, Value, families};
use crate::monitor::Sample;

/// What `/metrics` answers with.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A sample as Prometheus scrapes it.
///
/// ```
/// use plimsoll::monitor::{Sampler, metrics::prometheus_text};
/// let text = prometheus_text(&Sampler::machine().sample());
/// assert!(text.contains("# TYPE plimsoll_samples_total counter\nplimsoll_samples_total 1\n"));
/// ```
pub fn prometheus_text(sample: &Sample) -> String {
    let mut out = String::new();
    for family in families(sample) {
        write_family(&mut out, &family);
    }
    out
}

fn write_family(out: &mut String, family: &Family) {
    let kind = match family.kind {
        MetricKind::Gauge => "gauge",
        MetricKind::Counter => "counter",
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(out, "# HELP {} {help}\n# TYPE {} {kind}", family.name, family.name);
    for point in &family.points {
        out.push_str(family.name);
        for (number, (label, value)) in point.labels.iter().enumerate() {
            let _ = write!(out, "{}{label}=\"{}\"", if number == 0 { '{' } else { ',' }, escaped(value));
        }
        let end = if point.labels.is_empty() { "" } else { "}" };
        let _ = match point.value {
            Value::Whole(value) => writeln!(out, "{end} {value}"),
            Value::Real(value) => writeln!(out, "{end} {}", real(value)),
        };
    }
}

fn real(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
