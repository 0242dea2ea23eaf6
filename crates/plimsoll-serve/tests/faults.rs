//! What is malformed, unknown, too large or too slow: refused in words, and nothing else suffers.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{get, model, post, send, settings, start};
use plimsoll::{Bytes, Place};
use plimsoll_serve::model::{ModelSource, found};
use plimsoll_serve::{ServeError, Service};
use serde_json::json;

#[test]
fn what_cannot_be_understood_is_refused_with_the_field_it_is_about() {
    let running = start(settings());
    let at = running.address();
    let malformed = send(at, "POST /v1/completions HTTP/1.1", b"{\"prompt\": ");
    assert_eq!((malformed.status, malformed.code().as_str()), (400, "malformed"));
    let broken = send(at, "POST /v1/completions HTTP/1.1", b"{\"prompt\": \"\xff\xfe\"}");
    assert_eq!(broken.status, 400);
    assert!(broken.body.contains("UTF-8"), "{}", broken.body);
    for (path, ask, param) in [
        ("/v1/completions", json!({"prompt": "a", "temperature": -1}), "temperature"),
        ("/v1/completions", json!({"prompt": "a", "max_tokens": 0}), "max_tokens"),
        ("/v1/completions", json!({"prompt": "a", "n": 1000}), "n"),
        ("/v1/completions", json!({"prompt": [4_000_000]}), "prompt"),
        ("/v1/completions", json!({"prompt": "a", "logit_bias": {"x": 1}}), "logit_bias"),
        ("/v1/completions", json!({"prompt": "a", "frequency_penalty": 9}), "frequency_penalty"),
        ("/v1/completions", json!({"prompt": "a", "logprobs": 3}), "logprobs"),
        ("/v1/completions", json!({"prompt": "a", "suffix": "b"}), "suffix"),
        (
            "/v1/completions",
            json!({"prompt": "a", "prompt_cache_retention": "forever"}),
            "prompt_cache_retention",
        ),
        (
            "/v1/completions",
            json!({"prompt": "a", "response_format": {"type": "json_schema"}}),
            "response_format",
        ),
        ("/v1/completions", json!({"prompt": []}), "prompt"),
        ("/v1/completions", json!({"prompt": vec!["a"; 40], "n": 2}), "prompt"),
        ("/v1/completions", json!({"prompt": "a", "stop": ["x".repeat(600)]}), "stop"),
        (
            "/v1/completions",
            json!({"prompt": "a", "logit_bias": (0..2000).map(|token| (token.to_string(), 1)).collect::<std::collections::BTreeMap<_, _>>()}),
            "logit_bias",
        ),
        (
            "/v1/chat/completions",
            json!({"messages": [{"role": "user", "content": "a"}], "tool_choice": "required"}),
            "tool_choice",
        ),
        ("/v1/chat/completions", json!({"messages": []}), "messages"),
        ("/v1/chat/completions", json!({"messages": ["hello"]}), "messages"),
        (
            "/v1/chat/completions",
            json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
            "messages",
        ),
    ] {
        let answer = post(at, path, &ask);
        assert_eq!(answer.status, 400, "{ask}: {}", answer.body);
        assert_eq!(answer.json()["error"]["param"], param, "{ask}: {}", answer.body);
    }
    for name in ["other", "../tiny", "/etc/passwd", ""] {
        let answer = post(at, "/v1/completions", &json!({"model": name, "prompt": "a"}));
        assert_eq!((answer.status, answer.code().as_str()), (404, "model_not_found"), "{name}");
    }
    let long = post(at, "/v1/completions", &json!({"prompt": "word ".repeat(3000)}));
    assert_eq!((long.status, long.code().as_str()), (400, "context_length_exceeded"), "{}", long.body);
    let huge = post(at, "/v1/completions", &json!({"prompt": "w".repeat(3_000_000)}));
    assert_eq!((huge.status, huge.code().as_str()), (400, "context_length_exceeded"), "{}", huge.body);
    assert_eq!(post(at, "/v1/completions", &json!({"prompt": "a", "max_tokens": 1})).status, 200);
}

