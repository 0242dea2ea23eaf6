//! The program's results can be read by another, and a mistake is told with what would be right.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::process::{Command, Output};

use plimsoll_cli::bench::harness::Plan;
use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench-compare")).args(arguments).output().unwrap()
}

#[test]
fn json_is_one_list_of_rows() {
    let output = run(&["--smoke", "--json", "--engine", "malloc"]);
    assert!(output.status.success(), "{output:?}");
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), Plan::smoke().cases.len());
    for row in rows {
        assert_eq!(row["engine"], "malloc");
        assert!(row["ns_median"].as_f64().is_some_and(|ns| ns > 0.0), "{row}");
        for count in ["size_bytes", "threads", "live"] {
            assert!(row[count].is_u64(), "{row}");
        }
    }
}

#[test]
fn an_unknown_engine_is_refused_with_those_there_are() {
    let output = run(&["--smoke", "--engine", "jemalloc"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("mimalloc") && output.stdout.is_empty(), "{told}");
}
