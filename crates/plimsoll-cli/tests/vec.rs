//! `plimsoll vec …`, as it is typed.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use plimsoll_vec::input::npy_head;
use program::{report as json, run as plimsoll, said, words};

const DIMENSION: usize = 32;

fn vectors(folder: &Path, name: &str, seed: u32, rows: u32) -> PathBuf {
    let dimension = u32::try_from(DIMENSION).unwrap();
    let mut bytes = npy_head("<f4", u64::from(rows), DIMENSION);
    let mut state = seed | 1;
    for _ in 0..rows * dimension {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let number = f32::from(u16::try_from(state >> 16).unwrap()) / 32_768.0 - 1.0;
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn an_index_is_built_searched_added_to_and_deleted_from() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 1, 2000);
    let more = vectors(folder.path(), "more.npy", 2, 300);
    let home = folder.path().join("index");
    let (home, rows, more) = (home.to_str().unwrap(), rows.to_str().unwrap(), more.to_str().unwrap());
    let built = json(&["vec", "build", rows, "--into", home, "--codec", "int8", "--memory", "8MiB"]);
    assert_eq!(built["vectors"], 2000);
    assert!(built["peak_bytes"].as_u64().unwrap() <= 8 << 20);
    json(&["vec", "add", home, more, "--memory", "8MiB"]);
    let info = json(&["vec", "info", home]);
    assert_eq!((info["vectors"].as_u64(), info["codec"].as_str()), (Some(2300), Some("int8")));

    // Every vector is its own nearest, once it is looked at again.
    let found = json(&["vec", "search", home, more, "-k", "3", "--again", "8", "--memory", "8MiB"]);
    let answers = found["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 300);
    for (query, answer) in (0_u64..).zip(answers) {
        assert_eq!(answer[0]["id"].as_u64(), Some(2000 + query));
        assert!(answer[0]["distance"].as_f64().unwrap() < 1e-6);
    }
    let (said, took) = (&found["predicted"], &found["measured"]);
    assert!(took["peak_bytes"].as_u64().unwrap() <= 8 << 20);
    assert_eq!(said["passes"], took["passes"]);

    let gone = json(&["vec", "delete", home, "--ids", "2000,2001,9999"]);
    assert_eq!((gone["given"].as_u64(), gone["deleted"].as_u64()), (Some(3), Some(2)));
    let ids = folder.path().join("ids.npy");
    let ids = ids.to_str().unwrap();
    let text = plimsoll(&["vec", "search", home, more, "-k", "4", "-o", ids]);
    assert!(text.status.success() && String::from_utf8_lossy(&text.stdout).contains("predicted:"));
    let bytes = std::fs::read(ids).unwrap();
    assert_eq!((bytes.len() - 300 * 4 * 8) % 64, 0, "numbers begin at a multiple of 64");
    let first = bytes[bytes.len() - 300 * 4 * 8..][..8].try_into().map(u64::from_le_bytes).unwrap();
    assert_ne!(first, 2000, "what was deleted is not found");

    let dry = json(&["vec", "search", home, more, "--dry-run"]);
    assert!(dry["measured"].is_null() && dry["predicted"]["peak_bytes"].as_u64().unwrap() > 0);
    // Time by a trial, and recall by what such codes gave elsewhere.
    assert!(dry["predicted"]["seconds"].as_f64().unwrap() > 0.0, "{dry}");
    assert_eq!(dry["predicted"]["codec_recall"], serde_json::json!([0.97, 1.0]));
}

#[test]
fn a_device_searches_an_index_within_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let rows = vectors(folder.path(), "rows.npy", 11, 3000);
    let queries = vectors(folder.path(), "queries.npy", 12, 5);
    let (home, rows, queries) = (home.to_str().unwrap(), rows.to_str().unwrap(), queries.to_str().unwrap());
    json(&["vec", "build", rows, "--into", home, "--codec", "f16"]);
    let ids = |found: &serde_json::Value| -> Vec<u64> {
        let answers = found["answers"].as_array().unwrap().iter();
        answers.flat_map(|one| one.as_array().unwrap()).map(|one| one["id"].as_u64().unwrap()).collect()
    };
    let host = json(&["vec", "search", home, queries, "--again", "4"]);
    assert!(host["predicted"]["device"].is_null());
    for (memory, passes) in [("256MiB", 0), ("480KiB", 1)] {
        let found =
            ["vec", "search", home, queries, "--again", "4", "--device", "sim:0", "--device-memory", memory];
        let found = json(&found);
        assert_eq!(ids(&found), ids(&host), "{memory}");
        let (said, took) = (&found["predicted"], &found["measured"]);
        assert_eq!((said["device"].as_str(), said["passes"].as_u64()), (Some("sim:0"), Some(passes)));
        let [said, took] = [said, took].map(|of| of["device_peak_bytes"].as_u64().unwrap());
        let most = if passes == 0 { 256 << 20 } else { 480 << 10 };
        assert!(took > 0 && took <= most && said <= most, "{said} and {took}");
    }
    let text = plimsoll(&["vec", "search", home, queries, "--device", "sim:0"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("all codes on sim:0"));
    let small = said(&["vec", "search", home, queries, "--device", "sim:0", "--device-memory", "64KiB"], 1);
    assert!(small.contains("device's memory"), "{small}");
    assert!(said(&["vec", "search", home, queries, "--device", "host"], 1).contains("is no device"));
    said(&["vec", "search", home, queries, "--device-memory", "1GiB"], 2);
    said(&["vec", "search", home, queries, "--device", "sim:0", "--signs", "3", "--allow-lower"], 2);
}

#[test]
fn a_device_looks_into_as_many_lists_as_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let rows = vectors(folder.path(), "rows.npy", 13, 3000);
    let queries = vectors(folder.path(), "queries.npy", 14, 20);
    let (home, rows, queries) = (home.to_str().unwrap(), rows.to_str().unwrap(), queries.to_str().unwrap());
    json(&["vec", "build", rows, "--into", home, "--codec", "int8", "--lists", "20"]);
    for probe in ["1", "5"] {
        let search = ["vec", "search", home, queries, "--again", "8", "--probe", probe];
        let host = json(&search);
        let there = json(&[&search[..], &["--device", "sim:0"]].concat());
        assert_eq!(there["answers"], host["answers"], "{probe} lists");
        assert_eq!(there["predicted"]["lists"], host["predicted"]["lists"]);
        assert_eq!(there["predicted"]["device"].as_str(), Some("sim:0"));
    }
}

