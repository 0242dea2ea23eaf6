//! `SentencePiece`'s vocabularies: pieces with scores, of which the best is joined first.

use plimsoll_kv::block::Token;

use super::error::TextError;
use super::hash::Table;
use super::join::Chain;

/// The symbol of what has no token.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// Such a vocabulary.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Tokens by their bytes, with when they are joined: the lowest first.
    pub(super) by_text: Table<Box<[u8]>, (Token, u32)>,
    /// The length of the longest.
    pub(super) longest: usize,
    pub(super) fallback: Fallback,
}

/// What stands for letters that have no token.
#[derive(Clone, Debug, Default)]
pub(super) struct Fallback {
    /// Their bytes, each a token.
    pub(super) bytes: Option<Box<[Token; 256]>>,
    /// One token for all.
    pub(super) unknown: Option<Token>,
    /// Whether several in a row are one.
    pub(super) fused: bool,
}

impl Fallback {
    /// Writes what stands for a letter; the word's tokens begin at `from`.
    pub(super) fn unknown(&self, letter: &[u8], into: &mut Vec<Token>, from: usize) -> Result<(), TextError> {
        match (&self.bytes, self.unknown) {
            (Some(bytes), _) => into.extend(letter.iter().map(|byte| bytes[usize::from(*byte)])),
            (None, Some(unknown)) => {
                let again = into.len() > from && into.last() == Some(&unknown);
                if !(self.fused && again) {
                    into.push(unknown);
                }
            }
            (None, None) => {
                return Err(TextError::Letter { what: String::from_utf8_lossy(letter).into_owned() });
            }
        }
        Ok(())
    }
}

/// When a piece with this score is joined: the highest score first.
pub(super) fn rank(score: f32) -> u32 {
    let bits = score.to_bits();
    // The order of singles as that of whole numbers, turned around.
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    !ascending
}

impl Pieces {
    /// Cuts a word, or a whole text.
    pub(super) fn cut(&self, word: &str, chain: &mut Chain, into: &mut Vec<Token>) -> Result<(), TextError> {
        let bytes = word.as_bytes();
        let token = |part: &[u8]| self.by_text.get(part).copied();
        chain.clear();
        for (at, letter) in word.char_indices() {
            let end = at + letter.len_utf8();
            chain.push(token(&bytes[at..end]).map_or(UNKNOWN, |(token, _)| token), at, end);
        }
        chain.join(|left, right| {
            let part = &bytes[left.start as usize..right.end as usize];
            let (token, rank) = if part.len() <= self.longest { token(part)? } else { return None };
            Some((rank, token))
        });
        let from = into.len();
        for symbol in chain.symbols() {
            match symbol.id {
                UNKNOWN => {
                    let letter = &bytes[symbol.start as usize..symbol.end as usize];
                    self.fallback.unknown(letter, into, from)?;
                }
                token => into.push(token),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_scores_rank_lower() {
        let scores = [f32::NEG_INFINITY, -1e9, -2.0, -1.0, -0.0, 0.0, 0.5, 3.0];
        assert!(scores.windows(2).all(|two| rank(two[0]) > rank(two[1])));
    }
}