#[test]
fn a_request_that_is_too_large_or_never_ends_is_refused() {
    let mut settings = settings();
    settings.limits.body = Bytes::kib(4);
    settings.limits.reading = Duration::from_millis(300);
    let running = start(settings);
    let at = running.address();
    let large = post(at, "/v1/completions", &json!({"prompt": "a".repeat(10_000)}));
    assert_eq!((large.status, large.code().as_str()), (413, "too_large"), "{}", large.body);
    // A head that never ends.
    let mut slow = TcpStream::connect(at).expect("it listens");
    slow.write_all(b"POST /v1/completions HTTP/1.1\r\nHost:").expect("it is taken");
    let mut rest = Vec::new();
    slow.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let _ = slow.read_to_end(&mut rest);
    // A body that never ends.
    let mut slow = TcpStream::connect(at).expect("it listens");
    slow.write_all(
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{",
    )
    .expect("it is taken");
    assert_eq!(common::read(slow).status, 408);
}

#[test]
fn only_who_has_a_key_is_answered() {
    let mut settings = settings();
    settings.keys = vec!["secret".to_owned()];
    let running = start(settings);
    let at = running.address();
    assert_eq!(get(at, "/v1/models").status, 401);
    assert_eq!(get(at, "/memory").status, 401);
    assert_eq!(get(at, "/health").status, 200, "whoever watches over it has no key");
    let answer = send(at, "GET /v1/models HTTP/1.1\r\nAuthorization: Bearer secret", b"");
    assert_eq!(answer.status, 200);
    let mut blank = common::settings();
    blank.keys = vec![" ".to_owned()];
    assert!(
        matches!(Service::open(blank), Err(ServeError::BlankKey)),
        "it would open the service to everybody"
    );
}

#[test]
fn pages_of_others_are_not_answered_where_there_are_no_keys() {
    let running = start(settings());
    let at = running.address();
    let with = |header: &str| {
        let mut stream = TcpStream::connect(at).expect("it listens");
        let head = format!("GET /v1/models HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it is taken");
        common::read(stream).status
    };
    assert_eq!(with(&format!("Host: {at}")), 200);
    assert_eq!(with(&format!("Host: {at}\r\nOrigin: http://{at}")), 200, "its own page");
    assert_eq!(with(&format!("Host: localhost:{}", at.port())), 200);
    assert_eq!(with(&format!("Host: {at}\r\nOrigin: http://example.org")), 403);
    assert_eq!(with("Host: made-to-lead-here.example.org"), 403);
}

#[test]
fn more_than_ever_fits_is_refused_and_so_is_one_too_many_in_line() {
    let mut settings = settings();
    // Room for one long answer, and nobody may wait.
    settings.line = Bytes::mib(112);
    settings.kv = Some(Bytes::mib(16));
    settings.limits.waiting = 0;
    let running = start(settings);
    let at = running.address();
    let long = json!({"prompt": "a", "max_tokens": 1000, "n": 16});
    let refused = post(at, "/v1/completions", &long);
    assert_eq!((refused.status, refused.code().as_str()), (429, "queue_full"), "{}", refused.body);
    assert!(refused.headers.to_lowercase().contains("retry-after:"), "{}", refused.headers);
    assert_eq!(post(at, "/v1/completions", &json!({"prompt": "a", "max_tokens": 3})).status, 200);
    // Everything that was begun for it has been given back.
    until("seats are free", || get(at, "/activity").json()["seats"]["taken_bytes"] == 0);
}

#[test]
fn who_waits_is_told_so_and_is_served_in_turn() {
    let mut settings = settings();
    settings.line = Bytes::mib(112);
    settings.kv = Some(Bytes::mib(16));
    let running = start(settings);
    let at = running.address();
    let ask = json!({"prompt": "Returns", "max_tokens": 500, "temperature": 0, "stream": true});
    let asked: Vec<_> = (0..10)
        .map(|_| {
            let ask = ask.clone();
            std::thread::spawn(move || post(at, "/v1/completions", &ask))
        })
        .collect();
    let answers: Vec<_> = asked.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body.ends_with("data: [DONE]\n\n")));
    let text = |answer: &common::Answer| -> String {
        answer
            .pieces()
            .iter()
            .filter_map(|piece| piece["choices"][0]["text"].as_str().map(str::to_owned))
            .collect()
    };
    assert!(answers.iter().all(|answer| text(answer) == text(&answers[0])), "whoever stood beside it");
    assert!(answers.iter().any(|answer| answer.body.contains(": waiting for memory, place ")));
}

#[test]
fn a_client_that_goes_ends_its_text_at_once() {
    let running = start(settings());
    let at = running.address();
    let ask = json!({"prompt": "Returns", "max_tokens": 1000, "stream": true, "logit_bias": {}}).to_string();
    let mut stream = TcpStream::connect(at).expect("it listens");
    let head = format!(
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{ask}",
        ask.len()
    );
    stream.write_all(head.as_bytes()).expect("it is taken");
    let mut some = [0; 64];
    let read = stream.read(&mut some).expect("it begins");
    assert!(read > 0);
    drop(stream);
    until("the seat is free", || {
        let activity = get(at, "/activity").json();
        activity["seats"]["taken_bytes"] == 0 && activity["models"][0]["running"] == 0
    });
}

