//! Tokenizers out of GGUF's metadata.

use std::path::Path;

use plimsoll_kv::block::Token;
use plimsoll_plan::read::Source;
use plimsoll_plan::read::gguf::{Contents, Vocabulary};

use super::alphabet::Alphabet;
use super::error::TextError;
use super::hash::Table;
use super::lead::{Lead, SPACE};
use super::merges::{Merges, Start};
use super::pieces::{Fallback, Pieces, rank};
use super::special::{Special, Specials};
use super::split::{Splitter, Stage, apart, named};
use super::tokenizer::{Model, Tokenizer};
use super::word::{Kind, Word, byte_of};

/// Control tokens at which turns end, by the names that models give them: files often state only one of them.
pub(super) const STOPS: [&str; 9] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<end_of_turn>",
    "<|endofturn|>",
    "<EOT>",
];

/// What a header says of its tokenizer.
struct Header<'p> {
    contents: Contents,
    path: &'p Path,
    tokens: Token,
}

/// Reads a file's tokenizer.
pub(super) fn read(source: &dyn Source, path: &Path) -> Result<Tokenizer, TextError> {
    let contents = Contents::read(source, path)?;
    let kind = contents.text("tokenizer.ggml.model").unwrap_or("none").to_owned();
    let missing = |missing: &str| TextError::Missing { path: path.to_owned(), missing: missing.to_owned() };
    if kind == "none" || kind == "no_vocab" {
        return Err(missing("the file has no tokenizer.ggml.model"));
    }
    if kind != "llama" && kind != "gpt2" {
        return Err(TextError::Feature { path: path.to_owned(), what: format!("the kind {kind:?}") });
    }
    let vocabulary = Vocabulary::read(source, path)?;
    if vocabulary.tokens.is_empty() {
        return Err(missing("the file has no tokenizer.ggml.tokens"));
    }
    let tokens = Token::try_from(vocabulary.tokens.len()).unwrap_or(Token::MAX);
    let header = Header { contents, path, tokens };
    for (name, count) in [("scores", vocabulary.scores.len()), ("token_type", vocabulary.kinds.len())] {
        if count != 0 && count != vocabulary.tokens.len() {
            return Err(header.damaged(format!("{tokens} tokens and {count} of tokenizer.ggml.{name}")));
        }
    }
    if kind == "llama" { header.pieces(&vocabulary) } else { header.merges(&vocabulary) }
}

impl Header<'_> {
    fn damaged(&self, what: String) -> TextError {
        TextError::Damaged { path: self.path.to_owned(), what }
    }

    /// A token by its key.
    fn token(&self, key: &str) -> Result<Option<Token>, TextError> {
        let Some(number) = self.contents.number(key) else { return Ok(None) };
        match Token::try_from(number) {
            Ok(token) if token < self.tokens => Ok(Some(token)),
            // What programs write for none.
            _ if number == u64::from(u32::MAX) => Ok(None),
            _ => Err(self.damaged(format!("{key} is {number}, and there are {} tokens", self.tokens))),
        }
    }

    fn flag(&self, key: &str, otherwise: bool) -> bool {
        self.contents.number(key).map_or(otherwise, |flag| flag != 0)
    }

    /// `SentencePiece`'s.
    fn pieces(&self, vocabulary: &Vocabulary) -> Result<Tokenizer, TextError> {
        if vocabulary.scores.is_empty() {
            return Err(self.damaged("tokenizer.ggml.scores is missing".to_owned()));
        }
        let words = words(vocabulary, |text, kind| match (kind, byte_of(text)) {
            (Kind::Byte, Some(byte)) => Box::new([byte]),
            (Kind::Normal, _) => text.replace(SPACE, " ").into_bytes().into(),
            _ => text.as_bytes().into(),
        });
        let mut by_text = Table::default();
        let mut bytes: Vec<Option<Token>> = vec![None; 256];
        for ((id, word), score) in (0..).zip(&words).zip(&vocabulary.scores) {
            match word.kind {
                Kind::Normal => {
                    by_text.entry(word.bytes.clone()).or_insert((id, rank(*score)));
                }
                Kind::Byte if word.bytes.len() == 1 => bytes[usize::from(word.bytes[0])] = Some(id),
                _ => {}
            }
        }
        let stages = if apart(by_text.keys().map(|text| &**text)) { vec![Stage::Gaps] } else { Vec::new() };
        let longest = by_text.keys().map(|text| text.len()).max().unwrap_or(0);
        let bytes: Option<Vec<Token>> = bytes.into_iter().collect();
        let fallback = Fallback {
            bytes: bytes.and_then(|bytes| bytes.try_into().ok()),
            unknown: self
                .token("tokenizer.ggml.unknown_token_id")?
                .or_else(|| of_kind(&words, Kind::Unknown)),
            fused: true,
        };
        let prefix = self.flag("tokenizer.ggml.add_space_prefix", true);
        let model = Model::Pieces(Pieces { by_text, longest, fallback });
        // What the format means where a file says nothing.
        let (first, last) = (Some(1), Some(2));
        let tokenizer = self.tokenizer(vocabulary, words, model, (first, last), true)?;
        let lead = if prefix { Lead::Each } else { Lead::Never };
        let splitter = Splitter { stages };
        Ok(Tokenizer { spaced: true, lead, strips: prefix, splitter, ..tokenizer })
    }

    /// GPT-2's.
    fn merges(&self, vocabulary: &Vocabulary) -> Result<Tokenizer, TextError> {
        let pre = self.contents.text("tokenizer.ggml.pre").unwrap_or("default");
        let Some(named) = named(pre) else {
            let what = format!("the pre-tokenizer {pre:?}");
            return Err(TextError::Feature { path: self.path.to_owned(), what });
        };
        if vocabulary.merges.is_empty() {
            return Err(self.damaged("tokenizer.ggml.merges is missing".to_owned()));
        }
        let alphabet = Alphabet::new();
        let words = words(vocabulary, |text, kind| {
            let bytes = if kind == Kind::Normal { alphabet.bytes(text) } else { None };
            bytes.unwrap_or_else(|| text.as_bytes().into())
        });
        let mut learner = Learner::new(&words);
        for (rank, merge) in (0..).zip(&vocabulary.merges) {
            // A space stands for itself nowhere but between the two.
            let two = merge
                .split_once(' ')
                .and_then(|(left, right)| Some((alphabet.bytes(left)?, alphabet.bytes(right)?)));
            let Some((left, right)) = two.filter(|(left, right)| !left.is_empty() && !right.is_empty())
            else {
                return Err(self.damaged(format!("the merge {merge:?} is not of two texts")));
            };
            learner.learn(rank, &left, &right);
        }
        let start = learner.bytes();
        let model = Model::Merges(Merges {
            pairs: learner.pairs,
            by_text: learner.by_text,
            start: Start::Bytes(start),
            whole: named.whole,
            tokens: self.tokens,
        });
        let tokenizer = self.tokenizer(vocabulary, words, model, (None, None), named.first)?;
        Ok(Tokenizer { splitter: named.splitter, ..tokenizer })
    }

    /// What both kinds have. `ends` are the tokens around texts where the file does not name them, and `begins` says
    /// whether the first one is put there where it does not say so.
    fn tokenizer(
        &self,
        vocabulary: &Vocabulary,
        words: Vec<Word>,
        model: Model,
        ends: (Option<Token>, Option<Token>),
        begins: bool,
    ) -> Result<Tokenizer, TextError> {
        let within = |token: Option<Token>| token.filter(|token| *token < self.tokens);
        let first = self.token("tokenizer.ggml.bos_token_id")?.or(within(ends.0));
        let last = self.token("tokenizer.ggml.eos_token_id")?.or(within(ends.1));
        let mut specials = Specials::new();
        for ((id, word), text) in (0..).zip(&words).zip(&vocabulary.tokens) {
            if matches!(word.kind, Kind::Control | Kind::User | Kind::Unknown) {
                let strips = (false, false);
                let special = Special { id, kind: word.kind, strip_before: strips.0, strip_behind: strips.1 };
                specials.insert(text, special);
            }
        }
        let mut stops: Vec<Token> = last.into_iter().collect();
        for key in ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
            stops.extend(self.token(key)?);
        }
        stops.extend(STOPS.iter().filter_map(|name| specials.token(name)));
        stops.sort_unstable();
        stops.dedup();
        let around = |key: &str, otherwise, token: Option<Token>| {
            token.filter(|_| self.flag(key, otherwise)).into_iter().collect()
        };
        Ok(Tokenizer {
            before: around("tokenizer.ggml.add_bos_token", begins, first),
            behind: around("tokenizer.ggml.add_eos_token", false, last),
            words,
            specials,
            form: None,
            spaced: false,
            lead: Lead::Never,
            strips: false,
            splitter: Splitter::default(),
            model,
            first,
            last,
            stops,
        })
    }
}