#[test]
fn a_codec_is_chosen_by_what_memory_has_room_for() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 15, 40_000);
    let rows = rows.to_str().unwrap();
    let built = |name: &str, codec: &str, memory: &str| {
        let home = folder.path().join(name);
        let home = home.to_str().unwrap();
        let built = json(&["vec", "build", rows, "--into", home, "--codec", codec, "--memory", memory]);
        let chosen = built["chosen"].clone();
        let info = json(&["vec", "info", home]);
        assert!(chosen.is_null() || info["codec"] == chosen["codec"]);
        let found = json(&["vec", "search", home, rows, "--dry-run", "--memory", memory]);
        (chosen, found["predicted"]["streamed_bytes"].as_u64().unwrap())
    };
    // 5 MB of singles.
    let (chosen, _) = built("roomy", "auto", "64MiB");
    assert_eq!((chosen["codec"].as_str(), chosen["stays"].as_bool()), (Some("f32"), Some(true)));
    assert_eq!(chosen["recall"], serde_json::json!([1.0, 1.0]));
    let (chosen, _) = built("short", "auto", "5MiB");
    assert!(chosen["codec"] != "f32" && chosen["stays"] == true, "{chosen}");
    let (chosen, _) = built("these", "f32,int8", "5MiB");
    assert_eq!((chosen["codec"].as_str(), chosen["recall"][0].as_f64()), (Some("int8"), Some(0.97)));
    assert!(built("one", "f16", "8MiB").0.is_null(), "it was said");
    let lines = folder.path().join("lines.jsonl");
    std::fs::write(&lines, "[1.0, 2.0]\n[3.0, 4.0]\n").unwrap();
    let home = folder.path().join("lines");
    let refused = said(
        &["vec", "build", lines.to_str().unwrap(), "--into", home.to_str().unwrap(), "--codec", "auto"],
        1,
    );
    assert!(refused.contains("not known") && refused.contains("--codec"), "{refused}");
    assert!(!home.exists());
}

