//! PDFs: page by page, and what is wrong with them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod paper;
mod support;

use paper::pdf;
use pdf_extract::{Document, EncryptionState, EncryptionVersion, Object, Permissions, StringFormat};
use plimsoll::{Bytes, Engine};
use plimsoll_docs::passage::{Chunking, Passages};
use plimsoll_docs::source::Kind;
use plimsoll_docs::{DocsError, TextError};
use support::Desk;

fn encrypted(password: &str) -> Vec<u8> {
    let mut document = Document::load_mem(&pdf(&["A locked page."])).unwrap();
    let id = Object::String(vec![7; 16], StringFormat::Literal);
    document.trailer.set("ID", Object::Array(vec![id.clone(), id]));
    let version = EncryptionVersion::V2 {
        document: &document,
        owner_password: "owner",
        user_password: password,
        key_length: 128,
        permissions: Permissions::all(),
    };
    let state = EncryptionState::try_from(version).unwrap();
    document.encrypt(&state).unwrap();
    let mut file = Vec::new();
    document.save_to(&mut file).unwrap();
    file
}

fn fault(error: DocsError) -> TextError {
    match error {
        DocsError::Text { source, .. } => source,
        other => panic!("{other}"),
    }
}

#[test]
fn pages_are_told_and_gone_on_from() {
    let desk = Desk::new();
    let text = "One line of it.\nAnother line of it.";
    let long = "A sentence of some words. ".repeat(100);
    let found = desk.found("a.pdf", &pdf(&[text, &long, "", "The last page."]), Kind::Pdf);
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).unwrap();
    let mut all = Vec::new();
    loop {
        let position = passages.position();
        let mut again = Passages::open_at(&found, Chunking::default(), &desk.account(), &position).unwrap();
        let rest = again.next().unwrap().map(|passage| (passage.page, passage.text.to_owned()));
        let Some(passage) = passages.next().unwrap() else {
            assert_eq!(rest, None);
            break;
        };
        assert_eq!(rest, Some((passage.page, passage.text.to_owned())));
        all.push((passage.page.unwrap(), passage.text.to_owned()));
    }
    let pages: Vec<u32> = all.iter().map(|(page, _)| *page).collect();
    assert_eq!(pages, [1, 2, 2, 4]);
    assert_eq!(all[0].1, text);
    assert_eq!(passages.read(), found.bytes.get());
}

#[test]
fn a_damaged_one_is_told() {
    let desk = Desk::new();
    let whole = pdf(&["Some text."]);
    for (name, content) in
        [("cut", &whole[..whole.len() / 2]), ("other", b"%PDF-1.4 nothing"), ("none", b"x")]
    {
        let found = desk.found(name, content, Kind::Pdf);
        let error = fault(desk.texts(&found).unwrap_err());
        assert!(matches!(error, TextError::Damaged(_)), "{name}: {error}");
        assert_eq!(desk.charged(), Bytes::ZERO);
    }
}

#[test]
fn none_ends_the_program() {
    let desk = Desk::new();
    let whole = pdf(&["Some text on a page.", "And on another."]);
    // Each byte of the structure made wrong, in turn: an error, a page that is told, or the text.
    for at in (0..whole.len()).step_by(3) {
        let mut broken = whole.clone();
        broken[at] ^= 0x15;
        let found = desk.found("broken.pdf", &broken, Kind::Pdf);
        match Passages::open(&found, Chunking::default(), &desk.account()) {
            Ok(mut passages) => while let Ok(Some(_)) = passages.next() {},
            Err(error) => assert!(matches!(error, DocsError::Text { .. }), "{error}"),
        }
    }
    assert_eq!(desk.charged(), Bytes::ZERO);
}

#[test]
fn a_locked_one_is_told_and_one_without_a_password_is_read() {
    let desk = Desk::new();
    let locked = desk.found("locked.pdf", &encrypted("secret"), Kind::Pdf);
    assert!(matches!(fault(desk.texts(&locked).unwrap_err()), TextError::Encrypted));
    let open = desk.found("open.pdf", &encrypted(""), Kind::Pdf);
    assert_eq!(desk.texts(&open).unwrap(), ["A locked page."]);
}

#[test]
fn one_without_text_is_told() {
    let desk = Desk::new();
    let found = desk.found("blank.pdf", &pdf(&["", ""]), Kind::Pdf);
    let error = fault(desk.texts(&found).unwrap_err());
    assert!(matches!(error, TextError::NoText { pages: 2 }), "{error}");
}

#[test]
fn one_that_does_not_fit_is_refused() {
    let desk = Desk::new();
    let found = desk.found("a.pdf", &pdf(&[&"words ".repeat(20_000)]), Kind::Pdf);
    let small = Engine::in_memory(Bytes::kib(128), "documents").unwrap();
    let account = small.account("documents").unwrap();
    let error = fault(Passages::open(&found, Chunking::default(), &account).unwrap_err());
    assert!(matches!(error, TextError::PdfRoom { .. }), "{error}");
}
