//! An engine seen through its socket: who may, what they get, and that nothing they do reaches the engine.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::monitor::attach::{self, AttachError};
use plimsoll::monitor::socket::Publisher;
use plimsoll::monitor::{EventSample, Sample, SourceSample};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn sample(number: u64) -> Arc<Sample> {
    let source = SourceSample { program: "test".to_owned(), pid: std::process::id(), engine: true };
    Arc::new(Sample { schema: Sample::SCHEMA, number, source, ..Sample::default() })
}

/// Waits for what another thread does; a test that waits for ever is stopped by whoever runs it.
fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Listens like an engine, and says what it is told to.
fn says(folder: &Path, text: &'static [u8]) -> std::path::PathBuf {
    let path = folder.join("1.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(text);
        }
    });
    path
}

#[test]
fn who_attaches_gets_the_newest_sample_and_those_that_follow() {
    let folder = folder();
    let publisher = Publisher::open_in(folder.path(), "indexer").unwrap();
    publisher.tell(&sample(1));
    publisher.tell(&sample(2));
    let mut attached = attach::open(publisher.path()).unwrap();
    assert_eq!((attached.program(), attached.pid()), ("indexer", std::process::id()));
    assert_eq!(attached.next().unwrap().unwrap(), *sample(2));
    publisher.tell(&sample(3));
    assert_eq!(attached.next().unwrap().unwrap().number, 3);
    until(|| publisher.watched_by() == 1);
    let path = publisher.path().to_owned();
    drop(publisher);
    let ended = attached.next().unwrap().unwrap_err();
    assert!(matches!(ended, AttachError::Ended { .. }), "{ended}");
    assert_eq!(ended.to_string(), format!("indexer ({}) has ended", std::process::id()));
    assert!(attached.next().is_none());
    assert!(!path.exists());
    assert!(matches!(attach::open(&path), Err(AttachError::NotThere { .. })));
}

