//! What a session says of its future decides what a small cache keeps.

#![allow(clippy::expect_used, reason = "a test that cannot ask has failed")]

mod common;

use std::net::SocketAddr;

use common::{send, settings, start};
use plimsoll::Bytes;
use serde_json::{Value, json};

/// Tokens of a session's prompt.
const PROMPT: usize = 640;

/// A turn of a session: how many of its prompt's tokens the cache had.
fn turn(at: SocketAddr, session: usize, header: &str, more: &Value) -> u64 {
    // Another session, other tokens from the first on.
    let tokens: Vec<usize> = (0..PROMPT).map(|index| 300 + (session * 977 + index * 13) % 1500).collect();
    let mut ask = json!({"prompt": tokens, "max_tokens": 1, "temperature": 0});
    for (name, value) in more.as_object().into_iter().flatten() {
        ask[name] = value.clone();
    }
    let head = format!("POST /v1/completions HTTP/1.1{header}");
    let answer = send(at, &head, ask.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a count")
}

/// Two sessions, one that comes back and one that is done, and then as many others as push one of them out of the cache: what is found
/// of each afterwards.
fn kept(stays: usize, done: usize) -> (u64, u64) {
    let mut settings = settings();
    // Room for six sessions.
    settings.kv = Some(Bytes::mib(16));
    let running = start(settings);
    let at = running.address();
    let (named, header) = (json!({"prompt_cache_key": "stays"}), "\r\nX-Plimsoll-Cache: done");
    for session in 0..2 {
        let (more, header) = if session == stays { (&named, "") } else { (&Value::Null, header) };
        assert_eq!(turn(at, session, header, more), 0);
    }
    for session in 2..8 {
        assert_eq!(turn(at, session, "", &Value::Null), 0);
    }
    (turn(at, stays, "", &named), turn(at, done, header, &Value::Null))
}

#[test]
fn of_two_sessions_that_do_not_both_fit_the_one_that_is_done_goes_first() {
    for (stays, done) in [(0, 1), (1, 0)] {
        let found = kept(stays, done);
        assert_eq!(found, (PROMPT as u64 - 16, 0), "session {stays} stays");
    }
}