#[test]
fn what_cannot_be_done_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 3, 500);
    let home = folder.path().join("index");
    let (home, rows) = (home.to_str().unwrap(), rows.to_str().unwrap());
    assert!(said(&["vec", "search", home, rows], 1).contains("no index"));
    let small = said(&["vec", "build", rows, "--into", home, "--memory", "10KiB"], 1);
    assert!(small.contains("too little"), "{small}");
    assert!(!Path::new(home).exists(), "a build that failed leaves no index");
    said(&["vec", "build", rows, "--into", home, "--codec", "int9"], 2);
    assert!(said(&["vec", "build", rows, "--into", home, "--metric", "hamming"], 1).contains("binary"));
    json(&["vec", "build", rows, "--into", home]);
    assert!(said(&["vec", "build", rows, "--into", home], 1).contains("already"));
    assert!(said(&["vec", "search", home, rows, "-k", "501"], 1).contains("500 vectors"));
    assert!(said(&["vec", "search", home, rows, "-k", "0"], 1).contains("1 to 4096"));
    let cut = folder.path().join("cut.npy");
    let bytes = std::fs::read(rows).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 3]).unwrap();
    assert!(said(&["vec", "add", home, cut.to_str().unwrap()], 1).contains("is cut"));
    // A NaN in the last vector: the whole file is refused.
    let nan = folder.path().join("nan.npy");
    let mut other = bytes.clone();
    let end = other.len() - 4;
    other[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&nan, other).unwrap();
    assert!(said(&["vec", "add", home, nan.to_str().unwrap()], 1).contains("vector 499"));
    let info = json(&["vec", "info", home]);
    assert_eq!(info["vectors"], 500);
    // What is damaged is told, and never an answer.
    let codes = std::fs::read_dir(home).unwrap().flatten().map(|entry| entry.path());
    let codes = codes.into_iter().find(|path| path.extension().is_some_and(|end| end == "codes")).unwrap();
    let mut bytes = std::fs::read(&codes).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&codes, &bytes).unwrap();
    assert!(said(&["vec", "search", home, rows], 1).contains("damaged in unit 0"));
    std::fs::write(&codes, &bytes[..9000]).unwrap();
    assert!(said(&["vec", "search", home, rows], 1).contains("is cut"));
    let manifest = Path::new(home).join("manifest.json");
    std::fs::write(&manifest, "{\"version\": 7}").unwrap();
    assert!(said(&["vec", "search", home, rows], 1).contains("newer plimsoll"));
}

#[test]
fn an_index_in_lists_says_what_it_looks_at() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 8, 5000);
    let home = folder.path().join("index");
    let (home, rows) = (home.to_str().unwrap(), rows.to_str().unwrap());
    let built = json(&["vec", "build", rows, "--into", home, "--codec", "int8", "--lists", "64"]);
    assert_eq!(built["lists"], 64);
    let lists = &json(&["vec", "info", home])["lists"];
    assert_eq!((lists["count"].as_u64(), lists["outside"].as_u64()), (Some(64), Some(0)));
    assert!(lists["expected"].as_array().unwrap().len() > 2);
    let found = json(&["vec", "search", home, rows, "-k", "1", "--probe", "1", "--again", "4"]);
    let ahead = &found["predicted"];
    assert_eq!((ahead["lists"].as_u64(), ahead["of_lists"].as_u64()), (Some(1), Some(64)));
    for (query, answer) in (0_u64..).zip(found["answers"].as_array().unwrap()) {
        assert_eq!(answer[0]["id"].as_u64(), Some(query), "each is in the list where it is looked for");
    }
    let ahead = &json(&["vec", "search", home, rows, "--recall", "0.9", "--dry-run"])["predicted"];
    assert!(ahead["recall"].as_f64().unwrap() >= 0.9 && ahead["lists"].as_u64().unwrap() < 64);
    let all = &json(&["vec", "search", home, rows, "--recall", "1", "--dry-run"])["predicted"];
    assert!(all["lists"].is_null());
    assert!(said(&["vec", "search", home, rows, "--probe", "65"], 1).contains("has 64"));
    assert!(said(&["vec", "search", home, rows, "--recall", "1.5"], 1).contains("0 to 1"));
    let many = folder.path().join("many");
    let many = many.to_str().unwrap();
    assert!(said(&["vec", "build", rows, "--into", many, "--lists", "5001"], 1).contains("5000 vectors"));
    assert!(!Path::new(many).exists(), "a build that failed leaves no index");
    said(&["vec", "build", rows, "--into", many, "--lists", "0"], 2);
}

