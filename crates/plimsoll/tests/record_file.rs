//! Recordings in files: what is written is what is read, also by half, and what is something else says so.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::path::Path;

use plimsoll::record::{Event, Facts, Kind, Names, RecordSettings, Recording, RecordingError, scope};
use plimsoll::{Bytes, Engine, Place};

fn all(recording: &Recording) -> Vec<Event> {
    recording.events().map(Result::unwrap).collect()
}

fn work(engine: &Engine, rounds: u64) {
    std::thread::scope(|threads| {
        for thread in 0..2 {
            let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
            threads.spawn(move || {
                let _scope = scope("step");
                let mut kept = Vec::new();
                for round in 0..rounds {
                    kept.push(pool.lease(Bytes::new(4096 + (round + thread) % 5 * 256)).unwrap());
                    if kept.len() > 10 {
                        drop(kept.swap_remove(3));
                    }
                }
            });
        }
    });
}

fn engine() -> Engine {
    Engine::in_memory(Bytes::mib(256), "work").unwrap()
}

fn recorded(rounds: u64) -> Recording {
    let engine = engine();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let _weights = pool.lease(Bytes::mib(2)).unwrap();
    let settings =
        RecordSettings::default().program("a test").predict(Place::Host, Some("work"), Bytes::mib(3));
    let recording = engine.record_with(settings);
    work(&engine, rounds);
    recording.finish()
}

#[test]
fn what_is_saved_is_what_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let recording = recorded(3_000);
    let path = folder.path().join("a.rec");
    recording.save(&path).unwrap();
    let opened = Recording::open(&path).unwrap();
    assert_eq!(opened.facts(), recording.facts());
    assert_eq!(opened.names(), recording.names());
    assert_eq!(all(&opened), all(&recording));
    assert_eq!(all(&opened), all(&opened), "it can be read again");
    assert!(opened.facts().predictions.len() == 1 && opened.facts().program == "a test");
    // And once more, from the file.
    let again = folder.path().join("b.rec");
    opened.save(&again).unwrap();
    assert_eq!(std::fs::read(&again).unwrap().len(), std::fs::read(&path).unwrap().len());
    assert_eq!(all(&Recording::open(&again).unwrap()), all(&recording));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing half-written is left");
}

#[test]
fn events_of_others_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let event = |at_ns, thread| Event { at_ns, thread, ..Event::new(Kind::Mark) };
    let events = vec![event(5, 3), event(5, 1), event(5, 2), event(9, 1)];
    let recording = Recording::from_events(Facts::default(), Names::default(), events.clone());
    let path = folder.path().join("a.rec");
    recording.save(&path).unwrap();
    assert_eq!(all(&Recording::open(&path).unwrap()), events);
}

#[test]
fn a_recording_can_go_to_a_file_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    let engine = engine();
    // Less room in memory than there are events: what is written makes room.
    let settings = RecordSettings::default().limit(Bytes::mib(8));
    let recording = engine.record_to(&path, settings).unwrap();
    for _ in 0..10 {
        work(&engine, 2_000);
        std::thread::sleep(std::time::Duration::from_millis(40));
    }
    let recording = recording.finish().unwrap();
    let count = |kind| all(&recording).iter().filter(|event| event.kind == kind).count();
    assert_eq!((count(Kind::Lease), count(Kind::Drop)), (40_000, 40_000), "{:?}", recording.facts());
    assert_eq!((recording.facts().dropped, recording.facts().cut), (0, false));
    assert_eq!(recording.names().threads.len(), 20);
    assert_eq!(engine.recorder().stats().recordings, 0);
}

#[test]
fn a_recording_whose_program_died_is_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    let engine = engine();
    let recording = engine.record_to(&path, RecordSettings::default()).unwrap();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let has_names = || {
        Recording::open(&path).is_ok_and(|found| {
            found.events().any(|e| e.unwrap().kind == Kind::Lease) && !found.names().sources.is_empty()
        })
    };
    let mut waited = 0;
    while !has_names() {
        (0..10_000).for_each(|_| drop(pool.lease(Bytes::kib(4)).unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(20));
        waited += 1;
        assert!(waited < 1_000, "names are written now and then");
    }
    // As if the process had ended here.
    let cut = Recording::open(&path).unwrap();
    assert!(cut.facts().cut && cut.facts().events > 0);
    assert_eq!(
        cut.names().source(all(&cut).iter().find(|e| e.kind == Kind::Lease).unwrap().source).unwrap().account,
        "work"
    );
    drop(recording);
    assert!(Recording::open(&path).unwrap().facts().cut, "one that was not finished has no end");
}

#[test]
fn wherever_a_file_is_cut_it_opens_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    recorded(400).save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let whole = all(&Recording::open(&path).unwrap()).len();
    let part = folder.path().join("part.rec");
    for len in (0..bytes.len()).step_by(97).chain([15, 16, 17, bytes.len() - 1]) {
        std::fs::write(&part, &bytes[..len]).unwrap();
        match Recording::open(&part) {
            Ok(cut) => {
                assert!(cut.facts().cut, "{len}");
                assert!(all(&cut).len() <= whole);
            }
            Err(RecordingError::Foreign { .. }) if len < 16 => {}
            Err(error) => panic!("{len}: {error}"),
        }
    }
}

#[test]
fn a_byte_that_changed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    recorded(400).save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let bad = folder.path().join("bad.rec");
    let reads = |path: &Path| -> Result<usize, RecordingError> {
        let recording = Recording::open(path)?;
        let mut events = 0;
        for event in recording.events() {
            event?;
            events += 1;
        }
        if recording.facts().cut { Ok(0) } else { Ok(events) }
    };
    let whole = reads(&path).unwrap();
    let mut found = 0;
    for at in (0..bytes.len()).step_by(331) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        std::fs::write(&bad, &changed).unwrap();
        // A header's reserved words may change nothing; events must never come out differently unseen.
        match reads(&bad) {
            Err(_) => found += 1,
            Ok(events) => assert!(events == whole || events == 0, "byte {at}"),
        }
    }
    assert!(found > bytes.len() / 331 * 9 / 10, "{found}");
}

#[test]
fn other_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    let says = |bytes: &[u8], expected: &str| {
        std::fs::write(&path, bytes).unwrap();
        let error = Recording::open(&path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("a.rec"), "{error}");
    };
    says(b"", "empty");
    says(b"device,seq,action,addr,size,stream\n", "plimsoll pool replay");
    says(&[0x1f, 0x8b, 8, 0], "gzipped");
    says(b"{\"traceEvents\": []}", "JSON");
    says(b"\x80\x02}q\x00(X\x08\x00\x00\x00segments", "pickle");
    says(b"nothing of the kind at all", "something else");
    says(b"PLIMSOLL-REC\x07\r\n\0", "version 7");
    let missing = Recording::open(&folder.path().join("none.rec")).unwrap_err().to_string();
    assert!(missing.contains("none.rec") && missing.contains("No such file"), "{missing}");
}

#[test]
fn a_folder_that_is_not_there_is_refused_at_the_beginning() {
    let engine = engine();
    let error = engine.record_to(Path::new("/nowhere/at/all.rec"), RecordSettings::default()).unwrap_err();
    assert!(matches!(error, RecordingError::File { .. }));
    assert_eq!(engine.recorder().stats().recordings, 0);
}
