//! Tokens to text, one by one.

use std::sync::Arc;

use plimsoll_kv::block::Token;

use super::Tokenizer;

/// Text as it comes. A letter may be cut into several tokens; what is no whole letter yet is held back.
#[derive(Debug)]
pub struct TextStream {
    tokenizer: Arc<Tokenizer>,
    held: Vec<u8>,
    /// Whether the text has not begun yet.
    begins: bool,
}

impl TextStream {
    /// A text of its own.
    pub fn new(tokenizer: &Arc<Tokenizer>) -> Self {
        Self { tokenizer: Arc::clone(tokenizer), held: Vec::new(), begins: true }
    }

    /// What goes on from another text: a space with which it begins is its own.
    pub fn after_text(tokenizer: &Arc<Tokenizer>) -> Self {
        Self { begins: false, ..Self::new(tokenizer) }
    }

    /// What can be shown, now that this token is here. Bytes that can be no letter any more become U+FFFD.
    pub fn push(&mut self, token: Token) -> String {
        let mut piece = self.tokenizer.bytes(token);
        if self.begins && !piece.is_empty() {
            if self.tokenizer.strips() {
                piece = piece.strip_prefix(b" ").unwrap_or(piece);
            }
            self.begins = false;
        }
        self.held.extend(piece);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.held) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.held.clear();
                    return text;
                }
                Err(error) => {
                    let (good, bad) = (error.valid_up_to(), error.error_len());
                    text.push_str(&String::from_utf8_lossy(&self.held[..good]));
                    let Some(bad) = bad else {
                        self.held.drain(..good);
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.held.drain(..good + bad);
                }
            }
        }
    }

    /// What was held back, now that nothing follows.
    pub fn finish(&mut self) -> String {
        let rest = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        rest
    }
}