/// What the planner says of an index is what it takes.
#[test]
fn a_planned_index_is_the_one_that_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 6, 20_000);
    let queries = vectors(folder.path(), "queries.npy", 7, 1);
    let (rows, queries) = (rows.to_str().unwrap(), queries.to_str().unwrap());
    for codec in ["f32", "f16", "bf16", "int8", "int4", "binary", "planes", "pq2", "pq4", "pq8"] {
        let home = folder.path().join(codec);
        let home = home.to_str().unwrap();
        let built = json(&["vec", "build", rows, "--into", home, "--codec", codec]);
        let originals = if codec == "f32" { "none" } else { "disk" };
        // The lower planes come into memory where searches leave room: a plan may say that they do not.
        let lower = if codec == "planes" { ",lower=disk" } else { "" };
        let planned = format!("20000x32:{codec},originals={originals}{lower}");
        let planned = plimsoll_plan::index::Index::parse(&planned).unwrap();
        let parts = planned.phases().resident;
        let sum = |named: &[&str]| -> u64 {
            let parts = parts.iter().filter(|part| named.contains(&part.name.as_str()));
            parts.map(|part| part.bytes.get()).sum()
        };
        let near = |one: u64, other: u64| one.abs_diff(other) * 100 < other;
        // On disk: codes with their checksums, originals.
        let disk = built["disk_bytes"].as_u64().unwrap();
        let said = sum(&["codes", "sign plane", "lower planes", "checksums", "originals"]);
        assert!(near(disk, said), "{codec}: {disk} on disk, {said} planned");
        // In memory: codes that a search keeps, and what is beside them.
        let memory = json(&["vec", "info", home])["memory_bytes"].as_u64().unwrap();
        let kept = json(&["vec", "search", home, queries])["predicted"]["kept_bytes"].as_u64().unwrap();
        let said = sum(&["codes", "sign plane", "checksums", "deleted", "code tables"]);
        assert!(near(memory + kept, said), "{codec}: {} in memory, {said} planned", memory + kept);
    }
}

#[test]
fn a_planned_index_in_lists_is_the_one_that_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 9, 20_000);
    let queries = vectors(folder.path(), "queries.npy", 10, 1);
    let (rows, queries) = (rows.to_str().unwrap(), queries.to_str().unwrap());
    for codec in ["f32", "int8", "int4", "pq4"] {
        let home = folder.path().join(codec);
        let home = home.to_str().unwrap();
        json(&["vec", "build", rows, "--into", home, "--codec", codec, "--lists", "300"]);
        let originals = if codec == "f32" { "none" } else { "disk" };
        let planned = format!("20000x32:{codec},ivf,nlist=300,originals={originals}");
        let parts = plimsoll_plan::index::Index::parse(&planned).unwrap().phases().resident;
        let sum = |named: &[&str]| -> u64 {
            let parts = parts.iter().filter(|part| named.contains(&part.name.as_str()));
            parts.map(|part| part.bytes.get()).sum()
        };
        let near = |one: u64, other: u64| one.abs_diff(other) * 100 < other;
        let info = json(&["vec", "info", home]);
        let disk = info["disk_bytes"].as_u64().unwrap();
        let beside = ["centroids", "list table", "checksums", "codes", "code tables"];
        let said = sum(&beside) + sum(&["originals", "ids by row and by id"]);
        assert!(near(disk, said), "{codec}: {disk} on disk, {said} planned");
        let memory = info["memory_bytes"].as_u64().unwrap();
        let kept = json(&["vec", "search", home, queries])["predicted"]["kept_bytes"].as_u64().unwrap();
        let said = sum(&beside) + sum(&["deleted"]);
        assert!(near(memory + kept, said), "{codec}: {} in memory, {said} planned", memory + kept);
    }
}

/// A disk that takes no more: the limit of a file's size ends writes with an error.
#[test]
fn a_full_disk_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 4, 2000);
    let home = folder.path().join("index");
    let (home, rows) = (home.to_str().unwrap(), rows.to_str().unwrap());
    json(&["vec", "build", rows, "--into", home]);
    let before: Vec<_> = names(home);
    let script =
        format!("trap '' XFSZ; ulimit -f 100; exec {} vec add {home} {rows}", env!("CARGO_BIN_EXE_plimsoll"));
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = words(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("could not be written") && text.contains("as it was before"), "{text}");
    assert_eq!(names(home), before, "nothing half written stays");
    assert_eq!(json(&["vec", "info", home])["vectors"], 2000);
    json(&["vec", "add", home, rows]);
    assert_eq!(json(&["vec", "info", home])["vectors"], 4000);
}

