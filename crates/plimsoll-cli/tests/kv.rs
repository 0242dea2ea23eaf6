//! `plimsoll kv …`, as it is typed.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod program;

use std::path::PathBuf;

use program::{run as plimsoll, words};
use serde_json::Value;

/// Two prompts that take turns, and others between them that never come back.
fn trace(folder: &tempfile::TempDir) -> PathBuf {
    let mut text = String::new();
    for turn in 0_u32..60 {
        let ids = match turn % 3 {
            0 => (0..8).collect::<Vec<u32>>(),
            1 => (100..108).collect(),
            _ => (1_000 + turn * 8..1_008 + turn * 8).collect(),
        };
        let ids = serde_json::to_string(&ids).unwrap();
        let time = turn * 1000;
        let head = format!("{{\"timestamp\": {time}, \"input_length\": 4000, \"output_length\": 1, ");
        text.extend([head, format!("\"hash_ids\": {ids}}}\n")]);
    }
    let path = folder.path().join("trace.jsonl");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_trace_is_replayed_and_told_as_programs_want_it() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, picture) = (trace(&folder), folder.path().join("hits.svg"));
    let (trace, drawn) = (trace.to_str().unwrap(), picture.to_str().unwrap());
    let output = plimsoll(&["kv", "replay", trace, "--capacity", "24", "--svg", drawn, "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let ratio = |policy: &str| {
        let row = rows.iter().find(|row| row["policy"] == policy).unwrap();
        assert_eq!(row["capacity_blocks"], 24);
        assert!(row["hit_tokens"].as_f64().unwrap() <= 1.0);
        row["hit_blocks"].as_f64().unwrap()
    };
    for policy in ["plimsoll", "lru", "lfu", "arc", "s3-fifo"] {
        assert!(ratio(policy) <= ratio("belady") + 1e-9, "{policy} is better than the bound");
    }
    // Both prompts fit beside one that is gone at once: 38 of 60 requests find all of theirs.
    assert!((ratio("belady") - 38.0 / 60.0).abs() < 1e-6, "{}", ratio("belady"));
    assert!(std::fs::read_to_string(picture).unwrap().starts_with("<svg"));
}

#[test]
fn what_is_no_trace_or_no_store_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.jsonl");
    std::fs::write(&text, "{\"x\": 1}\n").unwrap();
    let missing = folder.path().join("missing");
    let cases = [
        (vec!["kv", "replay", text.to_str().unwrap()], 1, "line 1"),
        (vec!["kv", "replay", text.to_str().unwrap(), "--capacity", "0%"], 2, "0%"),
        (vec!["kv", "replay", text.to_str().unwrap(), "--policy", "clock"], 2, "s3-fifo"),
        (vec!["kv", "inspect", missing.to_str().unwrap()], 1, "missing"),
        (vec!["kv", "verify", missing.to_str().unwrap()], 1, "missing"),
        (vec!["kv", "compact", "s3://bucket/kv"], 1, "nothing to compact"),
        #[cfg(not(feature = "remote"))]
        (vec!["kv", "inspect", "s3://bucket/kv"], 1, "--features remote"),
        #[cfg(not(feature = "remote"))]
        (vec!["kv", "verify", "az://container/kv"], 1, "--features remote"),
        (vec!["kv", "gate", text.to_str().unwrap()], 1, "text.jsonl"),
    ];
    for (args, code, says) in cases {
        let output = plimsoll(&args);
        let told = words(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(says), "{args:?}: {told}");
    }
}

#[test]
fn a_cold_store_is_inspected_checked_and_put_together() {
    use plimsoll::Bytes;
    use plimsoll_kv::block::{BlockId, Root};
    use plimsoll_kv::store::folder::{Folder, FolderSettings};
    use plimsoll_kv::store::{Record, Store, Worth};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let root = Root::from_bytes([7; 32]);
    let (store, _) = Folder::open(&FolderSettings::new(path, Bytes::mib(32))).unwrap();
    let bytes = vec![9; 10_000];
    let record = |id| Record {
        id: BlockId::new(id),
        parent: None,
        root: &root,
        tokens: &[1, 2, 3],
        form: 1 << 24,
        worth: Worth::default(),
        sections: &[&[]],
    };
    let sections: [&[u8]; 1] = [&bytes];
    for id in 1..=5 {
        store.put(&[Record { sections: &sections, ..record(id) }]).unwrap();
    }
    store.remove(&[BlockId::new(3)]).unwrap();
    drop(store);
    let facts = plimsoll(&["kv", "inspect", path, "--json"]);
    assert!(facts.status.success(), "{}", String::from_utf8_lossy(&facts.stderr));
    assert!(String::from_utf8_lossy(&plimsoll(&["kv", "verify", path]).stdout).contains('4'));
    assert!(plimsoll(&["kv", "compact", path]).status.success());
    // One byte of a record's bytes is another.
    let segment = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| std::fs::read(path).is_ok_and(|held| held.windows(64).any(|run| run == [9; 64])));
    let segment = segment.unwrap();
    let mut held = std::fs::read(&segment).unwrap();
    let at = held.windows(64).position(|run| run == [9; 64]).unwrap();
    held[at + 40] = 8;
    std::fs::write(&segment, held).unwrap();
    let verified = plimsoll(&["kv", "verify", path]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&verified.stderr).contains("damaged"));
}
