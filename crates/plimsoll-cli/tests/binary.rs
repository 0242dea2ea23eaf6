//! The program as a user meets it: exit codes, pipes, colours, JSON.
#![allow(clippy::unwrap_used, reason = "a test that cannot start its program fails")]

mod program;

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use program::{plimsoll, run, text};
use serde_json::Value;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn workspace(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(path).display().to_string()
}

fn file(name: &str, content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path.display().to_string())
}

#[test]
fn version_and_help_are_data_and_done() {
    for args in [["--version"], ["--help"]] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        assert!(text(&output.stdout).contains("plimsoll"));
    }
    for args in [&["machine", "--help"][..], &["config", "check", "--help"], &["help", "config"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
    let check = text(&run(&["config", "check", "--help"]).stdout);
    assert!(check.contains("Examples:") && check.contains("--assume"), "{check}");
}

#[test]
fn what_is_not_understood_is_two() {
    for args in [
        &[][..],
        &["no-such-command"],
        &["machine", "--no-such-option"],
        &["config"],
        &["config", "check"],
        &["--color", "sometimes", "machine"],
        &["config", "check", "x.toml", "--assume", "host"],
        &["config", "check", "x.toml", "--assume", "attic=8GiB"],
        &["config", "check", "x.toml", "--assume", "host=8"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}: an error is no data");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
    assert!(text(&run(&["config", "check", "x.toml", "--assume", "host=8"]).stderr).contains("has no unit"));
}

#[test]
fn machine_for_programs() {
    let output = run(&["machine", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = json(&output);
    for name in ["version", "os", "cpu", "memory", "pages", "limits", "places", "pressure", "disk"] {
        assert!(report.get(name).is_some(), "{name} is part of the schema");
    }
    if cfg!(any(target_os = "linux", target_os = "macos")) {
        let host = &report["places"][0];
        assert_eq!(host["place"], "host");
        let number = |name: &str| host[name].as_u64().unwrap();
        assert!(number("usable_bytes") <= number("total_bytes"));
        assert!(number("suggested_line_bytes") <= number("usable_bytes"));
        assert!(number("free_bytes") <= number("usable_bytes"));
        assert!(!host["limited_by"].as_str().unwrap().is_empty());
        assert!((0.0..=1.0).contains(&report["pressure"]["used"].as_f64().unwrap()));
    }
}

#[test]
fn machine_for_people_fits_a_screen_and_has_no_colours_in_a_pipe() {
    let output = run(&["machine"]);
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout);
    assert!(!shown.contains('\u{1b}'), "no colours in a pipe");
    assert!(shown.contains("pressure") && shown.contains("limited by"), "{shown}");
    let wide: Vec<_> = shown.lines().filter(|line| line.trim_end() != *line).collect();
    assert!(wide.is_empty(), "blanks at the end of {wide:?}");
    assert!(text(&run(&["machine", "--color", "always"]).stdout).contains('\u{1b}'));
    assert!(!text(&run(&["machine", "--color=never"]).stdout).contains('\u{1b}'));
    let plain = plimsoll(&["machine"]).env("LC_ALL", "C").output().unwrap();
    assert!(!text(&plain.stdout).contains('█'));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for args in [&["machine"][..], &["machine", "--json"], &["--help"]] {
        let mut child = plimsoll(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut complaint = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{args:?}: {complaint}");
        assert!(complaint.is_empty(), "{args:?}: {complaint}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure_with_a_reason() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = plimsoll(&["machine"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("could not be written"));
}

#[test]
fn a_good_configuration_is_shown() {
    let toml = "[places.host]\nline = \"50%\"\n[accounts.kv]\nhost = { guaranteed = \"50%\" }\n";
    let (_folder, path) = file("plan.toml", toml);
    let output = run(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("adds up") && shown.contains("kv") && shown.contains("not promised"), "{shown}");
    let report = json(&run(&["config", "check", &path, "--json"]));
    assert_eq!(report["ok"], true);
    assert_eq!(report["places"][0]["accounts"][0]["account"], "kv");
}

#[test]
fn the_shipped_profiles_fit_the_machine_that_they_are_for() {
    for name in ["examples/production-128g.toml", "examples/development-128g.toml"] {
        let path = workspace(name);
        let assume = ["--assume", "host=128GiB", "--assume", "gpu:0=96GiB", "--assume", "disk=1TB"];
        let output = run(&[&["config", "check", &path][..], &assume].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).lines().all(|line| line.chars().count() <= 80 || line.contains(name)));
    }
}

#[test]
fn a_profile_that_promises_too_much_is_refused_with_the_arithmetic() {
    let path = workspace("crates/plimsoll/tests/fixtures/published-123-of-120.toml");
    let output = run(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let shown = text(&output.stderr);
    for part in
        ["the guarantees do not fit", "45.00 GB  models", "3.00 GB  too much", "help:", "line = \"120GB\""]
    {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    let refused = run(&["config", "check", &path, "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let report = json(&refused);
    assert_eq!(report["ok"], false);
    assert_eq!(report["line"], 3);
    assert_eq!(report["sum"]["excess_bytes"], 3_000_000_000_u64);
}

#[test]
fn a_mistake_names_the_file_the_line_and_the_next_step() {
    let (_folder, path) = file("plan.yaml", "places:\n  host:\n    line: 8\n");
    let output = run(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stderr);
    for part in ["plan.yaml:3:11", "has no unit", "line: 8", "help:"] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    let missing = run(&["config", "check", "/no/such/plan.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    let shown = text(&missing.stderr);
    assert!(
        shown.contains("/no/such/plan.toml: cannot be read") && shown.contains("help: check the path"),
        "{shown}"
    );
}

#[test]
fn a_line_above_the_machine_is_refused() {
    let (_folder, path) = file("plan.toml", "[places.host]\nline = \"900TiB\"\n");
    let output = run(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--assume host=SIZE"));
    let assumed = run(&["config", "check", &path, "--assume", "host=1000TiB"]);
    assert_eq!(assumed.status.code(), Some(0));
}
