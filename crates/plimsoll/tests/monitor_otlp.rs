//! OpenTelemetry's JSON, and a collector that is sent it.
#![cfg(feature = "otlp")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod full_sample;
mod listener;

use std::sync::Arc;
use std::time::Duration;

use full_sample::full_sample;
use listener::Listener;
use plimsoll::monitor::metrics::{OtlpSink, families, otlp_json};
use plimsoll::monitor::{PostSettings, Sink as _};
use serde_json::{Value, json};

fn metrics(body: &Value) -> &Vec<Value> {
    body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap()
}

#[test]
fn the_body_is_what_the_protocol_describes() {
    let body: Value = serde_json::from_str(&otlp_json(&full_sample())).unwrap();
    let attributes = &body["resourceMetrics"][0]["resource"]["attributes"];
    assert_eq!(attributes[0], json!({"key": "service.name", "value": {"stringValue": "chat \"one\"\\\n"}}));
    assert_eq!(attributes[2], json!({"key": "process.pid", "value": {"intValue": "42"}}));
    let metrics = metrics(&body);
    assert_eq!(metrics.len(), families(&full_sample()).len());
    let find = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap();
    assert_eq!(
        find("plimsoll.place.charged"),
        &json!({
            "name": "plimsoll.place.charged",
            "description": "Everything charged.",
            "unit": "By",
            "gauge": {"dataPoints": [{
                "attributes": [{"key": "place", "value": {"stringValue": "host"}}],
                "timeUnixNano": "1700000000250000000",
                "asInt": "800",
            }]},
        })
    );
    let leases = find("plimsoll.account.leases");
    assert_eq!(leases["sum"]["isMonotonic"], true);
    assert_eq!(leases["sum"]["aggregationTemporality"], 2);
    assert_eq!(leases["sum"]["dataPoints"][0]["startTimeUnixNano"], "1699999993250000000");
    assert_eq!(find("plimsoll.machine.stalled")["gauge"]["dataPoints"][1]["asDouble"], 0.01);
    assert_eq!(find("plimsoll.machine.swap_in")["unit"], "By/s");
    assert!(
        find("plimsoll.machine.memory_size")["gauge"]["dataPoints"][0]["asDouble"].is_f64(),
        "beyond 2^63"
    );
    let mut names: Vec<_> = metrics.iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), metrics.len(), "no two metrics have one name");
}

#[test]
fn a_collector_gets_each_sample() {
    let listener = Listener::answering(&["200 OK"]);
    let mut sink = OtlpSink::start(&listener.url(""), PostSettings::default()).unwrap();
    sink.sample(&Arc::new(full_sample()));
    assert!(sink.poster().flush(Duration::from_mins(1)));
    assert_eq!(sink.poster().counts().delivered, 1);
    let request = listener.requests.recv().unwrap();
    assert!(request.head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{}", request.head);
    assert!(request.head.to_ascii_lowercase().contains("content-type: application/json"));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert!(metrics(&body).len() > 30);
}

#[test]
fn a_path_of_ones_own_is_kept() {
    let listener = Listener::answering(&["200 OK"]);
    let mut sink = OtlpSink::start(&listener.url("/tenant/metrics/"), PostSettings::default()).unwrap();
    sink.sample(&Arc::new(full_sample()));
    assert!(listener.requests.recv().unwrap().head.starts_with("POST /tenant/metrics HTTP/1.1\r\n"));
}
