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

#[test]
fn who_keeps_blocks_on_a_disk_is_measured_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["--kv", "--smoke", "--json", "--within", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().all(|row| row["value"].is_f64() && row["unit"].is_string()), "{rows:?}");
    let has = |who: &str, what: &str, unit: &str| {
        let is = |row: &&Value| {
            row["who"] == who
                && row["unit"] == unit
                && row["what"].as_str().is_some_and(|text| text.contains(what))
        };
        rows.iter().filter(is).count()
    };
    // Two sizes each; the disk is read directly and through the page cache.
    for (who, ways) in [("plimsoll", 1), ("a file a block", 1), ("disk", 2)] {
        assert_eq!(has(who, "write", "GB/s"), 2 * ways, "{who}");
        for in_flight in ["1 in flight", "8 in flight"] {
            assert_eq!(has(who, in_flight, "GB/s"), 2 * ways, "{who}");
            assert_eq!(has(who, in_flight, "% of the disk"), 2 * ways, "{who}");
        }
    }
    assert_eq!(has("plimsoll", "open", "ms"), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}
