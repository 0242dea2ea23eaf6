//! `plimsoll bench memory` as a user meets it.
#![expect(clippy::unwrap_used, reason = "a test")]

mod program;

use std::path::Path;
use std::process::{Command, Output};

use program::text;
use serde_json::Value;

fn memory(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["bench", "memory"]).args(args).env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8");
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn left_behind(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().display().to_string();
    let output = memory(&[
        "--smoke", "--json", "--disk", &disk, "--place", "host", "--place", "disk", "--place", "sim:0",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "no progress where nobody watches: {}", text(&output.stderr));
    assert_eq!(left_behind(folder.path()), 0);
    let report = json(&output);
    let fast = |row: &Value| {
        let (best, median) =
            (row["best_bytes_per_s"].as_f64().unwrap(), row["median_bytes_per_s"].as_f64().unwrap());
        best >= median && median > 0.0 && row["runs"].as_u64().unwrap() > 0
    };
    let hosts = report["host"].as_array().unwrap();
    assert!(!hosts.is_empty() && hosts[0]["threads"] == 1);
    for host in hosts {
        let points = host["points"].as_array().unwrap();
        assert!(points.iter().all(fast), "{points:?}");
        for operation in ["read", "write", "copy", "triad"] {
            let sizes: Vec<_> = points
                .iter()
                .filter(|point| point["operation"] == operation)
                .map(|point| point["working_set_bytes"].as_u64().unwrap())
                .collect();
            assert!(sizes.len() > 3 && sizes.is_sorted_by(|one, other| one < other), "{sizes:?}");
        }
    }
    let disk = &report["disk"];
    assert!(disk["file_bytes"].as_u64().unwrap() >= disk["block_bytes"].as_u64().unwrap());
    let rows = disk["rows"].as_array().unwrap();
    assert!(rows.iter().all(fast) && rows.iter().any(|row| row["through"] == "buffered"), "{rows:?}");
    let places: Vec<_> =
        report["devices"].as_array().unwrap().iter().map(|device| &device["place"]).collect();
    assert_eq!(places, ["host", "sim:0"]);
    for device in report["devices"].as_array().unwrap() {
        let rows = device["rows"].as_array().unwrap();
        for transfer in ["copy", "upload", "download", "write"] {
            assert!(
                rows.iter().any(|row| row["transfer"] == transfer && fast(row)),
                "{transfer} in {rows:?}"
            );
        }
    }
    let host = &report["devices"][0]["rows"][0];
    assert!(fast(&host["bare"]) && host["bare"]["name"] == "memcpy");
}

#[test]
fn for_people_at_every_width() {
    for columns in [60, 80, 120] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(["bench", "memory", "--smoke", "--place", "host"]).env("COLUMNS", columns.to_string());
        let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let shown = text(&output.stdout);
        assert!(shown.contains("one thread") && shown.contains("triad") && shown.contains('█'), "{shown}");
        assert!(!shown.contains("disk") && !shown.contains('\u{1b}'), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= columns), "{columns}: {shown}");
        assert!(shown.lines().all(|line| line.trim_end() == line), "{shown}");
    }
}

#[test]
fn a_picture_is_drawn_last_and_nothing_is_lost_when_it_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.svg");
    let output = memory(&["--smoke", "--place", "host", "--svg", &path.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let picture = std::fs::read_to_string(&path).unwrap();
    for part in ["<svg", "</svg>", "triad", "working set", "one thread", "GB/s"] {
        assert!(picture.contains(part), "{part}");
    }
    let nowhere = folder.path().join("no/such/folder/memory.svg").display().to_string();
    let output = memory(&["--smoke", "--place", "host", "--json", "--svg", &nowhere]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!json(&output)["host"].as_array().unwrap().is_empty(), "the figures are out");
    let complaint = text(&output.stderr);
    assert!(complaint.contains("could not be written") && complaint.contains("help:"), "{complaint}");
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").display().to_string();
    for (args, part) in [
        (&["--disk", missing.as_str()][..], "no file can be made in"),
        (&["--place", "remote"], "remote cannot be measured"),
        (&["--place", "cuda:4242"], "cuda:4242 cannot be measured"),
        (&["--place", "gpu:4242"], "gpu:4242 cannot be measured"),
    ] {
        let output = memory(&[&["--smoke"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let complaint = text(&output.stderr);
        assert!(complaint.contains(part) && complaint.contains("help:"), "{complaint}");
    }
    let output = memory(&["--place", "attic"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("places are host"), "{}", text(&output.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_that_takes_no_files_is_refused() {
    let output = memory(&["--smoke", "--place", "disk", "--disk", "/proc"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("no file can be made in /proc"), "{}", text(&output.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fails_half_way_costs_nothing_but_its_own_figures() {
    let folder = tempfile::tempdir().unwrap();
    // No file may grow beyond 1 MiB, which is what a full disk looks like.
    let limited = "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_plimsoll"), "bench", "memory", "--smoke", "--json"]);
    command.args(["--place", "host", "--place", "disk", "--disk"]).arg(folder.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let report = json(&output);
    assert!(report["disk"].is_null() && !report["host"].as_array().unwrap().is_empty());
    let left_out = &report["left_out"][0];
    assert!(left_out["what"] == "disk" && left_out["failed"] == true, "{report}");
    assert!(text(&output.stderr).contains("not everything could be measured"));
    assert_eq!(left_behind(folder.path()), 0);
}