#[test]
fn a_model_that_is_damaged_is_named_and_the_others_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(model(), folder.path().join("good.gguf")).expect("copied");
    let mut bytes = std::fs::read(model()).expect("read");
    bytes.truncate(bytes.len() / 2);
    std::fs::write(folder.path().join("bad.gguf"), &bytes).expect("written");
    std::fs::write(folder.path().join(".part.gguf"), b"").expect("written");
    let mut settings = settings();
    settings.models = found(folder.path()).expect("it is read");
    assert_eq!(settings.models.len(), 2, "what is hidden is no model");
    let running = start(settings);
    let at = running.address();
    let ask =
        |name: &str| post(at, "/v1/completions", &json!({"model": name, "prompt": "a", "max_tokens": 2}));
    assert_eq!(ask("good").status, 200);
    let bad = ask("bad");
    assert_eq!((bad.status, bad.code().as_str()), (503, "model_unavailable"), "{}", bad.body);
    assert_eq!(get(at, "/v1/models/bad").json()["state"], "broken");
    assert!(ask("bad").body.contains("tried again when its file changes"));
    assert_eq!(ask("good").status, 200);
    std::thread::sleep(Duration::from_millis(20));
    std::fs::copy(model(), folder.path().join("bad.gguf")).expect("copied");
    assert_eq!(ask("bad").status, 200, "it is whole now");
}

#[test]
fn models_stand_in_each_others_place() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["one", "two", "three"] {
        std::fs::copy(model(), folder.path().join(format!("{name}.gguf"))).expect("copied");
    }
    let mut settings = settings();
    settings.models = found(folder.path()).expect("it is read");
    // Room for two at a time.
    settings.kv = Some(Bytes::mib(16));
    settings.line = Bytes::mib(64 + 16 + 45);
    let running = start(settings);
    let at = running.address();
    for turn in 0..3 {
        for name in ["one", "two", "three"] {
            let ask = json!({"model": name, "prompt": "Returns", "max_tokens": 4, "temperature": 0});
            let answer = post(at, "/v1/completions", &ask);
            assert_eq!(answer.status, 200, "turn {turn}: {}", answer.body);
        }
    }
    let loaded = |state: &serde_json::Value| state["state"] == "loaded";
    let models = get(at, "/v1/models").json();
    let count = models["data"].as_array().expect("a list").iter().filter(|model| loaded(model)).count();
    assert!((1..=2).contains(&count), "{models}");
    let host = running.engine().snapshot();
    let host = host.place(Place::Host).expect("a line");
    assert!(host.peak <= host.line, "{} of {}", host.peak, host.line);
}

#[test]
fn a_stop_lets_answers_end_and_takes_nobody_in() {
    let running = start(settings());
    let at = running.address();
    let ask = json!({"prompt": "Creates a new", "max_tokens": 900, "temperature": 0, "frequency_penalty": 1});
    let wanted = post(at, "/v1/completions", &ask).json();
    let running_now = || get(at, "/activity").json()["models"][0]["running"].clone();
    until("the first has gone", || running_now() == 0);
    let again = ask.clone();
    let asked = std::thread::spawn(move || post(at, "/v1/completions", &again));
    until("it runs", || running_now() == 1);
    running.stop();
    let answer = asked.join().expect("no panic");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["choices"], wanted["choices"], "it came to its own end");
    assert!(TcpStream::connect(at).is_err(), "nobody listens any more");
}

#[test]
fn prompts_outlive_the_service() {
    let folder = tempfile::tempdir().expect("a folder");
    let ask = json!({
        "prompt": "Returns an iterator over the elements of the slice, in order. ".repeat(20), "max_tokens": 12, "temperature": 0
    });
    let mut texts = Vec::new();
    for turn in 0..2 {
        let mut settings = settings();
        settings.cache = Some((folder.path().join("kv"), Bytes::mib(256)));
        let running = start(settings);
        let answer = post(running.address(), "/v1/completions", &ask).json();
        let usage = &answer["usage"];
        let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a count");
        let prompt = usage["prompt_tokens"].as_u64().expect("a count");
        assert!(if turn == 0 { cached == 0 } else { cached + 17 > prompt }, "turn {turn}: {usage}");
        texts.push(answer["choices"][0]["text"].clone());
        running.stop();
    }
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn what_does_not_add_up_is_refused_before_anything_is_opened() {
    let mut small = settings();
    small.line = Bytes::mib(32);
    assert!(matches!(Service::open(small), Err(ServeError::Line { .. })));
    let mut none = settings();
    none.models.clear();
    assert!(matches!(Service::open(none), Err(ServeError::NoModel)));
    let mut twins = settings();
    twins.models.push(ModelSource { name: "tiny".to_owned(), ..ModelSource::at("/other.gguf") });
    assert!(matches!(Service::open(twins), Err(ServeError::TwoModels { .. })));
    let first = start(settings());
    let mut second = settings();
    second.listen = first.address();
    let error = Service::open(second).expect("it adds up").start().err().expect("the port is taken");
    assert!(error.to_string().contains("--listen"), "{error}");
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: not within half a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}
