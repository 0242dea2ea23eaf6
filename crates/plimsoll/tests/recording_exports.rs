//! Exports hold what their readers look for: Python's pickle, JSON parsers, RMM's columns.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot read what was written fails")]

use std::io::{self, Write};
use std::process::{Command, Stdio};

use plimsoll::record::export::{ExportError, Only, csv, perfetto, pytorch, rmm};
use plimsoll::record::{Event, Facts, Kind, Names, Recording, Source};
use plimsoll::{Bytes, Place};
use serde_json::Value;

#[path = "pickle/mod.rs"]
mod pickle;
mod recordings;

fn snapshot(recording: &Recording) -> Value {
    let mut bytes = Vec::new();
    let exported = pytorch(recording, &Only::default(), &mut bytes).unwrap();
    assert_eq!(exported.bytes, bytes.len() as u64);
    pickle::read(&bytes)
}

/// With a tenth of the events lost, so that healing is seen as well.
fn torn(seed: u64) -> Recording {
    let whole = recordings::synthetic(4_000, seed);
    let mut dice = recordings::Dice::new(seed + 7);
    let kept = whole.events().map(Result::unwrap).filter(|_| dice.below(10) > 0).collect();
    Recording::from_events(whole.facts().clone(), whole.names().clone(), kept)
}

/// What PyTorch's page does with a snapshot: it goes backwards from the segments at the end, and looks for the segment
/// of every block at each step. Returns the most bytes that were allocated at once.
fn walk_back(snapshot: &Value, device: usize) -> u64 {
    let number = |value: &Value, key: &str| value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"));
    let mut segments = std::collections::BTreeMap::new();
    let mut blocks = std::collections::BTreeMap::new();
    for segment in snapshot["segments"].as_array().unwrap() {
        if number(segment, "device") != device as u64 {
            continue;
        }
        let mut at = number(segment, "address");
        let end = at + number(segment, "total_size");
        segments.insert(at, end);
        for block in segment["blocks"].as_array().unwrap() {
            assert_eq!(number(block, "address"), at, "blocks lie side by side");
            if block["state"] != "inactive" {
                blocks.insert(at, (number(block, "size"), number(block, "requested_size")));
            }
            at += number(block, "size");
        }
        assert_eq!(at, end, "blocks fill their segment");
    }
    let trace = snapshot["device_traces"][device].as_array().unwrap();
    let mut most = 0;
    for event in trace.iter().rev() {
        for (address, (size, _)) in &blocks {
            let (_, end) = segments.range(..=*address).next_back().expect("a block has a segment");
            assert!(address + size.min(&1) <= *end, "the block at {address:#x} is within its segment");
        }
        most = most.max(blocks.values().map(|(_, asked)| asked).sum::<u64>());
        let (address, size) = (number(event, "addr"), number(event, "size"));
        match event["action"].as_str().unwrap() {
            "alloc" => assert_eq!(blocks.remove(&address).expect("allocated blocks are there").1, size),
            "free_completed" => assert!(blocks.insert(address, (size, size)).is_none(), "{address:#x} twice"),
            "free_requested" => assert!(blocks.contains_key(&address), "a block is there until it is free"),
            "segment_map" => {
                let (&start, &end) =
                    segments.range(..=address).next_back().expect("what was mapped is there");
                assert!(address + size <= end);
                segments.remove(&start);
                if start < address {
                    segments.insert(start, address);
                }
                if address + size < end {
                    segments.insert(address + size, end);
                }
            }
            "segment_unmap" => {
                let mut end = address + size;
                let mut start = address;
                if let Some(next) = segments.remove(&end) {
                    end = next;
                }
                if let Some((&before, _)) =
                    segments.range(..address).next_back().filter(|(_, e)| **e == address)
                {
                    start = before;
                }
                segments.insert(start, end);
            }
            "oom" => assert!(event["device_free"].is_u64()),
            other => panic!("{other}"),
        }
    }
    most.max(blocks.values().map(|(_, asked)| asked).sum())
}

#[test]
fn a_snapshot_can_be_walked_back_as_pytorchs_page_does() {
    for seed in 0..4 {
        let recording = recordings::synthetic(4_000, seed);
        let snapshot = snapshot(&recording);
        let summary = recording.summary().unwrap();
        for (device, place) in summary.places.iter().enumerate() {
            assert_eq!(walk_back(&snapshot, device), place.requested.bytes, "{}", place.place);
        }
        walk_back(&self::snapshot(&torn(seed)), 1);
    }
}

#[test]
fn a_snapshot_names_where_leases_come_from() {
    let snapshot = snapshot(&recordings::synthetic(3_000, 3));
    let trace = snapshot["device_traces"][1].as_array().unwrap();
    let attention = trace.iter().find(|event| event["frames"][0]["name"] == "attention").unwrap();
    let frames = attention["frames"].as_array().unwrap();
    assert!(frames[0]["filename"].as_str().unwrap().starts_with("src/"));
    assert!(frames[0]["line"].as_u64().unwrap() > 0);
    assert!(frames.iter().any(|frame| frame["filename"] == "scope"));
    assert!(frames.iter().any(|frame| frame["filename"] == "account" && frame["name"] == "train"));
    assert!(trace.iter().all(|event| event["time_us"].as_u64().unwrap() >= 1_790_000_000_123_000));
}

