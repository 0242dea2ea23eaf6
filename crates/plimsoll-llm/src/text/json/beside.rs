//! What the files beside a `tokenizer.json` say of the ends of texts.

use std::path::Path;

use plimsoll_kv::block::Token;
use serde::Deserialize;

use crate::text::{TextError, Tokenizer};

/// The longest of them.
const FILE_MAX: u64 = 4 << 20;

/// What is said, by the first file that says it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Beside {
    #[serde(default)]
    bos_token_id: Option<Tokens>,
    #[serde(default)]
    eos_token_id: Option<Tokens>,
}

/// One token or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Tokens {
    One(Token),
    Several(Vec<Token>),
}

impl Tokens {
    fn list(&self) -> &[Token] {
        match self {
            Self::One(token) => std::slice::from_ref(token),
            Self::Several(tokens) => tokens,
        }
    }
}

impl Beside {
    /// Reads the files beside this one. Those that are not there say nothing.
    pub(super) fn read(path: &Path) -> Result<Self, TextError> {
        let mut all = Self::default();
        for name in ["generation_config.json", "config.json"] {
            let beside = path.with_file_name(name);
            if !std::fs::metadata(&beside).is_ok_and(|about| about.is_file() && about.len() <= FILE_MAX) {
                continue;
            }
            let damaged = |what: String| TextError::Damaged { path: beside.clone(), what };
            let text = std::fs::read(&beside).map_err(|error| damaged(error.to_string()))?;
            let found: Self = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
            all.bos_token_id = all.bos_token_id.or(found.bos_token_id);
            all.eos_token_id = all.eos_token_id.or(found.eos_token_id);
        }
        Ok(all)
    }

    /// Tells a tokenizer. Numbers of tokens that it has not are no tokens of its texts.
    pub(super) fn apply(&self, tokenizer: &mut Tokenizer) {
        let known = |token: &Token| (*token as usize) < tokenizer.words.len();
        let ends: Vec<Token> =
            self.eos_token_id.iter().flat_map(Tokens::list).copied().filter(known).collect();
        let first =
            self.bos_token_id.as_ref().and_then(|tokens| tokens.list().first().copied()).filter(known);
        tokenizer.first = tokenizer.first.or(first);
        tokenizer.last = tokenizer.last.or(ends.first().copied());
        tokenizer.stops.extend(ends);
        tokenizer.stops.sort_unstable();
        tokenizer.stops.dedup();
    }
}
