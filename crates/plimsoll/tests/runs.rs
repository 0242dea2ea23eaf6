//! A plan's predictions: in its file, in recordings, and beside what was measured when a run is over.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;

use plimsoll::{Bytes, Engine, Place, runs, settings};

const PLAN: &str = r#"
[places.host]
line = "64MiB"
emergency = "0B"

[accounts."chat/kv"]
host = { guaranteed = "8MiB", limit = "32MiB", predicted = "16MiB" }

[accounts."chat/weights"]
host = { limit = "32MiB" }

[plan]
name = "chat"
runs = "below/runs.jsonl"
"#;

fn plan() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.toml");
    std::fs::write(&path, PLAN).unwrap();
    (folder, path)
}

fn work(engine: &Engine) {
    let kv = engine.account("chat/kv").unwrap();
    let _lease = kv.scratch(Place::Host).unwrap().lease(Bytes::mib(12)).unwrap();
}

#[test]
fn a_run_leaves_its_predictions_beside_what_was_measured() {
    let (folder, path) = plan();
    let engine = Engine::open(&path).unwrap();
    work(&engine);
    drop(engine);
    let read = runs::read(&folder.path().join("below/runs.jsonl")).unwrap();
    let [run] = read.runs.as_slice() else { panic!("{read:?}") };
    let [pair] = run.pairs.as_slice() else { panic!("{run:?}") };
    assert_eq!((run.plan.as_str(), pair.account.as_str(), pair.place.as_str()), ("chat", "chat/kv", "host"));
    assert_eq!(pair.predicted_bytes, Bytes::mib(16).get());
    assert!(pair.measured_bytes >= Bytes::mib(12).get(), "{pair:?}");
}

#[test]
fn a_run_that_is_ended_by_hand_is_written_once() {
    let (folder, path) = plan();
    let engine = Engine::open(&path).unwrap();
    work(&engine);
    assert!(engine.end_run().unwrap().is_some());
    assert!(engine.end_run().unwrap().is_none());
    drop(engine);
    assert_eq!(runs::read(&folder.path().join("below/runs.jsonl")).unwrap().runs.len(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_for_who_asks_and_none_for_who_leaves() {
    let (folder, path) = plan();
    std::fs::write(folder.path().join("below"), "a file where a folder should be").unwrap();
    let engine = Engine::open(&path).unwrap();
    assert!(engine.end_run().is_err());
    drop(Engine::open(&path).unwrap());
}

#[test]
fn what_the_plan_predicted_is_in_every_recording() {
    let (_folder, path) = plan();
    let engine = Engine::open(&path).unwrap();
    let recording = engine.record();
    work(&engine);
    let recording = recording.finish();
    let [prediction] = recording.facts().predictions.as_slice() else { panic!("{:?}", recording.facts()) };
    assert_eq!((prediction.place, prediction.bytes), (Place::Host, Bytes::mib(16)));
    assert_eq!(prediction.account.as_deref(), Some("chat/kv"));
}

#[test]
fn a_plan_that_says_nothing_of_runs_keeps_none_and_one_that_says_it_wrongly_is_refused() {
    let (_folder, path) = plan();
    let without = PLAN.split("[plan]").next().unwrap();
    std::fs::write(&path, without).unwrap();
    assert_eq!(settings::load_runs(&path).unwrap(), None);
    for (wrong, word) in [("runs = 7", "plan.runs"), ("runs = \"\"", "plan.runs"), ("rums = \"x\"", "plan.rums")] {
        std::fs::write(&path, format!("{without}\n[plan]\n{wrong}\n")).unwrap();
        let error = Engine::open(&path).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
}
