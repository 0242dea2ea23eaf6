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
    // Below the weights alone, and just below the least.
    for line in ["1MiB".to_owned(), format!("{}B", bytes(&plan, "floor_bytes"))] {
        let told = refused(&["--out", out, "--line", &line]);
        assert!(told.contains("needs at least") && told.contains("--line"), "{told}");
    }
    let told = refused(&["--out", out, "--targets", "q,nose"]);
    assert!(told.contains("nose"), "{told}");
    let told = refused(&["--out", out, "--rate=-1"]);
    assert!(told.contains("not possible"), "{told}");
    fs::write(folder.path().join("notes.txt"), b"caf\xe9").unwrap();
    let told = refused(&["--out", out]);
    assert!(told.contains("no UTF-8 from byte 3"), "{told}");
}
