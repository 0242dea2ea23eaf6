//! What a walk meets, in which order, and what it leaves.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod support;

use plimsoll_docs::source::{Entry, Kind, Walk};
use support::Desk;

fn paths(walk: Walk) -> Vec<String> {
    let found = walk.filter_map(|entry| match entry {
        Entry::Found(found) => found.path.file_name().map(|name| name.to_string_lossy().into_owned()),
        Entry::Left(_) => None,
    });
    found.collect()
}

#[test]
fn files_come_sorted_without_what_is_ignored_or_hidden() {
    let desk = Desk::new();
    for name in ["b.md", "a/z.txt", "a/b.rs", "c.txt", "out/x.txt", ".hidden/y.txt", ".secret", "keep.log"] {
        desk.write(name, b"text");
    }
    desk.write(".gitignore", b"out/\n*.log\n");
    assert_eq!(desk.met(), ["a/b.rs", "a/z.txt", "b.md", "c.txt"]);
    // What is given itself is read whatever it is called.
    let given = [desk.folder.path().join(".secret"), desk.folder.path().join("keep.log")];
    assert_eq!(paths(Walk::over(given)), [".secret", "keep.log"]);
}

#[test]
fn a_path_that_is_given_twice_is_met_once() {
    let desk = Desk::new();
    desk.write("a/x.txt", b"text");
    desk.write("y.txt", b"text");
    let (all, part) = (desk.folder.path().to_owned(), desk.folder.path().join("a"));
    assert_eq!(paths(Walk::over([all.clone(), part.clone(), all])), ["y.txt", "x.txt"]);
    assert_eq!(paths(Walk::over([part.join("x.txt"), part])), ["x.txt"]);
}

#[test]
fn a_kind_that_is_said_holds() {
    let desk = Desk::new();
    let path = desk.write("a.txt", b"# Head");
    let kinds = |kind| match Walk::over([&path]).kind(kind).next() {
        Some(Entry::Found(found)) => found.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kinds(None), Kind::Plain);
    assert_eq!(kinds(Some(Kind::Markdown)), Kind::Markdown);
}

#[cfg(unix)]
#[test]
fn links_are_left_and_lead_into_no_circle() {
    use std::os::unix::fs::symlink;
    let desk = Desk::new();
    desk.write("a/x.txt", b"text");
    symlink(desk.folder.path(), desk.folder.path().join("a/up")).unwrap();
    symlink("/etc/hosts", desk.folder.path().join("a/out.txt")).unwrap();
    assert_eq!(desk.met(), ["a/x.txt"]);
    let link = ": it is a link; give the path that it leads to";
    assert_eq!(desk.left(), [format!("a/out.txt{link}"), format!("a/up{link}")]);
    // A link that was given is followed.
    assert_eq!(paths(Walk::over([desk.folder.path().join("a/up")])), ["x.txt"]);
}

#[test]
fn what_lies_too_deep_is_told() {
    let desk = Desk::new();
    desk.write(&format!("{}x.txt", "d/".repeat(64)), b"text");
    desk.write(&format!("{}near.txt", "d/".repeat(63)), b"text");
    assert_eq!(desk.met().len(), 1);
    let left = desk.left();
    assert!(left.len() == 1 && left[0].contains("more than 64 folders down"), "{left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_utf_8_is_a_name() {
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::new();
    let name = std::ffi::OsStr::from_bytes(b"caf\xE9.md");
    std::fs::write(desk.folder.path().join(name), "# Head\n\nText.").unwrap();
    let mut entries = desk.walk().into_iter();
    let Some(Entry::Found(found)) = entries.next() else { panic!("nothing was found") };
    assert_eq!(found.kind, Kind::Markdown);
    assert_eq!(desk.texts(&found).unwrap(), ["# Head\n\nText."]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_left_and_not_waited_for() {
    let desk = Desk::new();
    let made = std::process::Command::new("mkfifo").arg(desk.folder.path().join("pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no mkfifo");
        return;
    }
    assert_eq!(desk.left(), ["pipe: it is no regular file"]);
}
