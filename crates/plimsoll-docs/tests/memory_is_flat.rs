//! What is held does not grow with a document.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod support;

use plimsoll::Bytes;
use plimsoll_docs::passage::{Chunking, Passages};
use plimsoll_docs::source::Kind;
use support::Desk;

/// The most that is charged while a document is read, and how many passages it has.
fn peak(content: &[u8], kind: Kind) -> (Bytes, u64) {
    let desk = Desk::new();
    let found = desk.found("text", content, kind);
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).unwrap();
    let (mut peak, mut count) = (Bytes::ZERO, 0);
    while let Some(passage) = passages.next().unwrap() {
        assert!(passage.text.len() <= 1600);
        count += 1;
        peak = peak.max(desk.charged());
    }
    assert_eq!(passages.read(), content.len() as u64);
    drop(passages);
    assert_eq!(desk.charged(), Bytes::ZERO);
    (peak, count)
}

/// A ring of four chunks, and a window.
const FLAT: Bytes = Bytes::mib(5);

#[test]
fn a_line_of_100_mb_without_a_blank() {
    let (peak, count) = peak(&vec![b'x'; 100_000_000], Kind::Plain);
    assert_eq!(count, 62_500);
    assert!(peak <= FLAT, "{peak}");
}

#[test]
fn kinds_of_16_mib() {
    let item = "<p>Some words &amp; more <b>words</b> stand here. # No heading.\n\n```\ncode\n```\n";
    let text = item.repeat((16 << 20) / item.len());
    for kind in [Kind::Plain, Kind::Markdown, Kind::Code, Kind::Html] {
        let (peak, count) = peak(text.as_bytes(), kind);
        assert!(count > 4000 && peak <= FLAT, "{kind}: {peak}, {count}");
    }
    let line = serde_json::json!({ "id": 1, "text": item }).to_string() + "\n";
    let (peak, count) = peak(line.repeat((16 << 20) / line.len()).as_bytes(), Kind::Jsonl);
    assert!(count > 4000 && peak <= FLAT, "{peak}, {count}");
}

#[test]
fn blanks_and_bytes_that_are_no_text() {
    let mut blanks = vec![b' '; 16 << 20];
    blanks[0] = b'a';
    blanks[16 << 19] = b'b';
    for kind in [Kind::Plain, Kind::Markdown, Kind::Code, Kind::Html] {
        let (peak, count) = peak(&blanks, kind);
        // A page's blanks are one.
        let wanted = if kind == Kind::Html { 1 } else { 2 };
        assert!(count == wanted && peak <= FLAT, "{kind}: {peak}, {count}");
    }
    let (peak, _) = peak(&vec![0xE9; 4 << 20], Kind::Plain);
    assert!(peak <= Bytes::mib(12), "{peak}");
}

#[test]
fn markup_without_text() {
    let page = format!("a<img src=\"{}\"><script>{}</script>b", "x".repeat(8 << 20), "y<".repeat(4 << 20));
    let (peak, count) = peak(page.as_bytes(), Kind::Html);
    assert!(count == 1 && peak <= FLAT, "{peak}, {count}");
}
