//! `plimsoll recording …` and `plimsoll report` as a user meets them: files in, numbers, exports and pages out.
#![allow(clippy::unwrap_used, reason = "a test that cannot start its program fails")]

mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use plimsoll::record::Recording;
use plimsoll::replay::Trace;
use program::text;
use serde_json::Value;

#[path = "../../plimsoll/tests/recordings/mod.rs"]
mod recordings;

struct Saved {
    folder: tempfile::TempDir,
    path: PathBuf,
    recording: Recording,
}

fn saved(events: usize) -> Saved {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.plimsoll");
    let recording = recordings::synthetic(events, 3);
    recording.save(&path).unwrap();
    Saved { folder, path, recording }
}

fn plimsoll(args: &[&str], file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    let args = args.iter().map(|arg| if *arg == "FILE" { file.as_os_str() } else { arg.as_ref() });
    command.args(args).env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8").env("COLUMNS", "80");
    command.output().unwrap()
}

#[test]
fn show_is_for_people_and_for_programs() {
    let saved = saved(6_000);
    let output = plimsoll(&["recording", "show", "FILE"], &saved.path);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for word in [
        "finetune --model llama-1b",
        "cuda:0",
        "charged",
        "attention",
        "predicted",
        "the governor asked",
        "forward",
    ] {
        assert!(shown.contains(word), "{word} in\n{shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let output = plimsoll(&["recording", "show", "FILE", "--json"], &saved.path);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let summary = saved.recording.summary().unwrap();
    for (place, summary) in json["places"].as_array().unwrap().iter().zip(&summary.places) {
        assert_eq!(place["place"], summary.place.to_string());
        assert_eq!(place["peak_requested"]["bytes"], summary.requested.bytes);
        assert_eq!(place["peak_charged"]["bytes"], summary.charged.unwrap().bytes);
        let labels = place["peak_by_label"].as_array().unwrap();
        let sum: u64 = labels.iter().map(|share| share["bytes"].as_u64().unwrap()).sum();
        assert_eq!(sum, summary.requested.bytes, "labels add up to the peak");
    }
    assert_eq!(json["odd"], Value::Null);
}

#[test]
fn every_format_comes_out_on_stdout_or_in_a_file() {
    let saved = saved(3_000);
    for (format, begins) in [
        ("csv", &b"device,seq,action"[..]),
        ("rmm", b"Thread,Time,Action,Pointer,Size,Stream\n"),
        ("perfetto", b"{\"displayTimeUnit\""),
        ("pytorch", b"\x80\x04}("),
    ] {
        let piped = plimsoll(&["recording", "export", "FILE", "--as", format], &saved.path);
        assert_eq!(piped.status.code(), Some(0), "{}", text(&piped.stderr));
        assert!(piped.stdout.starts_with(begins), "{format}");
        let out = saved.folder.path().join(format);
        let args = ["recording", "export", "FILE", "--as", format, "-o", out.to_str().unwrap()];
        let written = plimsoll(&args, &saved.path);
        assert!(written.status.success() && written.stdout.is_empty());
        assert_eq!(std::fs::read(&out).unwrap(), piped.stdout, "{format}");
    }
    let csv = plimsoll(&["recording", "export", "FILE", "--as", "csv", "--place", "cuda:0"], &saved.path);
    let peak = Trace::read(csv.stdout.as_slice()).unwrap().facts.peak_live_bytes;
    assert_eq!(peak, saved.recording.summary().unwrap().places[1].requested.bytes);
}

#[test]
fn the_report_is_one_page_beside_its_recording() {
    let saved = saved(3_000);
    let output = plimsoll(&["report", "FILE"], &saved.path);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page = saved.path.with_extension("html");
    assert_eq!(text(&output.stdout).trim(), page.display().to_string());
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>"));
    for outside in ["http:", "https:", "//cdn", "src=", "url(", "@import"] {
        assert!(!html.contains(outside), "the page loads nothing: {outside}");
    }
    let other = saved.folder.path().join("other.html");
    let output = plimsoll(&["report", "FILE", "-o", other.to_str().unwrap(), "--json"], &saved.path);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["bytes"], std::fs::metadata(&other).unwrap().len());
    assert_eq!(json["cut"], false);
}

#[test]
fn the_page_does_not_grow_with_the_events() {
    let size = |events| plimsoll_cli::report::render(&recordings::synthetic(events, 5)).unwrap().len();
    let (few, many) = (size(30_000), size(300_000));
    assert!(
        many < 1_500_000 && many < few + few / 2,
        "{few} bytes for few events, {many} for ten times as many"
    );
}

#[test]
fn files_that_are_none_or_cut_are_told_of() {
    let saved = saved(5_000);
    let folder = saved.folder.path();
    let foreign = folder.join("notes.plimsoll");
    std::fs::write(&foreign, "these are notes and no recording").unwrap();
    for file in [&foreign, &folder.join("not-there.plimsoll")] {
        for args in [
            &["recording", "show", "FILE"][..],
            &["recording", "export", "FILE", "--as", "csv"],
            &["report", "FILE"],
        ] {
            let output = plimsoll(args, file);
            assert_eq!(output.status.code(), Some(1), "{args:?}");
            assert!(output.stdout.is_empty(), "an error is no data");
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(
                text(&output.stderr).replace(['\n', ' ', '│'], "").contains(name),
                "{}",
                text(&output.stderr)
            );
        }
        assert!(!file.with_extension("html").exists(), "no page of nothing");
    }
    let bytes = std::fs::read(&saved.path).unwrap();
    let cut = folder.join("cut.plimsoll");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let opened = Recording::open(&cut);
    let output = plimsoll(&["recording", "show", "FILE"], &cut);
    match opened {
        Ok(opened) => {
            assert!(opened.facts().cut);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            assert!(text(&output.stdout).contains("the file was cut"), "{}", text(&output.stdout));
            let page = plimsoll(&["report", "FILE"], &cut);
            assert!(page.status.success());
            let html = std::fs::read_to_string(cut.with_extension("html")).unwrap();
            assert!(html.contains("The file was cut."));
        }
        Err(_) => assert_eq!(output.status.code(), Some(1)),
    }
}

#[test]
fn a_recording_is_not_written_over_by_what_is_made_of_it() {
    let saved = saved(1_000);
    let before = std::fs::read(&saved.path).unwrap();
    let path = saved.path.to_str().unwrap();
    for args in
        [&["recording", "export", "FILE", "--as", "csv", "-o", path][..], &["report", "FILE", "-o", path]]
    {
        let output = plimsoll(args, &saved.path);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(text(&output.stderr).contains("-o"), "{}", text(&output.stderr));
        assert_eq!(std::fs::read(&saved.path).unwrap(), before);
    }
}

/// On Linux, where `script` gives a program a terminal.
#[test]
fn a_terminal_is_not_shown_what_is_no_text() {
    let saved = saved(500);
    let on_a_terminal = |format: &str| {
        let program = env!("CARGO_BIN_EXE_plimsoll");
        let typed = format!("'{program}' recording export '{}' --as {format}", saved.path.display());
        Command::new("script").args(["-qec", &typed, "/dev/null"]).stdin(std::process::Stdio::null()).output()
    };
    let (Ok(snapshot), true) = (on_a_terminal("pytorch"), cfg!(target_os = "linux")) else {
        println!("skipped: there is no `script` to give a program a terminal");
        return;
    };
    let shown = String::from_utf8_lossy(&snapshot.stdout).into_owned();
    assert_eq!(snapshot.status.code(), Some(1), "{shown}");
    assert!(shown.contains("is no text") && shown.contains("-o FILE"), "{shown}");
    let csv = on_a_terminal("csv").unwrap();
    assert_eq!(csv.status.code(), Some(0), "text may be shown");
}

#[test]
fn what_cannot_be_exported_is_refused_with_what_there_is() {
    let saved = saved(2_000);
    let args = ["recording", "export", "FILE", "--as", "csv", "--account", "nobody"];
    let output = plimsoll(&args, &saved.path);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nobody") && text(&output.stderr).contains("features"));
    for args in [
        &["recording"][..],
        &["recording", "export", "FILE"],
        &["recording", "export", "FILE", "--as", "xls"],
    ] {
        assert_eq!(plimsoll(args, &saved.path).status.code(), Some(2), "{args:?}");
    }
}
