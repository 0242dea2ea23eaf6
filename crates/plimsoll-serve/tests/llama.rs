//! A service whose model llama.cpp computes. Needs the feature `llama-cpp`: see CONTRIBUTING.md.

#![cfg(feature = "llama-cpp")]
#![allow(clippy::expect_used, reason = "a test that cannot begin has failed")]

mod common;

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::gguf::rewritten;
use common::{get, model, post, settings, start};
use plimsoll::{Bytes, Place};
use plimsoll_serve::ServeSettings;
use plimsoll_serve::model::{EngineChoice, ModelSource};
use serde_json::{Value, json};

/// The small model by an engine of one's choice.
fn by(engine: EngineChoice) -> ServeSettings {
    let mut settings = settings();
    settings.models[0].engine = engine;
    settings
}

fn one(path: &Path, engine: EngineChoice) -> ServeSettings {
    let source = ModelSource { name: "one".to_owned(), engine, ..ModelSource::at(path) };
    let mut settings = settings();
    settings.models.push(source);
    settings
}

fn text(at: SocketAddr, model: &str, prompt: &str, tokens: usize) -> (String, Value) {
    let ask = json!({"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0});
    let answer = post(at, "/v1/completions", &ask);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = answer.json();
    (answer["choices"][0]["text"].as_str().expect("text").to_owned(), answer["usage"].clone())
}

fn cached(usage: &Value) -> u64 {
    usage["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a count")
}

fn activity(at: SocketAddr, model: usize) -> Value {
    get(at, "/activity").json()["models"][model].clone()
}

const LONG: &str = "Returns an iterator over the elements of the slice, in order. It does not allocate. \
    The iterator yields all items from start to end, and panics if the index is out of bounds. ";

#[test]
fn it_writes_what_the_native_engine_writes_and_answers_in_all_ways() {
    let (llama, native) = (start(by(EngineChoice::LlamaCpp)), start(by(EngineChoice::Native)));
    let (at, other) = (llama.address(), native.address());
    let (ours, theirs) = (text(at, "tiny", LONG, 12).0, text(other, "tiny", LONG, 12).0);
    // Rounding parts them somewhere; the first words are far from a draw.
    assert_eq!(ours.get(..8), theirs.get(..8), "{ours:?} {theirs:?}");
    let model = activity(at, 0);
    assert_eq!(model["engine"], "llama.cpp");
    let (charged, allocated) = (model["bytes"].as_u64(), model["allocated_bytes"].as_u64());
    assert!(allocated.expect("a size") > 8_000_000 && charged >= allocated, "{model}");
    let book = llama.engine().snapshot();
    let host = book.place(Place::Host).expect("a line");
    assert!(host.share("models/tiny").expect("an account").charged.get() >= allocated.expect("a size"));

    let ask = json!({"prompt": "Returns the number of", "max_tokens": 16, "temperature": 0, "stream": true});
    let pieces = post(at, "/v1/completions", &ask).pieces();
    let joined: String = pieces.iter().filter_map(|piece| piece["choices"][0]["text"].as_str()).collect();
    assert_eq!(joined, text(at, "tiny", "Returns the number of", 16).0);
    let chat = json!({"messages": [{"role": "user", "content": "Returns the"}], "max_tokens": 5});
    let chat = post(at, "/v1/chat/completions", &chat).json();
    assert_eq!(chat["usage"]["completion_tokens"], 5, "{chat}");

    let embed = json!({"input": ["A vector of bytes.", LONG]});
    let [ours, theirs] = [at, other].map(|at| post(at, "/v1/embeddings", &embed).json());
    for index in 0..2 {
        let [one, two] = [&ours, &theirs].map(|answer| {
            let numbers = answer["data"][index]["embedding"].as_array().expect("numbers").clone();
            numbers.iter().map(|number| number.as_f64().expect("a number")).collect::<Vec<f64>>()
        });
        let cosine: f64 = one.iter().zip(&two).map(|(one, two)| one * two).sum();
        assert!(one.len() == 256 && cosine > 0.999, "text {index}: {cosine}");
    }
    // And texts go on as before.
    assert_eq!(joined, text(at, "tiny", "Returns the number of", 16).0);
}

#[test]
fn what_was_read_is_not_read_again_nor_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = by(EngineChoice::LlamaCpp);
    settings.cache = Some((folder.path().to_owned(), Bytes::mib(64)));
    let prompt = LONG.repeat(6);
    let running = start(settings.clone());
    let (first, usage) = text(running.address(), "tiny", &prompt, 24);
    assert_eq!(cached(&usage), 0);
    let read = usage["prompt_tokens"].as_u64().expect("a count");
    assert!(read > 100, "{usage}");
    let (again, usage) = text(running.address(), "tiny", &prompt, 24);
    assert_eq!(again, first);
    // Whole blocks, and the last token is computed anew.
    let whole = (read - 1) / 16 * 16;
    assert_eq!(cached(&usage), whole);
    assert_eq!(activity(running.address(), 0)["tokens_cached"], whole);
    // What was written is there for the next turn.
    let (_, usage) = text(running.address(), "tiny", &format!("{prompt}{first}"), 2);
    assert!(cached(&usage) > whole, "{usage}");
    running.stop();
    let running = start(settings.clone());
    let (restarted, usage) = text(running.address(), "tiny", &prompt, 24);
    assert_eq!((restarted, cached(&usage)), (first, whole));
    running.stop();
    // The native engine finds nothing of it, though blocks have the same form.
    settings.models[0].engine = EngineChoice::Native;
    let running = start(settings);
    assert_eq!(cached(&text(running.address(), "tiny", &prompt, 2).1), 0);
}

#[test]
fn several_are_written_together_and_more_wait_for_cells() {
    let mut settings = by(EngineChoice::LlamaCpp);
    settings.batch.sequences = 3;
    // Cells for two whole contexts: half of keys and values.
    settings.kv = Some(Bytes::mib(18));
    let running = start(settings);
    let at = running.address();
    let alone = text(at, "tiny", "Creates a new", 40).0;
    let texts: Vec<String> = thread::scope(|scope| {
        let asks: Vec<_> =
            (0..8).map(|_| scope.spawn(move || text(at, "tiny", "Creates a new", 120).0)).collect();
        asks.into_iter().map(|ask| ask.join().expect("an answer")).collect()
    });
    for text in texts {
        assert_eq!(text.get(..12), alone.get(..12), "{text:?}");
    }
}

#[test]
fn who_leaves_gives_cells_back_at_once() {
    let mut settings = by(EngineChoice::LlamaCpp);
    settings.batch.sequences = 1;
    let running = start(settings);
    let at = running.address();
    text(at, "tiny", "A", 1);
    for _ in 0..3 {
        let mut stream = TcpStream::connect(at).expect("it listens");
        let body = json!({"prompt": "Returns", "max_tokens": 1000, "stream": true}).to_string();
        let head = format!(
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("it is taken");
        wait_for("it runs", || activity(at, 0)["running"] == 1);
    }
    wait_for("all have gone", || activity(at, 0)["running"] == 0);
    // The only sequence is free again.
    assert!(!text(at, "tiny", "Creates a new", 30).0.is_empty());
    wait_for("all seats are free", || get(at, "/activity").json()["seats"]["taken_bytes"] == 0);
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < until, "{what}: not within a minute");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_the_native_engine_does_not_compute_goes_to_llama_cpp() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.gguf");
    // The same weights by an architecture, and words by a rule, that only llama.cpp knows.
    rewritten(&model(), &path, "exaone", &[("tokenizer.ggml.pre", "bloom")]);
    let running = start(one(&path, EngineChoice::Auto));
    let at = running.address();
    let (written, usage) = text(at, "one", LONG, 8);
    assert!(!written.is_empty());
    // Its tokenizer is llama.cpp's: the first token before the text, and no letter lost.
    let ask = json!({"model": "one", "prompt": LONG, "max_tokens": 1, "echo": true});
    let echoed = post(at, "/v1/completions", &ask).json();
    assert!(echoed["choices"][0]["text"].as_str().expect("text").starts_with(LONG), "{echoed}");
    assert!(usage["prompt_tokens"].as_u64().expect("a count") > 20);
    text(at, "tiny", "Returns", 2);
    let engines: Vec<Value> = (0..2).map(|index| activity(at, index)["engine"].clone()).collect();
    assert_eq!(engines, ["llama.cpp", "native"], "by name");
    running.stop();
    let running = start(one(&path, EngineChoice::Native));
    let answer = post(running.address(), "/v1/completions", &json!({"model": "one", "prompt": "A"}));
    assert_eq!((answer.status, answer.code().as_str()), (503, "model_unavailable"), "{}", answer.body);
}

#[test]
fn what_is_damaged_or_refused_is_named_and_others_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = std::fs::read(model()).expect("a model");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    };
    let unknown = folder.path().join("unknown.gguf");
    rewritten(&model(), &unknown, "nothing-of-that-name", &[]);
    let mut garbled = bytes.clone();
    garbled[40..4000].iter_mut().for_each(|byte| *byte ^= 0x5a);
    let cases = [
        (file("short.gguf", &bytes[..bytes.len() / 2]), "cut short"),
        (file("garbled.gguf", &garbled), "garbled.gguf"),
        (file("empty.gguf", b""), "empty.gguf"),
        (unknown, "nothing-of-that-name"),
        (folder.path().join("missing.gguf"), "missing.gguf"),
    ];
    for (path, named) in cases {
        let running = start(one(&path, EngineChoice::LlamaCpp));
        let at = running.address();
        let answer = post(at, "/v1/completions", &json!({"model": "one", "prompt": "A"}));
        assert_eq!((answer.status, answer.code().as_str()), (503, "model_unavailable"), "{}", answer.body);
        assert!(answer.body.contains(named), "{named}: {}", answer.body);
        assert!(!text(at, "tiny", "Returns", 2).0.is_empty());
    }
    // More than there is: told before a byte is taken.
    let mut small = by(EngineChoice::LlamaCpp);
    (small.line, small.kv) = (Bytes::mib(64 + 16 + 4), Some(Bytes::mib(16)));
    let running = start(small);
    let answer = post(running.address(), "/v1/completions", &json!({"prompt": "A"}));
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("raise the line"), "{}", answer.body);
}