/// Killed at whatever moment, an index has all of a file or nothing of it.
#[test]
fn an_index_outlives_kill_9_while_it_is_built_and_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 5, 20_000);
    let home = folder.path().join("index");
    let (home, rows) = (home.to_str().unwrap(), rows.to_str().unwrap());
    json(&["vec", "build", rows, "--into", home]);
    let mut vectors = 20_000;
    let (mut killed, mut done) = (0, 0);
    for turn in 0_u64..12 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(["vec", "add", home, rows])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(turn * 6));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        let now = json(&["vec", "info", home])["vectors"].as_u64().unwrap();
        assert!(now == vectors || now == vectors + 20_000, "turn {turn}: {now} after {vectors}");
        done += u32::from(now > vectors);
        vectors = now;
    }
    // It can be written after all that, and has no file that nobody names.
    json(&["vec", "delete", home, "--ids", "0"]);
    assert_eq!(json(&["vec", "info", home])["vectors"], vectors - 1);
    let codes = names(home).iter().filter(|name| name.ends_with("codes")).count() as u64;
    assert_eq!(codes, vectors / 20_000, "{killed} killed, {done} done");
}

/// Killed in the middle of dividing vectors into lists, whatever file it had just begun, it leaves no index, an empty one or all
/// of it; and what comes next sweeps the rest.
#[test]
fn an_index_in_lists_outlives_kill_9_at_each_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 7, 60_000);
    // The first of them.
    let few = vectors(folder.path(), "few.npy", 7, 20);
    let (rows, few) = (rows.to_str().unwrap(), few.to_str().unwrap());
    // Vectors that wait do not fit, so they wait in files.
    let memory = ["--memory", "5MiB"];
    for end in [".centroids", ".part", ".lists", ".codes", ".ids", ".lookup"] {
        let home = folder.path().join(&end[1..]);
        let home = home.to_str().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(["vec", "build", rows, "--into", home, "--lists", "64", "--codec", "int8"])
            .args(memory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() && !begun(home, end) {
            std::thread::yield_now();
        }
        let _ = child.kill();
        let whole = child.wait().unwrap().success();
        eprintln!("{end}: {}", if whole { "it was done before" } else { "killed" });
        // Whose manifest was never written is no index: it is made again.
        let info = plimsoll(&["vec", "info", home, "--json"]);
        let there =
            if info.status.success() { json(&["vec", "info", home])["vectors"].as_u64().unwrap() } else { 0 };
        assert!(there == 60_000 || !whole && there == 0, "{end}: {there} after it ended: {whole}");
        if info.status.success() {
            json(&["vec", "add", home, rows, memory[0], memory[1]]);
        } else {
            let _ = std::fs::remove_dir_all(home);
            json(&["vec", "build", rows, "--into", home, "--lists", "64", memory[0], memory[1]]);
        }
        assert_eq!(json(&["vec", "info", home])["vectors"], there + 60_000, "{end}");
        let names = names(home);
        assert!(
            !names.iter().any(|name| Path::new(name).extension().is_some_and(|end| end == "part")),
            "{end}: {names:?}"
        );
        let codes =
            names.iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "codes")).count()
                as u64;
        assert_eq!(codes, there / 60_000 + 1, "{end}: {names:?}");
        let found = json(&["vec", "search", home, few, "-k", "1", "--again", "4"]);
        for (row, answer) in (0..).zip(found["answers"].as_array().unwrap()) {
            assert_eq!(answer[0]["id"].as_u64().map(|id| id % 60_000), Some(row), "{end}: {answer}");
        }
    }
}

/// Whether a folder has a file whose name ends so.
fn begun(home: &str, end: &str) -> bool {
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().ends_with(end))
}

#[test]
fn a_table_is_read_or_the_way_to_a_program_that_can_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (table, home) = (folder.path().join("rows.parquet"), folder.path().join("index"));
    std::fs::write(&table, b"this is no table").unwrap();
    let said = said(&["vec", "build", table.to_str().unwrap(), "--into", home.to_str().unwrap()], 1);
    let expected = if cfg!(feature = "arrow") { "cannot be read as a table" } else { "--features arrow" };
    assert!(said.contains(expected), "{said}");
    assert!(!home.exists());
}

