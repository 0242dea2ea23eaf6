//! What stands in a `tokenizer.json`.

use std::collections::HashMap;

use plimsoll_kv::block::Token;
use serde::Deserialize;
use serde_json::Value;

/// The parts that are used.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) model: Part,
    #[serde(default)]
    pub(super) added_tokens: Vec<Added>,
    #[serde(default)]
    pub(super) normalizer: Value,
    #[serde(default)]
    pub(super) pre_tokenizer: Value,
    #[serde(default)]
    pub(super) post_processor: Value,
    #[serde(default)]
    pub(super) decoder: Value,
}

/// The vocabulary.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    pub(super) vocab: HashMap<String, Token>,
    pub(super) merges: Vec<Merge>,
    #[serde(default)]
    pub(super) unk_token: Option<String>,
    #[serde(default)]
    pub(super) fuse_unk: bool,
    #[serde(default)]
    pub(super) byte_fallback: bool,
    #[serde(default)]
    pub(super) ignore_merges: bool,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    dropout: Option<f64>,
}

impl Part {
    /// What it asks for that is not done.
    pub(super) fn odd(&self) -> Option<&'static str> {
        let is = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if is(&self.continuing_subword_prefix) {
            return Some("a prefix of words' later parts");
        }
        if is(&self.end_of_word_suffix) {
            return Some("a suffix of words' last parts");
        }
        self.dropout.is_some_and(|share| share > 0.0).then_some("merges that are left out at random")
    }
}

/// A merge, in either of the ways in which they are written.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Merge {
    /// Two texts with a space between.
    One(String),
    /// Two texts.
    Two(String, String),
}

impl Merge {
    pub(super) fn two(&self) -> Option<(&str, &str)> {
        match self {
            Self::One(text) => text.split_once(' '),
            Self::Two(left, right) => Some((left, right)),
        }
    }
}

/// A token that is found before anything else is done to a text.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the format's own")]
pub(super) struct Added {
    pub(super) id: Token,
    pub(super) content: String,
    #[serde(default)]
    pub(super) single_word: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    #[serde(default)]
    pub(super) special: bool,
}

/// The kind of its model; older files do not say so, and were of one kind.
pub(super) fn kind(text: &[u8]) -> Result<String, serde_json::Error> {
    #[derive(Deserialize)]
    struct Outer {
        model: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        #[serde(default, rename = "type")]
        kind: Option<String>,
    }
    let outer: Outer = serde_json::from_slice(text)?;
    Ok(outer.model.kind.unwrap_or_else(|| "BPE".to_owned()))
}
