//! A tokenizer that another program lends: for files that ask for what is not done here.

use std::fmt;

use plimsoll_kv::block::Token;

use super::error::TextError;
use super::lead::Lead;
use super::special::{Special, Specials};
use super::split::Splitter;
use super::tokenizer::{Model, Tokenizer};
use super::word::{Kind, Word};

/// Cuts texts into a vocabulary's tokens.
pub trait Cutter: fmt::Debug + Send + Sync {
    /// The tokens of a text, in which nothing stands for a token; with those around it that the model wants, or without. An
    /// error says why there are none.
    fn cut(&self, text: &str, ends: bool) -> Result<Vec<Token>, String>;
}

/// What sort of token one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LentKind {
    /// A piece of text.
    Text,
    /// A piece of text that is always one token.
    User,
    /// Says something about a text and is none.
    Control,
    /// Stands for what has no token.
    Unknown,
}

/// One token of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LentWord {
    /// What it adds to a text; the name of one that is no text.
    pub bytes: Vec<u8>,
    /// What sort it is.
    pub kind: LentKind,
    /// Whether a text ends at it.
    pub stops: bool,
}

impl Tokenizer {
    /// Over a vocabulary, with another program's way of cutting. `first` and `last` are the tokens that texts begin and end with.
    /// Tokens that stand in a text as texts are found here, so that a stranger's text can name none.
    pub fn lent(
        words: Vec<LentWord>,
        (first, last): (Option<Token>, Option<Token>),
        cutter: Box<dyn Cutter>,
    ) -> Result<Self, TextError> {
        let cut = |ends| cutter.cut("a", ends).map_err(|what| TextError::Lent { what });
        let (alone, whole) = (cut(false)?, cut(true)?);
        let at = (0..=whole.len().saturating_sub(alone.len())).find(|at| whole[*at..].starts_with(&alone));
        let at = at.filter(|_| !alone.is_empty()).ok_or_else(|| TextError::Lent {
            what: "it cuts a text otherwise when there are tokens around it".to_owned(),
        })?;
        let (before, behind) = (whole[..at].to_vec(), whole[at + alone.len()..].to_vec());
        let spaced = alone.first().and_then(|token| words.get(*token as usize));
        let strips = spaced.is_some_and(|word| word.bytes.starts_with(b" "));
        let mut specials = Specials::new();
        let mut stops: Vec<Token> = last.into_iter().collect();
        let mut kept = Vec::with_capacity(words.len());
        for (id, word) in (0..).zip(words) {
            let kind = match word.kind {
                LentKind::Text => Kind::Normal,
                LentKind::User => Kind::User,
                LentKind::Control => Kind::Control,
                LentKind::Unknown => Kind::Unknown,
            };
            if let (true, Ok(text)) = (kind != Kind::Normal, std::str::from_utf8(&word.bytes)) {
                specials.insert(text, Special { id, kind, strip_before: false, strip_behind: false });
            }
            if word.stops {
                stops.push(id);
            }
            kept.push(Word { bytes: word.bytes.into(), kind });
        }
        stops.sort_unstable();
        stops.dedup();
        Ok(Self {
            words: kept,
            specials,
            form: None,
            spaced: false,
            lead: Lead::Never,
            strips,
            splitter: Splitter::default(),
            model: Model::Lent(cutter),
            before,
            behind,
            first,
            last,
            stops,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Encode;

    /// A token a letter, with one before each text.
    #[derive(Debug)]
    struct Letters;

    impl Cutter for Letters {
        fn cut(&self, text: &str, ends: bool) -> Result<Vec<Token>, String> {
            let first = if ends { vec![2] } else { Vec::new() };
            let token = |letter: char| match letter {
                'a' => Ok(0),
                'b' => Ok(1),
                other => Err(format!("no token for {other:?}")),
            };
            text.chars().map(token).try_fold(first, |mut all, token| {
                all.push(token?);
                Ok(all)
            })
        }
    }

    fn lent() -> Tokenizer {
        let word = |text: &str, kind, stops| LentWord { bytes: text.as_bytes().to_vec(), kind, stops };
        let words = vec![
            word("a", LentKind::Text, false),
            word("b", LentKind::Text, false),
            word("<s>", LentKind::Control, false),
            word("<end>", LentKind::Control, true),
        ];
        Tokenizer::lent(words, (Some(2), None), Box::new(Letters)).unwrap()
    }

    #[test]
    fn texts_are_cut_by_whoever_lends_and_tokens_in_them_found_here() {
        let tokenizer = lent();
        assert_eq!(tokenizer.encode("ab<end>a", Encode::PROMPT).unwrap(), [2, 0, 1, 3, 0]);
        assert_eq!(tokenizer.encode("ba", Encode::TEXT).unwrap(), [1, 0]);
        assert_eq!((tokenizer.stops(), tokenizer.first()), (&[3][..], Some(2)));
        assert_eq!(tokenizer.decode(&[2, 1, 0, 3]), "ba");
        let error = tokenizer.encode("a<end>", Encode::TEXT).unwrap_err();
        assert!(error.to_string().contains("no token for '<'"), "{error}");
    }
}