/// Killed at whatever moment while segments are put together, an index answers as before.
#[test]
fn compacting_does_what_it_said_and_outlives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 5, 20_000);
    let queries = vectors(folder.path(), "queries.npy", 6, 3);
    let home = folder.path().join("index");
    let (home, rows, queries) = (home.to_str().unwrap(), rows.to_str().unwrap(), queries.to_str().unwrap());
    json(&["vec", "build", rows, "--into", home, "--codec", "int8"]);
    json(&["vec", "add", home, rows]);
    assert_eq!(json(&["vec", "info", home])["compaction"]["segments"], 2, "two of one size");
    let gone = folder.path().join("gone.txt");
    let ids: Vec<String> = (0..40_000).step_by(3).map(|id: u32| id.to_string()).collect();
    std::fs::write(&gone, ids.join(" ")).unwrap();
    json(&["vec", "delete", home, "--from", gone.to_str().unwrap()]);
    let answers = || json(&["vec", "search", home, queries, "--again", "4"])["answers"].clone();
    let before = answers();
    for turn in 0_u64..8 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(["vec", "compact", home])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(turn * 5));
        let _ = child.kill();
        let _ = child.wait().unwrap();
        assert_eq!(answers(), before, "turn {turn}");
    }
    // A disk that takes no more: files may have 100 KiB here, and the signal that says so is passed over.
    if json(&["vec", "info", home])["dead"] != 0 {
        // Whoever opens it to write sweeps what the killed left.
        json(&["vec", "delete", home, "--ids", "99999"]);
        let there = names(home);
        let full = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" vec compact \"$1\""])
            .args([env!("CARGO_BIN_EXE_plimsoll"), home])
            .output()
            .unwrap();
        let text = words(&full.stderr);
        assert_eq!(full.status.code(), Some(1), "{text}");
        assert!(text.contains("could not be written") && text.contains("as it was before"), "{text}");
        assert_eq!((answers(), names(home)), (before.clone(), there), "nothing is left of it");
    }
    let dry = json(&["vec", "compact", home, "--dry-run"])["predicted"].clone();
    let report = json(&["vec", "compact", home, "--memory", "8MiB"]);
    assert_eq!(dry.is_null(), report["predicted"].is_null(), "done unless a turn was quick enough");
    if !dry.is_null() {
        assert_eq!((&dry["dead"], &dry["into"]), (&13_334.into(), &1.into()));
        let (said, took) = (&report["predicted"], &report["measured"]);
        assert_eq!(took["written_bytes"], said["needs_bytes"]);
        assert_eq!(took["won_bytes"], said["wins_bytes"]);
        assert!(took["peak_bytes"].as_u64() <= said["peak_bytes"].as_u64(), "{report}");
    }
    assert_eq!(answers(), before);
    let info = json(&["vec", "info", home]);
    assert_eq!((&info["dead"], &info["vectors"]), (&0.into(), &26_666.into()));
    assert!(info["compaction"].is_null());
    assert_eq!(names(home).iter().filter(|name| name.ends_with("codes")).count(), 1);
    assert!(words(&plimsoll(&["vec", "compact", home]).stdout).contains("nothing to win"));
}

fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a short bench of 10,000 vectors has measured.
fn benched(more: &[&str]) -> Vec<String> {
    let of = ["vec", "bench", "--quick", "--rows", "10000", "--dimension", "16"];
    let rows = json(&[&of[..], more].concat());
    rows.as_array().unwrap().iter().map(|row| row["work"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_bench_of_some_codecs_measures_those_and_what_is_right() {
    let works = benched(&["--only", "flat", "--codecs", "int8,planes"]);
    let both = ["f32", "int8", "planes"]
        .map(|codec| [", one query", ", batch 100"].map(|how| codec.to_owned() + how));
    assert_eq!(works, both.concat());
}

#[test]
fn a_bench_of_lists_leaves_its_vectors_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let (left, within) = (folder.path().join("left"), folder.path().join("within"));
    std::fs::create_dir(&within).unwrap();
    let [left_in, for_index] = [&left, &within].map(|path| path.to_str().unwrap());
    let works = benched(&["--only", "lists", "--lists", "16", "--within", for_index, "--leave", left_in]);
    let (exact, lists): (Vec<&str>, Vec<&str>) =
        works.iter().map(String::as_str).partition(|work| work.starts_with("f32, "));
    assert_eq!(exact, ["f32, one query", "f32, batch 100"], "what others are compared with");
    assert!(lists.len() > 3 && lists.iter().all(|work| work.starts_with("ivf ")), "{lists:?}");
    for (name, rows) in [("base.npy", 10_000), ("queries.npy", 100)] {
        let head = npy_head("<f4", rows, 16);
        let found = std::fs::read(left.join(name)).unwrap();
        assert!(found.starts_with(&head), "{name}");
        assert_eq!(found.len() as u64, head.len() as u64 + rows * 16 * 4, "{name}");
    }
    assert_eq!(std::fs::read_dir(&within).unwrap().count(), 0, "the index is gone");
}
