//! `plimsoll generate`, as it is typed.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod program;

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use program::{plimsoll, report, run, said, text, words};
use serde_json::Value;

const PROMPT: &str = "Returns the number of elements in the";

/// What llama.cpp writes with the shipped model, as far as it is sure of each token.
const SURE: &str = " slice.";

fn generate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["generate", "--prompt", PROMPT, "--temperature", "0"][..], more].concat()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap()
}

#[test]
fn the_built_in_model_writes_on_and_says_what_it_took() {
    let output = run(&generate(&["-n", "12"]));
    let told = words(&output.stderr);
    assert!(output.status.success(), "{told}");
    let written = text(&output.stdout);
    assert!(written.starts_with(SURE) && written.ends_with('\n'), "{written:?}");
    for part in ["prompt tokens 8", "written 12", "a second", "memory predicted", "measured", "line"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let report = report(&generate(&["-n", "12"]));
    assert_eq!(format!("{}\n", report["text"].as_str().unwrap()), written);
    assert_eq!((number(&report, "/prompt_tokens"), number(&report, "/tokens")), (8, 12));
    assert_eq!((report["stopped"].as_str(), number(&report, "/cached_tokens")), (Some("limit"), 0));
    for part in ["weights", "kv", "work", "sum"] {
        let predicted = number(&report, &format!("/memory/predicted/{part}"));
        let measured = number(&report, &format!("/memory/measured/{part}"));
        assert!(measured > 0 && measured <= predicted, "{part}: {measured} of {predicted}");
    }
    assert!(number(&report, "/memory/measured/sum") <= number(&report, "/memory/line"));
}

#[test]
fn the_same_seed_writes_the_same_text_and_another_does_not() {
    let write = |seed: &'static str| {
        let args = ["generate", "--prompt", PROMPT, "--temperature", "1", "-n", "24", "--seed", seed];
        report(&args)["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(write("3"), write("3"));
    assert_ne!(write("3"), write("4"));
}

#[test]
fn a_prompt_comes_from_a_file_or_stdin_and_a_text_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prompt.txt");
    std::fs::write(&file, format!("{PROMPT}\n")).unwrap();
    let whole = report(&generate(&["-n", "12"]));
    let path = file.to_str().unwrap();
    let from_file = report(&["generate", "--file", path, "--temperature", "0", "-n", "12"]);
    assert_eq!(from_file["text"], whole["text"]);
    let mut child = plimsoll(&["generate", "--file", "-", "--temperature", "0", "-n", "12"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PROMPT.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        text(&output.stdout).trim_end_matches('\n'),
        whole["text"].as_str().unwrap().trim_end_matches('\n')
    );
    // Over the edge of two tokens, and not shown.
    let ended = report(&generate(&["-n", "12", "--stop", "never there", "--stop", "ice."]));
    assert_eq!((ended["stopped"].as_str(), ended["stop"].as_str()), (Some("stop"), Some("ice.")));
    assert_eq!(ended["text"].as_str(), Some(" sl"));
}

#[test]
fn a_prompt_is_not_computed_again_and_the_text_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (file, cache) = (folder.path().join("prompt.txt"), folder.path().join("cache"));
    std::fs::write(&file, "Creates a new, empty vector with room for a few more elements. ".repeat(20))
        .unwrap();
    let (file, cache) = (file.to_str().unwrap(), cache.to_str().unwrap());
    let args = ["generate", "--file", file, "--temperature", "0", "-n", "8"];
    let alone = report(&args);
    let kept = [&args[..], &["--cache", cache]].concat();
    let first = report(&kept);
    let again = report(&kept);
    let prompt = number(&alone, "/prompt_tokens");
    assert_eq!((number(&first, "/cached_tokens"), &first["text"]), (0, &alone["text"]));
    // Whole blocks of sixteen, and the last token is always computed.
    assert_eq!((number(&again, "/cached_tokens"), &again["text"]), ((prompt - 1) / 16 * 16, &alone["text"]));
    let told = said(&[&kept[..], &["--cache-size", "1KiB"]].concat(), 1);
    assert!(told.contains("32.00 MiB"), "{told}");
    assert_eq!(number(&report(&kept), "/cached_tokens"), (prompt - 1) / 16 * 16, "nothing is lost by that");
}

#[test]
fn a_line_that_is_too_low_is_refused_with_what_would_do() {
    let told = said(&generate(&["--memory", "8MiB"]), 1);
    assert!(told.contains("needs") && told.contains("8.00 MiB") && told.contains("--memory"), "{told}");
    // By number, as the model does not end such a text. A little above what a few tokens need, not all fit.
    let few = report(&["generate", "--prompt", "0 1153 268", "--ids", "-n", "2"]);
    let line = number(&few, "/memory/predicted/sum") + (2 << 20);
    let memory = format!("{line}B");
    let ids = ["generate", "--prompt", "0 1153 268", "--ids", "--memory", &memory, "-n", "900"];
    let told = said(&ids, 1);
    let word = told.split("--context ").nth(1).unwrap();
    let fits: u64 = word.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
    assert!(fits > 8 && fits < 900, "{told}");
    // What was said to fit does.
    let context = fits.to_string();
    let report = report(&[&ids[..], &["--context", &context]].concat());
    assert!(number(&report, "/memory/measured/sum") <= line);
    assert_eq!(number(&report, "/prompt_tokens") + number(&report, "/tokens"), fits);
    assert_eq!(report["stopped"].as_str(), Some("context"));
}

#[test]
fn tokens_go_by_number_without_a_tokenizer() {
    let ids = "0 1153,268 954 317 1433 290 268";
    let report = report(&["generate", "--prompt", ids, "--ids", "--temperature", "0", "-n", "2"]);
    assert_eq!(report["text"].as_str(), Some("955 14"));
    assert!(said(&["generate", "--prompt", "1 two", "--ids"], 1).contains("two"));
    assert!(said(&["generate", "--prompt", "5000", "--ids"], 1).contains("vocabulary"));
}

#[test]
fn what_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let binary = path("binary.txt", b"a\xffb");
    let long = path("long.txt", "of the ".repeat(2000).as_bytes());
    let huge = path("huge.txt", &vec![b'a'; 1 << 20]);
    let odd = path("odd.gguf", b"no model at all");
    let missing = folder.path().join("missing.gguf").to_str().unwrap().to_owned();
    for (args, code, says) in [
        (vec!["--file", &binary], 1, "no UTF-8 from byte 1"),
        (vec!["--file", &long], 1, "no room to write"),
        (vec!["--file", &huge], 1, "more than 1024 tokens can be"),
        (vec!["--file", &missing], 1, "missing.gguf"),
        (vec!["--prompt", "a", "--model", &odd], 1, "odd.gguf"),
        (vec!["--prompt", "a", "--model", &missing], 1, "missing.gguf"),
        (vec!["--prompt", "a", "--context", "4096"], 1, "1024"),
        (vec!["--prompt", "a", "--temperature=-1"], 1, "temperature"),
        (vec!["--prompt", "a", "--top-p", "0"], 1, "top-p"),
        (vec!["--prompt", "a", "--file", &long], 2, "cannot be used with"),
        (vec![], 2, "--prompt"),
        (vec!["--prompt", "a", "--memory", "much"], 2, "much"),
    ] {
        let args = [vec!["generate"], args].concat();
        let told = said(&args, code);
        assert!(told.contains(says), "{args:?}: {told}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_text_cleanly() {
    let args = ["generate", "--prompt", "0", "--ids", "--temperature", "1", "-n", "1000"];
    let mut child = plimsoll(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status();
    let sent = sent.is_ok_and(|status| status.success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = words(&output.stderr);
    if !sent {
        println!("skipped: there is no `kill`, or the text was written before");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(rest.ends_with('\n'), "{rest:?}");
    // A machine that is busy may send the signal when the last token is written.
    assert!(told.contains("interrupted") || told.contains("written 1000"), "{told}");
}

#[test]
fn a_prompt_is_asked_as_the_template_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.jinja");
    std::fs::write(&path, "{{ messages[-1].content }}{% if short %} the{% endif %}").unwrap();
    let path = path.to_str().unwrap();
    let ask = |more: &[&'static str]| {
        let args = ["--chat", "--prompt", "Returns the number of elements in", "--template", path];
        [&["generate", "--temperature", "0", "-n", "12"], &args[..], more].concat()
    };
    // A template says every token; the first one too, which this one does not.
    let (long, short) = (report(&ask(&[])), report(&ask(&["--set", "short=true"])));
    assert_eq!(number(&long, "/prompt_tokens") + 1, number(&short, "/prompt_tokens"));
    // The built-in model brings no template, and goes on after what it is given.
    let plain = report(&generate(&["-n", "12"]));
    assert_eq!(report(&generate(&["-n", "12", "--chat"]))["text"], plain["text"]);
    let told = report(&generate(&["-n", "12", "--chat", "--system", "Documentation of Rust."]));
    assert!(number(&told, "/prompt_tokens") > number(&plain, "/prompt_tokens"));
    std::fs::write(path, "\n{{ raise_exception('no such role') }}").unwrap();
    let told = said(&ask(&[]), 1);
    assert!(told.contains("line 2") && told.contains("no such role"), "{told}");
    assert!(said(&ask(&["--set", "short"]), 1).contains("enable_thinking=false"));
    assert!(said(&["generate", "--prompt", "a", "--system", "b"], 2).contains("--chat"));
    assert!(said(&["generate", "--prompt", "0", "--ids", "--chat"], 2).contains("--ids"));
}

/// The shipped model's file, which is not held as the built-in one is.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

#[test]
fn a_model_that_is_larger_than_the_line_writes_the_same() {
    let args = ["--model", MODEL, "-n", "24"];
    let whole = report(&generate(&args));
    assert!(whole["demand"].is_null());
    let need = number(&whole, "/memory/predicted/sum");
    // A quarter less than all weights.
    let line = need - number(&whole, "/memory/predicted/weights") / 4;
    let memory = format!("{line}B");
    let below = report(&generate(&[&args[..], &["--memory", &memory]].concat()));
    assert_eq!(below["text"], whole["text"]);
    let (slots, shards) = (number(&below, "/demand/slots"), number(&below, "/demand/shards"));
    assert!(slots >= 2 && slots < shards, "{below}");
    assert!(number(&below, "/demand/reads") < 24 * shards, "{below}");
    for part in ["weights", "kv", "work", "sum"] {
        let predicted = number(&below, &format!("/memory/predicted/{part}"));
        let measured = number(&below, &format!("/memory/measured/{part}"));
        assert!(measured > 0 && measured <= predicted, "{part}: {measured} of {predicted}");
    }
    assert!(number(&below, "/memory/measured/sum") <= line);
    let told = words(&run(&generate(&[&args[..], &["--memory", &memory]].concat())).stderr);
    assert!(told.contains("weights read when needed") && told.contains("read a token"), "{told}");
    // Not two layers fit.
    let told = said(&generate(&[&args[..], &["--memory", "6MiB"]].concat()), 1);
    let word = told.split("--memory ").nth(1).unwrap();
    let least: String = word.chars().take_while(char::is_ascii_digit).collect();
    let least = format!("{least}MiB");
    let floor = report(&generate(&[&args[..], &["--memory", &least]].concat()));
    assert!(number(&floor, "/demand/slots") <= 3, "{floor}");
    assert_eq!(floor["text"], whole["text"]);
}

#[test]
fn an_adapter_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let told = said(&generate(&["--adapter", path]), 1);
    assert!(told.contains("adapter_config.json"), "{told}");
}

#[test]
fn a_model_of_another_kind_or_without_a_tokenizer_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(MODEL).unwrap();
    // The first of some bytes behind a key, replaced by as many others.
    let with = |key: &str, from: &str, to: &str| {
        let find = |what: &str, begin: usize| {
            begin + good[begin..].windows(what.len()).position(|part| part == what.as_bytes()).unwrap()
        };
        let at = find(from, find(key, 0));
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        let path = folder.path().join(format!("{to}.gguf"));
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cut = folder.path().join("cut.gguf");
    std::fs::write(&cut, &good[..good.len() / 2]).unwrap();
    for (path, says) in [
        (with("general.architecture", "llama", "gemma"), "only llama, mistral, qwen2 and qwen3"),
        (with("tokenizer.ggml.model", "tokenizer.ggml.model", "tokenizer.ggml.madel"), "give tokens as ids"),
        (with("tokenizer.ggml.model", "gpt2", "bert"), "\"bert\""),
        (with("tokenizer.ggml.pre", "gpt-2", "other"), "\"other\""),
        (cut.to_str().unwrap().to_owned(), "cut short"),
    ] {
        let told = said(&["generate", "--prompt", "a", "--model", &path], 1);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(says), "{says}: {told}");
    }
    // Without a tokenizer it still computes with numbers.
    let path = with("tokenizer.ggml.model", "tokenizer.ggml.model", "tokenizer.ggml.madel");
    let report = report(&["generate", "--prompt", "0 1153 268", "--ids", "--model", &path, "-n", "2"]);
    assert_eq!(number(&report, "/tokens"), 2);
}
