//! Tokenizers against those of the libraries that made them, on texts that are hard to cut; and there and back.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

mod tokenizers;

use std::path::Path;
use std::sync::Arc;

use plimsoll_llm::text::{Encode, TextStream, Tokenizer};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};
use tokenizers::{Header, as_gguf, folder, of_json};

const CUT: Encode = Encode { ends: false, specials: true };

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

fn of_gguf(file: &[u8]) -> Tokenizer {
    Tokenizer::of_gguf(&file, Path::new("model.gguf")).unwrap()
}

#[test]
fn texts_are_cut_as_other_libraries_cut_them() {
    let text = std::fs::read_to_string(folder().join("cases.jsonl")).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let texts: Vec<String> = serde_json::from_value(lines.next().unwrap()["texts"].clone()).unwrap();
    let (mut variants, mut compared) = (0, 0);
    for line in lines {
        let base = line["base"].as_str().unwrap();
        let mut all = Vec::new();
        if base == "pieces.gguf" {
            all.push(Tokenizer::open(folder().join(base)).unwrap());
        } else {
            let file = tokenizers::json(base, &line["set"]);
            all.push(of_json(&file).unwrap());
            all.extend(line["pre"].as_str().map(|pre| of_gguf(&as_gguf(&file, pre))));
        }
        for tokenizer in all {
            for (text, wanted) in texts.iter().zip(line["ids"].as_array().unwrap()) {
                if wanted.is_null() {
                    continue;
                }
                let ours = tokenizer.encode(text, CUT).unwrap();
                assert_eq!(ours, ids(wanted), "{} cuts {text:?}", line["variant"]);
                compared += 1;
            }
            let prompt = tokenizer.encode(&texts[5], Encode::PROMPT).unwrap();
            assert_eq!(prompt, ids(&line["prompt"]), "{}", line["variant"]);
            variants += 1;
        }
    }
    assert!(variants > 20 && compared > 800, "{variants} {compared}");
}

#[test]
fn the_shipped_model_cuts_prompts_as_llama_cpp_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tokenizer = Tokenizer::open(root.join("models/tiny-7m-q8_0.gguf")).unwrap();
    assert_eq!((tokenizer.len(), tokenizer.first(), tokenizer.stops()), (4096, Some(0), &[0][..]));
    let prompts = root.join("../shared/data/models/greedy_llamacpp.jsonl");
    let Ok(text) = std::fs::read_to_string(&prompts) else {
        println!("skipped: {} is not there", prompts.display());
        return;
    };
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let prompt = line["prompt"].as_str().unwrap();
        assert_eq!(tokenizer.encode(prompt, Encode::PROMPT).unwrap(), ids(&line["prompt_ids"]), "{prompt}");
        assert_eq!(tokenizer.decode(&ids(&line["prompt_ids"])), prompt);
    }
}

/// Every kind of tokenizer that loses nothing.
fn faithful() -> Vec<Tokenizer> {
    let split = json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": true},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]}});
    let bytes = tokenizers::json("bytes.json", &json!({}));
    vec![
        of_json(&tokenizers::json("bytes.json", &split)).unwrap(),
        of_json(&tokenizers::json("pieces.json", &json!({}))).unwrap(),
        Tokenizer::open(folder().join("pieces.gguf")).unwrap(),
        of_gguf(&as_gguf(&bytes, "llama-bpe")),
        of_gguf(&as_gguf(&bytes, "tekken")),
        of_gguf(&as_gguf(&bytes, "default")),
    ]
}