#[test]
fn python_reads_the_snapshot() {
    let found = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        println!("skipped: there is no python3");
        return;
    }
    let recording = recordings::synthetic(20_000, 5);
    let mut bytes = Vec::new();
    pytorch(&recording, &Only::default(), &mut bytes).unwrap();
    let program = "import json, pickle, sys; json.dump(pickle.load(sys.stdin.buffer), sys.stdout)";
    let mut python = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let given = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&given));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs, pickle::read(&bytes), "python and our reader agree");
}

#[test]
fn a_trace_for_perfetto_is_json_and_its_slices_pair() {
    for recording in [recordings::synthetic(4_000, 2), torn(2)] {
        let mut text = Vec::new();
        perfetto(&recording, &Only::default(), &mut text).unwrap();
        let trace: Value = serde_json::from_slice(&text).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let mut open = std::collections::HashSet::new();
        let mut stacks: std::collections::HashMap<u64, Vec<&str>> = std::collections::HashMap::new();
        let (mut leased, mut last) = (0, 0.0);
        for event in events {
            let at = event["ts"].as_f64().unwrap_or(last);
            assert!(at + 0.002 >= last, "time does not go back");
            last = at.max(last);
            let (thread, name) = (event["tid"].as_u64().unwrap_or(0), event["name"].as_str().unwrap());
            match event["ph"].as_str().unwrap() {
                "b" => assert!(open.insert(event["id"].clone()), "an id is open once"),
                "e" => assert!(open.remove(&event["id"]), "a slice that ends has begun"),
                "B" => stacks.entry(thread).or_default().push(name),
                "E" => assert_eq!(stacks.entry(thread).or_default().pop(), Some(name), "scopes nest"),
                "C" if name == "cuda:0 bytes" => {
                    leased = leased.max(event["args"]["leased"].as_u64().unwrap());
                }
                _ => {}
            }
        }
        let cuda = &recording.summary().unwrap().places[1];
        assert_eq!(leased, cuda.requested.bytes, "counters lose no peak");
        assert!(open.len() as u64 >= cuda.end_blocks && cuda.end_blocks > 0, "what never ends stays open");
        assert!(
            events.iter().any(|event| event["name"] == "evict: features" && event["args"]["why"].is_string())
        );
    }
}

#[test]
fn an_event_of_one_moment_keeps_its_peak_in_the_counter() {
    let source = Source { account: "a".into(), place: Place::Host, align: Bytes::new(1) };
    let names = Names { sources: vec![source], ..Names::default() };
    let at = |kind, address, bytes| Event { address, bytes, at_ns: 5, ..Event::new(kind) };
    let events = vec![at(Kind::Lease, 0, 10), at(Kind::Lease, 16, 90), at(Kind::Drop, 16, 90)];
    let mut text = Vec::new();
    perfetto(&Recording::from_events(Facts::default(), names, events), &Only::default(), &mut text).unwrap();
    let trace: Value = serde_json::from_slice(&text).unwrap();
    let counters = trace["traceEvents"].as_array().unwrap().iter();
    let leased: Vec<u64> = counters
        .filter(|event| event["name"] == "host bytes")
        .map(|event| event["args"]["leased"].as_u64().unwrap())
        .collect();
    assert_eq!(leased, [100, 10]);
}

#[test]
fn the_log_of_rmm_has_its_columns() {
    let source = |place| Source { account: "a".into(), place, align: Bytes::new(256) };
    let names = Names { sources: vec![source(Place::Cuda(0)), source(Place::Host)], ..Names::default() };
    let at = |kind, address, bytes, at_ns| Event {
        address,
        bytes,
        at_ns,
        stream: 1,
        thread: 3,
        ..Event::new(kind)
    };
    let events = vec![
        at(Kind::Lease, 0x3_0a00_0000, 256, 0),
        at(Kind::Refuse, 1, 4096, 1_500_000),
        at(Kind::Retire, 0x3_0a00_0000, 256, 12_674_164_000),
        at(Kind::Settle, 0x3_0a00_0000, 256, 13_000_000_000),
        Event { source: 1, ..at(Kind::Lease, 0, 1, 14_000_000_000) },
    ];
    let facts = Facts { started_unix_ms: 1_600_007_479_998, ..Facts::default() };
    let mut text = Vec::new();
    rmm(&Recording::from_events(facts, names, events), &Only::at(Place::Cuda(0)), &mut text).unwrap();
    let expected = "Thread,Time,Action,Pointer,Size,Stream\n\
                    3,14:31:19.998000,allocate,0x30a000000,256,0x2\n\
                    3,14:31:19.999500,allocate failure,(nil),4096,0x2\n\
                    3,14:31:32.672164,free,0x30a000000,256,0x2\n";
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[test]
fn a_full_disk_is_an_error_of_each_writer() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let recording = recordings::synthetic(20_000, 1);
    let only = Only::default();
    let results = [
        pytorch(&recording, &only, Full(150_000)),
        perfetto(&recording, &only, Full(150_000)),
        rmm(&recording, &only, Full(150_000)),
        csv(&recording, &only, Full(150_000)),
    ];
    for result in results {
        let Err(ExportError::Write(error)) = result else { panic!("{result:?}") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
