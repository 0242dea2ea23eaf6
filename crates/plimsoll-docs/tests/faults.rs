//! What is wrong with a file is told, and does not end the reading of others.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod support;

use std::fs;

use plimsoll::Bytes;
use plimsoll_docs::passage::{Chunking, Passages};
use plimsoll_docs::source::{Entry, Kind, Walk, Why};
use plimsoll_docs::{DocsError, TextError};
use support::Desk;

#[test]
fn an_empty_file_and_a_binary_one_are_left() {
    let desk = Desk::new();
    desk.write("empty.txt", b"");
    desk.write("binary.txt", b"ab\0cd");
    let mut left = desk.left();
    left.sort();
    assert_eq!(left, ["binary.txt: it is not text; say its kind if it is", "empty.txt: it is empty"]);
}

#[test]
fn a_file_that_is_emptied_after_it_was_met_has_no_passages() {
    let desk = Desk::new();
    let found = desk.found("a.txt", b"text", Kind::Plain);
    fs::write(&found.path, b"").unwrap();
    assert_eq!(desk.texts(&found).unwrap(), Vec::<String>::new());
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_told() {
    let desk = Desk::new();
    let found = desk.found("a.txt", "words and words. ".repeat(1 << 20).as_bytes(), Kind::Plain);
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).unwrap();
    passages.next().unwrap().unwrap();
    fs::File::options().write(true).open(&found.path).unwrap().set_len(1000).unwrap();
    let error = loop {
        match passages.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended as if nothing had happened"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, DocsError::Stream { .. }), "{error}");
    assert!(error.to_string().contains("cut while being read"), "{error}");
}

#[test]
fn a_file_that_is_gone_and_one_that_is_none_are_told() {
    let desk = Desk::new();
    let found = desk.found("a.txt", b"text", Kind::Plain);
    fs::remove_file(&found.path).unwrap();
    assert!(matches!(desk.texts(&found), Err(DocsError::Stream { .. })));
    let mut walk = Walk::over([found.path.clone()]);
    assert!(matches!(walk.next(), Some(Entry::Left(left)) if matches!(left.why, Why::Unreadable(_))));
    fs::create_dir(&found.path).unwrap();
    assert!(matches!(desk.texts(&found), Err(DocsError::Stream { .. })));
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_left() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let path = desk.write("a.txt", b"text");
    desk.write("b.txt", b"text");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    let left = desk.left();
    assert!(left.len() == 1 && left[0].starts_with("a.txt: it cannot be read"), "{left:?}");
}

#[test]
fn bytes_that_are_no_text_are_counted() {
    let desk = Desk::new();
    let found = desk.found("a.txt", b"caf\xE9 and \xC3\x28 end \xE2\x82", Kind::Plain);
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).unwrap();
    let text = passages.next().unwrap().unwrap().text.to_owned();
    assert_eq!(text, "caf\u{FFFD} and \u{FFFD}( end \u{FFFD}");
    assert_eq!(passages.flaws().replaced, 4);
}

#[test]
fn what_cannot_be_held_is_refused() {
    let desk = Desk::of(Bytes::kib(64));
    let found = desk.found("a.txt", "words. ".repeat(1 << 20).as_bytes(), Kind::Plain);
    let error = desk.texts(&found).unwrap_err();
    assert!(error.to_string().contains("no memory for a ring"), "{error}");
    assert_eq!(desk.charged(), Bytes::ZERO);
}

#[test]
fn a_broken_record_is_told_and_passed_over() {
    let desk = Desk::new();
    let long = format!("{{\"text\": \"{}\"}}\n", "x".repeat(5 << 20));
    let lines = [
        "{\"id\": 1, \"text\": \"one\"}\n",
        "{\"id\": 2, \"text\": \n",
        "\n",
        &long,
        "{\"id\": 5, \"n\": 5}\n",
        "{\"id\": \"six\", \"text\": \"six\", \"title\": \"Six\"}",
    ];
    let found = desk.found("a.jsonl", lines.concat().as_bytes(), Kind::Jsonl);
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).unwrap();
    let one = passages.next().unwrap().unwrap();
    assert_eq!((one.text, one.record, one.at), ("one", Some("1"), 0..25));
    let six = passages.next().unwrap().unwrap();
    assert_eq!((six.text, six.record, six.heading), ("six", Some("six"), Some("Six")));
    assert_eq!(six.at.end, found.bytes.get());
    assert!(passages.next().unwrap().is_none());
    let flaws = passages.flaws();
    assert_eq!(flaws.skipped, 3);
    assert_eq!(flaws.told.iter().map(|record| record.line).collect::<Vec<_>>(), [2, 4, 5]);
    assert!(flaws.told[1].why.contains("longer than"));
    assert!(desk.peak() < Bytes::mib(24), "{}", desk.peak());
}

#[test]
fn a_position_beyond_the_end_is_told() {
    let desk = Desk::new();
    let found = desk.found("a.txt", "words and words. ".repeat(500).as_bytes(), Kind::Plain);
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).unwrap();
    passages.next().unwrap();
    let position = passages.position();
    fs::write(&found.path, b"short").unwrap();
    let again = Passages::open_at(&found, Chunking::default(), &desk.account(), &position);
    let error = again.unwrap_err();
    assert!(matches!(error, DocsError::Text { source: TextError::Position { .. }, .. }), "{error}");
}
