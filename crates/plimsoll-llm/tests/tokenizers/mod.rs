//! The tokenizers of this folder, as files of either kind.

#![allow(dead_code, reason = "each test uses its share")]
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "what is here is small and whole")]

use std::path::{Path, PathBuf};

use plimsoll_llm::text::{TextError, Tokenizer};
use serde_json::Value;

pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tokenizers"))
}

/// One of the files as JSON, changed: a key like `model.ignore_merges` is within another.
pub fn json(name: &str, set: &Value) -> Value {
    let mut file: Value = serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap();
    for (key, value) in set.as_object().unwrap() {
        let pointer = format!("/{}", key.replace('.', "/"));
        match file.pointer_mut(&pointer) {
            Some(place) => *place = value.clone(),
            None => panic!("{key} is not in {name}"),
        }
    }
    file
}

pub fn of_json(file: &Value) -> Result<Tokenizer, TextError> {
    Tokenizer::of_json(file.to_string().as_bytes(), Path::new("tokenizer.json"))
}

/// The byte-level vocabulary of a `tokenizer.json` in the keys of GGUF.
pub fn as_gguf(file: &Value, pre: &str) -> Vec<u8> {
    let added = file["added_tokens"].as_array().unwrap();
    let mut words: Vec<(u64, String, i32)> = Vec::new();
    for (text, id) in file["model"]["vocab"].as_object().unwrap() {
        words.push((id.as_u64().unwrap(), text.clone(), 1));
    }
    for token in added {
        let id = token["id"].as_u64().unwrap();
        words.retain(|word| word.0 != id);
        let kind = if token["special"] == true { 3 } else { 4 };
        words.push((id, token["content"].as_str().unwrap().to_owned(), kind));
    }
    words.sort();
    let merges = file["model"]["merges"].as_array().unwrap();
    let mut gguf = Header::default();
    gguf.text("general.architecture", "llama");
    gguf.text("tokenizer.ggml.model", "gpt2");
    gguf.text("tokenizer.ggml.pre", pre);
    gguf.texts("tokenizer.ggml.tokens", words.iter().map(|word| word.1.as_str()));
    gguf.kinds(words.iter().map(|word| word.2));
    gguf.texts("tokenizer.ggml.merges", merges.iter().map(|merge| merge.as_str().unwrap()));
    gguf.number("tokenizer.ggml.bos_token_id", 0);
    gguf.number("tokenizer.ggml.eos_token_id", 0);
    gguf.write()
}

/// Keys of a GGUF file without tensors.
#[derive(Default)]
pub struct Header {
    count: u64,
    bytes: Vec<u8>,
}

impl Header {
    fn put(&mut self, text: &str) {
        self.bytes.extend((text.len() as u64).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn key(&mut self, key: &str, kind: u32) {
        self.count += 1;
        self.put(key);
        self.bytes.extend(kind.to_le_bytes());
    }

    pub fn text(&mut self, key: &str, text: &str) {
        self.key(key, 8);
        self.put(text);
    }

    pub fn number(&mut self, key: &str, number: u32) {
        self.key(key, 4);
        self.bytes.extend(number.to_le_bytes());
    }

    pub fn texts<'t>(&mut self, key: &str, texts: impl Iterator<Item = &'t str>) {
        let texts: Vec<&str> = texts.collect();
        self.key(key, 9);
        self.bytes.extend(8_u32.to_le_bytes());
        self.bytes.extend((texts.len() as u64).to_le_bytes());
        for text in texts {
            self.put(text);
        }
    }

    pub fn kinds(&mut self, kinds: impl Iterator<Item = i32>) {
        let kinds: Vec<i32> = kinds.collect();
        self.key("tokenizer.ggml.token_type", 9);
        self.bytes.extend(5_u32.to_le_bytes());
        self.bytes.extend((kinds.len() as u64).to_le_bytes());
        self.bytes.extend(kinds.iter().flat_map(|kind| kind.to_le_bytes()));
    }

    pub fn write(&self) -> Vec<u8> {
        let head = [&b"GGUF\x03\0\0\0"[..], &0_u64.to_le_bytes(), &self.count.to_le_bytes()].concat();
        [head, self.bytes.clone()].concat()
    }
}
