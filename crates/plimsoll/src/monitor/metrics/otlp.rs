//! OpenTelemetry: the same metrics in the JSON encoding of OTLP, posted to a collector.
//!
//! Numbers of 64 bits are texts there, as protobuf's JSON wants it. Names lose what their unit says
//! (`plimsoll_place_charged_bytes` → `plimsoll.place.charged`, unit `By`), and get it back from a collector that
//! exports to Prometheus.

use std::sync::Arc;

use serde::Serialize;

use super::{Family, MetricKind, Point, Unit, Value, families};
use crate::monitor::{PostError, PostSettings, Poster, Sample, Sink};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    resource_metrics: [ResourceMetrics; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics {
    resource: Resource,
    scope_metrics: [ScopeMetrics; 1],
}

#[derive(Serialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
struct ScopeMetrics {
    scope: Scope,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Metric {
    name: String,
    description: &'static str,
    unit: &'static str,
    #[serde(flatten)]
    data: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Data {
    Gauge(Gauge),
    Sum(Sum),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gauge {
    data_points: Vec<DataPoint>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sum {
    data_points: Vec<DataPoint>,
    /// 2: since the start.
    aggregation_temporality: u8,
    is_monotonic: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DataPoint {
    attributes: Vec<Attribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time_unix_nano: Option<String>,
    time_unix_nano: String,
    #[serde(flatten)]
    value: Number,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Number {
    AsInt(String),
    AsDouble(f64),
}

#[derive(Serialize)]
struct Attribute {
    key: String,
    value: AnyValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum AnyValue {
    StringValue(String),
    IntValue(String),
}

/// A sample as the body of a `POST /v1/metrics`.
pub fn otlp_json(sample: &Sample) -> String {
    let text = |key: &str, value: &str| Attribute {
        key: key.to_owned(),
        value: AnyValue::StringValue(value.to_owned()),
    };
    let version = env!("CARGO_PKG_VERSION");
    let attributes = vec![
        text("service.name", &sample.source.program),
        text("telemetry.sdk.language", "rust"),
        Attribute { key: "process.pid".to_owned(), value: AnyValue::IntValue(sample.source.pid.to_string()) },
    ];
    let request = Request {
        resource_metrics: [ResourceMetrics {
            resource: Resource { attributes },
            scope_metrics: [ScopeMetrics {
                scope: Scope { name: "plimsoll", version },
                metrics: families(sample).into_iter().map(|family| metric(family, sample)).collect(),
            }],
        }],
    };
    // Plain data with texts for keys: there is nothing in it that JSON could not say.
    serde_json::to_string(&request).unwrap_or_default()
}

fn metric(family: Family, sample: &Sample) -> Metric {
    let counter = family.kind == MetricKind::Counter;
    let now = sample.at_unix_ms;
    let start = counter.then(|| nanos(now.saturating_sub(sample.up_ms)));
    let point = |point: Point| DataPoint {
        attributes: point
            .labels
            .into_iter()
            .map(|(key, value)| Attribute { key: key.to_owned(), value: AnyValue::StringValue(value) })
            .collect(),
        start_time_unix_nano: start.clone(),
        time_unix_nano: nanos(now),
        value: match point.value {
            Value::Whole(value) => match i64::try_from(value) {
                Ok(value) => Number::AsInt(value.to_string()),
                #[expect(clippy::cast_precision_loss, reason = "beyond 2^63 nothing is exact")]
                Err(_) => Number::AsDouble(value as f64),
            },
            Value::Real(value) => Number::AsDouble(value),
        },
    };
    let name = name(&family);
    let points: Vec<_> = family
        .points
        .into_iter()
        // JSON has no word for what is not a number.
        .filter(|point| !matches!(point.value, Value::Real(value) if !value.is_finite()))
        .map(point)
        .collect();
    Metric {
        name,
        description: family.help,
        unit: match family.unit {
            Unit::Bytes => "By",
            Unit::BytesPerSecond => "By/s",
            Unit::Seconds => "s",
            Unit::Ratio | Unit::Count => "1",
        },
        data: if counter {
            Data::Sum(Sum { data_points: points, aggregation_temporality: 2, is_monotonic: true })
        } else {
            Data::Gauge(Gauge { data_points: points })
        },
    }
}

fn nanos(unix_ms: u64) -> String {
    unix_ms.saturating_mul(1_000_000).to_string()
}

/// `plimsoll_place_charged_bytes` → `plimsoll.place.charged`.
fn name(family: &Family) -> String {
    let ends = ["_total", "_bytes_per_second", "_bytes", "_seconds", "_ratio"];
    let short = ends.iter().find_map(|end| family.name.strip_suffix(end)).unwrap_or(family.name);
    let mut parts = short.splitn(3, '_');
    let parts: Vec<_> = parts.by_ref().collect();
    parts.join(".")
}

/// Posts each sample to a collector. Sampling never waits for it: [`Poster`] says how.
#[derive(Debug)]
pub struct OtlpSink(Poster);

impl OtlpSink {
    /// To a collector: `http://127.0.0.1:4318`. The path `/v1/metrics` is added where there is none.
    pub fn start(url: &str, settings: PostSettings) -> Result<Self, PostError> {
        let trimmed = url.trim_end_matches('/');
        let has_path = trimmed.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let url = if has_path { trimmed.to_owned() } else { format!("{trimmed}/v1/metrics") };
        Ok(Self(Poster::start(&url, settings)?))
    }

    /// What posts.
    pub const fn poster(&self) -> &Poster {
        &self.0
    }
}

impl Sink for OtlpSink {
    fn sample(&mut self, sample: &Arc<Sample>) {
        self.0.post(otlp_json(sample));
    }
}
