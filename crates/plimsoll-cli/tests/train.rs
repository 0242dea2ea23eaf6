//! `plimsoll train lora`: below its line, gone on from after a kill, and refused with the reason.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

fn train(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    let data = folder.join("notes.txt");
    if !data.exists() {
        let words = (0..300).map(|word| format!("The {word}th lease returns its bytes when it is dropped. "));
        fs::write(&data, words.collect::<Vec<_>>().concat()).unwrap();
    }
    command.args([
        "train",
        "lora",
        "--json",
        "--model",
        MODEL,
        "--rank",
        "2",
        "--sequence",
        "32",
        "--batch",
        "2",
    ]);
    command.arg("--data").arg(data).args(more).stdin(Stdio::null());
    command
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn bytes(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap()
}

#[test]
fn a_lower_line_is_met_and_learns_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let plan = json(&train(folder.path(), &["--plan-only"]).output().unwrap());
    let (floor, full) = (bytes(&plan, "floor_bytes"), bytes(&plan, "full_peak_bytes"));
    assert!(floor < full && plan["steps"].as_array().unwrap().is_empty());
    // What the pool has beside tensors, and texts, take their part of a line too.
    let low = floor + (full - floor) / 2 + (8 << 20);
    let mut losses = Vec::new();
    for (name, line) in [("free", "1GiB".to_owned()), ("low", format!("{low}B"))] {
        let out = folder.path().join(name);
        let svg = folder.path().join(format!("{name}.svg"));
        let more =
            ["--steps", "4", "--line", &line, "--out", out.to_str().unwrap(), "--svg", svg.to_str().unwrap()];
        let report = json(&train(folder.path(), &more).output().unwrap());
        assert_eq!(bytes(&report, "predicted_peak_bytes"), bytes(&report, "measured_peak_bytes"));
        assert!(bytes(&report, "charged_peak_bytes") <= bytes(&report, "line_bytes"));
        assert_eq!(report["as_planned"], true);
        assert!(fs::read_to_string(&svg).unwrap().contains("<svg"));
        assert!(out.join("step-00000004/adapter_model.safetensors").exists());
        let config: Value =
            serde_json::from_str(&fs::read_to_string(out.join("step-00000004/adapter_config.json")).unwrap())
                .unwrap();
        assert_eq!((config["r"].as_u64(), config["peft_type"].as_str()), (Some(2), Some("LORA")));
        losses.push(report["steps"].clone());
    }
    assert_eq!(losses[0], losses[1]);
}

#[test]
fn killed_it_goes_on_from_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let more = ["--steps", "100000", "--save-every", "1", "--out", out.to_str().unwrap()];
    let mut child = train(folder.path(), &more).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Once something was kept it is killed, wherever it is.
    while !fs::read_dir(&out).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(|name| name == "step-00000002"))
    }) {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept: Vec<u32> = fs::read_dir(&out)
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok())
        .collect();
    let last = kept.into_iter().max().unwrap();
    let steps = (last + 1).to_string();
    let more = ["--steps", &steps, "--out", out.to_str().unwrap()];
    // How many steps there are is not part of what a training is: it may be told to end elsewhere.
    let report = json(&train(folder.path(), &more).output().unwrap());
    assert_eq!(report["resumed_from"].as_u64(), Some(last.into()));
    assert_eq!(report["steps"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let refused = |more: &[&str]| {
        let output = train(folder.path(), more).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).replace(['\n', '│'], " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let plan = json(&train(folder.path(), &["--plan-only"]).output().unwrap());
    // Below the weights alone, and just below the least: what is said then is the line that the plan says, and that is taken.
    let lowest = bytes(&plan, "lowest_line_bytes");
    let said = format!("needs at least {}", plimsoll::Bytes::new(lowest));
    for line in [1 << 20, bytes(&plan, "floor_bytes"), lowest - 1] {
        let told = refused(&["--out", out, "--line", &format!("{line}B")]);
        assert!(told.contains(&said) && told.contains("--line"), "{told}");
    }
    let more = ["--steps", "1", "--line", &format!("{lowest}B"), "--out", &format!("{out}-lowest")];
    let report = json(&train(folder.path(), &more).output().unwrap());
    assert!(bytes(&report, "charged_peak_bytes") <= lowest, "{report}");
    assert_eq!(bytes(&report, "lowest_line_bytes"), lowest);
    let told = refused(&["--out", out, "--targets", "q,nose"]);
    assert!(told.contains("nose"), "{told}");
    let told = refused(&["--out", out, "--rate=-1"]);
    assert!(told.contains("not possible"), "{told}");
    fs::write(folder.path().join("notes.txt"), b"caf\xe9").unwrap();
    let told = refused(&["--out", out]);
    assert!(told.contains("no UTF-8 from byte 3"), "{told}");
}

#[test]
fn states_of_eight_bits_and_halves_are_asked_for_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (name, more) in [
        ("singles", &[][..]),
        ("bytes", &["--states", "8bit"]),
        ("halves", &["--numbers", "f16", "--states", "8bit"]),
    ] {
        let out = folder.path().join(name);
        let all = [&["--steps", "6", "--out", out.to_str().unwrap()], more].concat();
        let report = json(&train(folder.path(), &all).output().unwrap());
        assert_eq!(report["predicted_peak_bytes"], report["measured_peak_bytes"], "{name}");
        assert_eq!(report["as_planned"], true, "{name}");
        let last = report["steps"][5]["loss"].as_f64().unwrap();
        found.push((bytes(&report, "predicted_peak_bytes"), last, report["after"].as_f64().unwrap()));
    }
    assert!(found[1].0 < found[0].0 && found[2].0 < found[1].0, "{found:?}");
    for (_, last, after) in &found[1..] {
        assert!(
            (last / found[0].1 - 1.0).abs() < 0.02 && (after / found[0].2 - 1.0).abs() < 0.02,
            "{found:?}"
        );
    }
    // What was learned with states of one kind does not go on with another.
    let out = folder.path().join("bytes");
    let other = train(folder.path(), &["--steps", "8", "--out", out.to_str().unwrap()]).output().unwrap();
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("other settings"));
}

#[test]
fn places_that_cannot_learn_together_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (places, told) in [("host,cuda:0", "host works alone"), ("cuda:0,cuda:0", "named twice")] {
        let refused = train(folder.path(), &["--devices", places, "--plan-only"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let text = String::from_utf8_lossy(&refused.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(told), "{text}");
    }
}
