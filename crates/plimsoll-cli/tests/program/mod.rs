//! The built program, started as a user would.

#![allow(dead_code, reason = "each user takes its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot start its program fails")]

use std::process::{Command, Output};

/// With Unicode, and colours as the program itself decides.
pub fn plimsoll(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(args).env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8");
    command
}

pub fn run(args: &[&str]) -> Output {
    plimsoll(args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What was said, without the lines and the frame that it was laid out in.
pub fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "│").collect();
    words.join(" ")
}

/// What a command that succeeds reports.
pub fn report(args: &[&str]) -> serde_json::Value {
    let output = run(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a command says that ends with this code.
pub fn said(args: &[&str], code: i32) -> String {
    let output = run(args);
    let text = words(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    text
}