#[test]
fn running_engines_are_found_and_dead_ones_are_not() {
    let folder = folder();
    let one = Publisher::open_in(folder.path(), "one").unwrap();
    // A socket whose process is gone: nobody listens to it any more.
    let stale = folder.path().join("999999.sock");
    drop(UnixListener::bind(&stale).unwrap());
    fs::write(folder.path().join("notes.txt"), "").unwrap();
    let names =
        || attach::running_in(folder.path()).into_iter().map(|found| found.program).collect::<Vec<_>>();
    assert_eq!(names(), ["one"]);
    assert!(stale.exists(), "who only looks removes nothing");
    let two = Publisher::open_in(folder.path(), "two").unwrap();
    assert!(!stale.exists());
    assert_ne!(one.path(), two.path(), "one process may show two engines");
    assert!(one.path().exists(), "one that is alive is not cleared away");
    let mut found = names();
    found.sort();
    assert_eq!(found, ["one", "two"]);
    drop((one, two));
    assert!(names().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the notes are left");
}

#[test]
fn a_folder_of_others_is_neither_used_nor_looked_into() {
    let folder = folder();
    let publisher = Publisher::open_in(folder.path(), "one").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = Publisher::open_in(folder.path(), "two").unwrap_err().to_string();
    assert!(refused.contains("can be entered by other users"), "{refused}");
    assert!(attach::running_in(folder.path()).is_empty());
    drop(publisher);
}

#[test]
fn a_client_that_never_reads_is_dropped_and_delays_nobody() {
    let folder = folder();
    let publisher = Publisher::open_in(folder.path(), "busy").unwrap();
    let deaf = UnixStream::connect(publisher.path()).unwrap();
    let mut reader = attach::open(publisher.path()).unwrap();
    until(|| publisher.watched_by() == 2);
    // More than any socket keeps for who does not read.
    let large = |number| {
        let event = EventSample { detail: "x".repeat(8 << 20), ..EventSample::default() };
        Arc::new(Sample { events: vec![event], ..(*sample(number)).clone() })
    };
    for number in 1..=3 {
        publisher.tell(&large(number));
    }
    let mut last = 0;
    while last < 3 {
        last = reader.next().unwrap().unwrap().number;
    }
    until(|| publisher.watched_by() == 1);
    publisher.tell(&sample(4));
    assert_eq!(reader.next().unwrap().unwrap().number, 4);
    drop(deaf);
}

#[test]
fn a_slow_client_gets_the_newest_and_not_a_queue() {
    let folder = folder();
    let publisher = Publisher::open_in(folder.path(), "quick").unwrap();
    let mut reader = attach::open(publisher.path()).unwrap();
    let large = "x".repeat(1 << 20);
    for number in 1..=200 {
        let event = EventSample { detail: large.clone(), ..EventSample::default() };
        publisher.tell(&Arc::new(Sample { events: vec![event], ..(*sample(number)).clone() }));
    }
    publisher.tell(&sample(201));
    let mut seen = Vec::new();
    while seen.last() != Some(&201) {
        seen.push(reader.next().unwrap().unwrap().number);
    }
    assert!(seen.is_sorted() && seen.len() < 100, "{} of 201 samples were kept for it", seen.len());
}

#[test]
fn clients_that_go_free_their_seats_though_no_sample_comes() {
    let folder = folder();
    let publisher = Publisher::open_in(folder.path(), "quiet").unwrap();
    let all: Vec<_> = (0..16).map(|_| attach::open(publisher.path()).unwrap()).collect();
    until(|| publisher.watched_by() == 16);
    let refused = attach::open(publisher.path()).unwrap_err();
    assert!(matches!(refused, AttachError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("16 others"), "{refused}");
    drop(all);
    until(|| publisher.watched_by() == 0);
    assert!(attach::open(publisher.path()).is_ok());
}

#[test]
fn foreign_and_newer_peers_are_refused_in_a_sentence() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "hung up without a word"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "greeting is not understood"),
        (b"{\"jsonrpc\":\"2.0\"}\n", "greets as something else"),
        (b"{\"plimsoll\":\"samples\",\"schema\":1,\"prog", "hung up without a word"),
        (
            b"{\"plimsoll\":\"samples\",\"schema\":7,\"version\":\"3.1.0\",\"program\":\"next\",\"new\":[]}\n",
            "next speaks version 7 of samples and this program version 1: use the `plimsoll` of next's Plimsoll version, 3.1.0",
        ),
        (b"[1,2,3]\n", "not understood"),
    ];
    for (said, expected) in cases {
        let folder = folder();
        let path = says(folder.path(), said);
        let error = attach::open(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_peer_that_talks_nonsense_later_ends_the_reading() {
    let folder = folder();
    let greeting = b"{\"plimsoll\":\"samples\",\"schema\":1,\"program\":\"odd\",\"pid\":5}\n{\"number\":1}\n{\"number\":\"x\"}\n";
    let mut attached = attach::open(&says(folder.path(), greeting)).unwrap();
    assert_eq!(attached.next().unwrap().unwrap().number, 1);
    let error = attached.next().unwrap().unwrap_err();
    assert!(matches!(error, AttachError::Foreign { .. }), "{error}");
    assert!(attached.next().is_none());
}

#[test]
fn what_is_said_is_lines_of_json_for_anybody() {
    let folder = folder();
    let publisher = Publisher::open_in(folder.path(), "plain").unwrap();
    publisher.tell(&sample(9));
    let mut lines = BufReader::new(UnixStream::connect(publisher.path()).unwrap()).lines();
    let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
    let greeting = next();
    assert_eq!((&greeting["plimsoll"], &greeting["schema"]), (&"samples".into(), &1.into()));
    assert_eq!(greeting["program"], "plain");
    assert_eq!(next()["number"], 9);
}

#[test]
fn a_folder_that_goes_away_does_not_hold_up_the_end() {
    let folder = folder();
    let publisher = Publisher::open_in(folder.path(), "homeless").unwrap();
    folder.close().unwrap();
    drop(publisher);
}