fn words(vocabulary: &Vocabulary, bytes: impl Fn(&str, Kind) -> Box<[u8]>) -> Vec<Word> {
    let kind = |index: usize| vocabulary.kinds.get(index).map_or(Kind::Normal, |kind| Kind::of_gguf(*kind));
    let tokens = vocabulary.tokens.iter().enumerate();
    tokens.map(|(index, text)| Word { bytes: bytes(text, kind(index)), kind: kind(index) }).collect()
}

fn of_kind(words: &[Word], kind: Kind) -> Option<Token> {
    words.iter().position(|word| word.kind == kind).and_then(|index| Token::try_from(index).ok())
}

/// Numbers symbols while merges are read. What merges make on the way to tokens and is none gets a number behind those.
pub(super) struct Learner {
    pub(super) by_text: Table<Box<[u8]>, Token>,
    pub(super) pairs: Table<(u32, u32), (u32, u32)>,
    between: Table<Box<[u8]>, u32>,
    next: u32,
}

impl Learner {
    pub(super) fn new(words: &[Word]) -> Self {
        let mut by_text = Table::default();
        for (id, word) in (0..).zip(words) {
            if matches!(word.kind, Kind::Normal | Kind::User) {
                by_text.entry(word.bytes.clone()).or_insert(id);
            }
        }
        let next = u32::try_from(words.len()).unwrap_or(u32::MAX);
        Self { by_text, pairs: Table::default(), between: Table::default(), next }
    }

    /// Two texts become one; the lowest rank first.
    pub(super) fn learn(&mut self, rank: u32, left: &[u8], right: &[u8]) {
        let pair = (self.symbol(left), self.symbol(right));
        let joined = self.symbol(&[left, right].concat());
        self.pairs.entry(pair).or_insert((rank, joined));
    }

    fn symbol(&mut self, text: &[u8]) -> u32 {
        if let Some(known) = self.by_text.get(text).or_else(|| self.between.get(text)) {
            return *known;
        }
        let id = self.next;
        self.next = self.next.saturating_add(1);
        self.between.insert(text.into(), id);
        id
    }

    /// The symbol of each byte.
    pub(super) fn bytes(&mut self) -> Box<[u32; 256]> {
        let mut symbols = Box::new([0; 256]);
        for (byte, symbol) in (0..=u8::MAX).zip(symbols.iter_mut()) {
            *symbol = self.symbol(&[byte]);
        }
        symbols
    }
}
