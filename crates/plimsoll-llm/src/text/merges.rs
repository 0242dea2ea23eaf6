//! Vocabularies of merges: which two symbols become one, in the order in which that was learnt.

use plimsoll_kv::block::Token;

use super::error::TextError;
use super::hash::Table;
use super::join::Chain;
use super::pieces::{Fallback, UNKNOWN};

/// Such a vocabulary.
#[derive(Debug)]
pub(super) struct Merges {
    /// Two symbols: when they are joined, and what they become.
    pub(super) pairs: Table<(u32, u32), (u32, u32)>,
    /// Tokens by their bytes.
    pub(super) by_text: Table<Box<[u8]>, Token>,
    pub(super) start: Start,
    /// Whether a word that is a token is not cut, whatever the merges say.
    pub(super) whole: bool,
    /// How many tokens there are. Symbols from here on are merges on the way to others, and no tokens.
    pub(super) tokens: u32,
}

/// What a word is before anything is joined.
#[derive(Debug)]
pub(super) enum Start {
    /// Bytes, each a symbol.
    Bytes(Box<[u32; 256]>),
    /// Letters, with what stands for those that have no symbol.
    Letters(Fallback),
}

impl Merges {
    /// Cuts a word.
    pub(super) fn cut(&self, word: &str, chain: &mut Chain, into: &mut Vec<Token>) -> Result<(), TextError> {
        if self.whole
            && let Some(token) = self.by_text.get(word.as_bytes())
        {
            into.push(*token);
            return Ok(());
        }
        chain.clear();
        match &self.start {
            Start::Bytes(symbols) => {
                for (at, byte) in word.bytes().enumerate() {
                    chain.push(symbols[usize::from(byte)], at, at + 1);
                }
            }
            Start::Letters(fallback) => {
                for (at, letter) in word.char_indices() {
                    let end = at + letter.len_utf8();
                    match (self.by_text.get(&word.as_bytes()[at..end]), &fallback.bytes) {
                        (Some(token), _) => chain.push(*token, at, end),
                        (None, Some(bytes)) => (at..end).for_each(|at| {
                            chain.push(bytes[usize::from(word.as_bytes()[at])], at, at + 1);
                        }),
                        (None, None) => chain.push(UNKNOWN, at, end),
                    }
                }
            }
        }
        chain.join(|left, right| self.pairs.get(&(left.id, right.id)).copied());
        let from = into.len();
        for symbol in chain.symbols() {
            let part = &word.as_bytes()[symbol.start as usize..symbol.end as usize];
            match (&self.start, symbol.id) {
                (_, id) if id < self.tokens => into.push(id),
                (Start::Letters(fallback), UNKNOWN) => fallback.unknown(part, into, from)?,
                (Start::Letters(_), _) => return Err(TextError::Letter { what: lossy(part) }),
                (Start::Bytes(symbols), _) => {
                    for byte in part {
                        let id = symbols[usize::from(*byte)];
                        if id >= self.tokens {
                            return Err(TextError::Letter { what: lossy(part) });
                        }
                        into.push(id);
                    }
                }
            }
        }
        Ok(())
    }
}

fn lossy(part: &[u8]) -> String {
    String::from_utf8_lossy(part).into_owned()
}