thread_local! {
    static FAITHFUL: Vec<Arc<Tokenizer>> = faithful().into_iter().map(Arc::new).collect();
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_text_comes_back_as_it_was(text in "(\\PC|[ \n\t\r]|the |[0-9]|👍🏽){0,40}") {
        // To SentencePiece's vocabularies this letter is a space.
        let text = text.replace('▁', "_");
        FAITHFUL.with(|all| {
            for tokenizer in all {
                let tokens = tokenizer.encode(&text, Encode::TEXT).unwrap();
                prop_assert_eq!(&tokenizer.decode(&tokens), &text);
                let mut stream = TextStream::new(tokenizer);
                let mut streamed: String = tokens.iter().map(|token| stream.push(*token)).collect();
                streamed.push_str(&stream.finish());
                prop_assert_eq!(&streamed, &text);
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_letter_is_shown_when_it_is_whole() {
    let tokenizer = Arc::new(of_json(&tokenizers::json("bytes.json", &json!({}))).unwrap());
    let tokens = tokenizer.encode("🏳\u{fe0f}", Encode::TEXT).unwrap();
    assert!(tokens.len() > 2, "it is to be cut within letters");
    let mut stream = TextStream::new(&tokenizer);
    let shown: Vec<String> = tokens.iter().map(|token| stream.push(*token)).collect();
    assert_eq!(shown.concat(), "🏳\u{fe0f}");
    assert!(shown[..2].iter().all(String::is_empty), "{shown:?}");
    // What cannot become a letter any more is shown as such, and what never became one at the end.
    let letter = tokenizer.encode("a", Encode::TEXT).unwrap()[0];
    assert_eq!(stream.push(tokens[0]), "");
    assert_eq!(stream.push(letter), "\u{fffd}a");
    assert_eq!((stream.push(tokens[0]).as_str(), stream.finish().as_str()), ("", "\u{fffd}"));
}

#[test]
fn special_tokens_are_texts_or_tokens_as_asked() {
    let tokenizer = of_json(&tokenizers::json("bytes.json", &json!({}))).unwrap();
    let text = "a<|im_end|>b<tool>";
    let end = tokenizer.special("<|im_end|>").unwrap();
    let tool = tokenizer.special("<tool>").unwrap();
    let parsed = tokenizer.encode(text, CUT).unwrap();
    assert!(parsed.contains(&end) && parsed.contains(&tool));
    let plain = tokenizer.encode(text, Encode::TEXT).unwrap();
    assert!(!plain.contains(&end) && plain.contains(&tool));
    assert_eq!(tokenizer.decode(&plain), text);
    // A control token is no text; one that a user put in is.
    assert_eq!((tokenizer.decode(&parsed), tokenizer.decode_all(&parsed)), ("ab<tool>".into(), text.into()));
    assert_eq!(tokenizer.stops(), [0, end]);
    // A text that goes on keeps the space with which it begins.
    let pieces = Arc::new(Tokenizer::open(folder().join("pieces.gguf")).unwrap());
    let tokens = pieces.encode("the", Encode::TEXT).unwrap();
    let read = |mut stream: TextStream| tokens.iter().map(|token| stream.push(*token)).collect::<String>();
    assert_eq!(read(TextStream::new(&pieces)), "the");
    assert_eq!(read(TextStream::after_text(&pieces)), " the");
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    let refused = |set: Value| of_json(&tokenizers::json("bytes.json", &set)).unwrap_err().to_string();
    let split = |expression: &str| {
        json!({"pre_tokenizer": {"type": "Split", "behavior": "Isolated", "invert": false,
            "pattern": {"Regex": expression}}})
    };
    for (set, names) in [
        (split("\\w+"), "\\w+"),
        (json!({"normalizer": {"type": "Lowercase"}}), "Lowercase"),
        (json!({"pre_tokenizer": {"type": "Whitespace"}}), "Whitespace"),
        (json!({"decoder": {"type": "WordPiece"}}), "WordPiece"),
        (json!({"post_processor": {"type": "Odd"}}), "Odd"),
        (json!({"model.type": "Unigram"}), "Unigram"),
        (json!({"model.dropout": 0.1}), "at random"),
    ] {
        let message = refused(set);
        assert!(message.contains(names) && message.contains("ids"), "{message}");
    }
    let bytes = tokenizers::json("bytes.json", &json!({}));
    let gguf = |file: &[u8]| Tokenizer::of_gguf(&file, Path::new("model.gguf")).unwrap_err().to_string();
    assert!(gguf(&as_gguf(&bytes, "unheard-of")).contains("unheard-of"));
    let mut header = Header::default();
    header.text("general.architecture", "llama");
    assert!(gguf(&header.write()).contains("there is no tokenizer"));
    header.text("tokenizer.ggml.model", "rwkv");
    assert!(gguf(&header.write()).contains("rwkv"));
}

#[test]
fn damaged_and_missing_tokenizers_are_told_from_each_other() {
    let message = Tokenizer::open(folder().join("no-such-folder/model.safetensors")).unwrap_err().to_string();
    assert!(message.contains("there is no tokenizer"), "{message}");
    // A GGUF file without one may have it beside it.
    let beside = tempfile::tempdir().unwrap();
    let mut bare = Header::default();
    bare.text("general.architecture", "llama");
    std::fs::write(beside.path().join("m.gguf"), bare.write()).unwrap();
    assert!(Tokenizer::open(beside.path().join("m.gguf")).is_err());
    std::fs::copy(folder().join("bytes.json"), beside.path().join("tokenizer.json")).unwrap();
    assert_eq!(Tokenizer::open(beside.path().join("m.gguf")).unwrap().len(), 903);
    let broken = Tokenizer::of_json(b"{\"model\":", Path::new("tokenizer.json")).unwrap_err().to_string();
    assert!(broken.contains("damaged"), "{broken}");
    let mut header = Header::default();
    header.text("general.architecture", "llama");
    header.text("tokenizer.ggml.model", "gpt2");
    header.text("tokenizer.ggml.pre", "gpt-2");
    header.texts("tokenizer.ggml.tokens", ["a", "b", "ab"].into_iter());
    header.texts("tokenizer.ggml.merges", ["ab"].into_iter());
    let message = Tokenizer::of_gguf(&header.write(), Path::new("m.gguf")).unwrap_err().to_string();
    assert!(message.contains("\"ab\""), "{message}");
    let not_text = Tokenizer::text(b"ab\xff").unwrap_err().to_string();
    assert!(not_text.contains("byte 2"), "{not_text}");
    let tokenizer = Tokenizer::open(folder().join("pieces.gguf")).unwrap();
    let message = tokenizer.check(100, Path::new("m.gguf")).unwrap_err().to_string();
    assert!(message.contains("700") && message.contains("100"), "{message}");
    assert!(tokenizer.check(4096, Path::new("m.gguf")).is_ok());
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_file_with_some_bytes_changed_never_panics(
        changes in proptest::collection::vec((0_usize..16_000, proptest::num::u8::ANY), 1..4),
        json in proptest::bool::ANY,
    ) {
        let name = if json { "bytes.json" } else { "pieces.gguf" };
        let mut file = std::fs::read(folder().join(name)).unwrap();
        for (at, byte) in changes {
            let at = at % file.len();
            file[at] = byte;
        }
        let path = Path::new(name);
        let read = if json { Tokenizer::of_json(&file, path) } else { Tokenizer::of_gguf(&file, path) };
        if let Ok(tokenizer) = read {
            // Whatever it says, what can be opened can be used.
            if let Ok(tokens) = tokenizer.encode("The <tool> 日本 1234\n<|im_end|>", Encode::PROMPT) {
                prop_assert!(tokens.iter().all(|token| (*token as usize) < tokenizer.len()));
                drop(tokenizer.decode_all(&tokens));
            }
        }
    }
}
