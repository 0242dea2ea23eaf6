//! The commands that take a place: GPUs where there are some, and plain words where there are none.
#![expect(clippy::unwrap_used, reason = "a test")]

mod program;

use std::fmt::Write as _;
use std::process::Output;

use program::{run, text};
use serde_json::Value;

/// A GPU that no machine has.
const NOWHERE: &str = "cuda:4242";

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn machine_lists_gpus_and_says_what_is_not_there() {
    let output = run(&["machine", "--json"]);
    let report = json(&output);
    assert!(output.stderr.is_empty(), "what loaders print is not ours: {}", text(&output.stderr));
    let gpus = report["gpus"].as_array().unwrap();
    let missing = report["missing"].as_array().unwrap();
    for gpu in gpus {
        let place = gpu["place"].as_str().unwrap();
        assert!(place.starts_with("cuda:") || place.starts_with("gpu:"), "{gpu}");
        assert!(!gpu["name"].as_str().unwrap().is_empty() && gpu["total_bytes"].is_u64(), "{gpu}");
    }
    let reached = |kind: &str| {
        gpus.iter().any(|gpu| {
            let also = gpu["also"].as_array().unwrap().iter();
            also.chain([&gpu["place"]]).any(|place| place.as_str().unwrap().starts_with(kind))
        })
    };
    let cuda = missing.iter().find(|missing| missing["what"] == "CUDA");
    assert!(reached("cuda:") != cuda.is_some(), "{report}");
    assert!(missing.iter().all(|missing| !missing["why"].as_str().unwrap().is_empty()));
    let shown = text(&run(&["machine"]).stdout);
    assert!(shown.contains("\nGPUs\n"), "{shown}");
    for missing in missing {
        assert!(shown.contains(&format!("{}: ", missing["what"].as_str().unwrap())), "{shown}");
    }
}

#[test]
fn a_place_without_a_device_is_named_with_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let trace = trace(&folder);
    for args in [
        &["device", "check", NOWHERE][..],
        &["device", "check", "remote"],
        &["bench", "pool", "--smoke", "--place", NOWHERE],
        &["bench", "pool", "--smoke", "--place", "sim:0"],
        &["pool", "replay", &trace, "--place", "disk"],
        &["pool", "replay", &trace, "--place", NOWHERE],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let complaint = text(&output.stderr);
        assert!(complaint.contains("cannot be used") && complaint.contains("help:"), "{complaint}");
    }
    for args in [
        &["device"][..],
        &["device", "check"],
        &["device", "check", "attic"],
        &["bench", "pool", "--place", "host", "--touch"],
        &["pool", "replay", &trace, "--place", "host", "--granule", "2MiB"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_device_is_put_through_the_suite() {
    for place in ["host", "sim:0"] {
        let report = json(&run(&["device", "check", place, "--json"]));
        assert_eq!((&report["place"], &report["failed"]), (&place.into(), &0.into()), "{report}");
        let checks = report["checks"].as_array().unwrap();
        let with = |outcome: &str| checks.iter().filter(|check| check["outcome"] == outcome).count();
        assert_eq!(report["passed"], with("passed"));
        assert_eq!(report["skipped"], with("skipped"));
        assert!(with("passed") > 10 && with("failed") == 0);
    }
    let shown = text(&run(&["device", "check", "sim:0"]).stdout);
    assert!(shown.contains('✓') && shown.contains(" passed, 0 failed"), "{shown}");
}

#[test]
fn a_pool_of_a_device_stands_beside_the_device_alone() {
    let report = json(&run(&["bench", "pool", "--smoke", "--place", "host", "--json"]));
    let rows = report.as_array().unwrap();
    for engine in ["plimsoll", "device alone"] {
        let of_engine: Vec<_> = rows.iter().filter(|row| row["engine"] == engine).collect();
        assert_eq!(of_engine.len(), rows.len() / 2, "{rows:?}");
        assert!(of_engine.iter().all(|row| row["ns_median"].as_f64().unwrap() > 0.0));
    }
}

#[test]
fn a_trace_is_replayed_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let trace = trace(&folder);
    let simulated = json(&run(&["pool", "replay", &trace, "--json"]));
    assert_eq!(simulated["place"], "simulated");
    for place in ["host", "sim:0"] {
        let report = json(&run(&["pool", "replay", &trace, "--place", place, "--json"]));
        assert_eq!(report["place"], place);
        assert_eq!(report["events"], simulated["events"]);
        assert_eq!(report["peak_live_bytes"], simulated["peak_live_bytes"]);
        assert!(report["peak_reserved_bytes"].as_u64() >= report["peak_live_bytes"].as_u64());
    }
    let shown = text(&run(&["pool", "replay", &trace, "--place", "host"]).stdout);
    assert!(shown.starts_with("on host\n"), "{shown}");
}

/// Two streams, and a free that waits for the other one.
fn trace(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("trace.csv");
    let mut rows = String::from("device,seq,action,addr,size,stream\n");
    let mut seq = 0;
    let mut row = |action: &str, block: u64, stream: u32| {
        writeln!(rows, "0,{seq},{action},{},300000,{stream}", 4096 * (block + 1)).unwrap();
        seq += 1;
    };
    for block in 0..40 {
        row("alloc", block, u32::from(block % 2 == 1));
        if block >= 10 {
            row("free_requested", block - 10, 0);
            row("free_completed", block - 10, 0);
        }
    }
    std::fs::write(&path, rows).unwrap();
    path.display().to_string()
}
