//! Text to tokens and back.

use std::borrow::Cow;
use std::path::Path;

use plimsoll_kv::block::Token;
use plimsoll_plan::read::{FileSource, Source};

use super::error::TextError;
use super::join::Chain;
use super::lead::{Lead, SPACE};
use super::lent::Cutter;
use super::merges::Merges;
use super::normal::Form;
use super::pieces::Pieces;
use super::special::{Part, Specials};
use super::split::Splitter;
use super::word::Word;
use super::{gguf, json};

/// The longest text that is cut at once. Its symbols take some twenty times as much.
const TEXT_MAX: usize = 1 << 30;

/// A model's tokenizer.
///
/// # What it is not
/// It knows no chat templates (that is [`Chat`](super::Chat)), and cuts one text at a time. What a file's tokenizer asks for that is not done here is
/// refused when it is opened.
///
/// # Example
/// ```no_run
/// use plimsoll_llm::text::{Encode, Tokenizer};
/// let tokenizer = Tokenizer::open("model.gguf")?;
/// let tokens = tokenizer.encode("The borrow checker", Encode::PROMPT)?;
/// assert_eq!(tokenizer.decode(&tokens), "The borrow checker");
/// # Ok::<(), plimsoll_llm::text::TextError>(())
/// ```
#[derive(Debug)]
pub struct Tokenizer {
    pub(super) words: Vec<Word>,
    pub(super) specials: Specials,
    pub(super) form: Option<Form>,
    /// Whether spaces stand as [`SPACE`] in the vocabulary. Its words have them as spaces again, and so has every text: a
    /// letter [`SPACE`] in a text is a space to such a tokenizer.
    pub(super) spaced: bool,
    pub(super) lead: Lead,
    /// Whether decoding takes the space off again that `lead` puts before a text.
    pub(super) strips: bool,
    pub(super) splitter: Splitter,
    pub(super) model: Model,
    /// Tokens that prompts begin and end with.
    pub(super) before: Vec<Token>,
    pub(super) behind: Vec<Token>,
    pub(super) first: Option<Token>,
    /// The token that texts end with, if there is one.
    pub(super) last: Option<Token>,
    pub(super) stops: Vec<Token>,
}

/// How words become tokens.
#[derive(Debug)]
pub(super) enum Model {
    Merges(Merges),
    Pieces(Pieces),
    /// Another program's.
    Lent(Box<dyn Cutter>),
}

/// What is to be done with a text besides cutting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encode {
    /// Put the tokens around it that the model's file asks for: most often one that begins it.
    pub ends: bool,
    /// Take texts like `<|im_end|>` for the tokens that they name. Not for texts of strangers: they could end a turn.
    pub specials: bool,
}

impl Encode {
    /// A prompt: both.
    pub const PROMPT: Self = Self { ends: true, specials: true };
    /// A piece of text: neither.
    pub const TEXT: Self = Self { ends: false, specials: false };
}

impl Tokenizer {
    /// Reads that of a model: a GGUF file, a `tokenizer.json`, or a folder or file with one beside it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TextError> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() {
            return json::open(&path.join("tokenizer.json"), path);
        }
        if extension == "safetensors" || path.to_string_lossy().ends_with(".index.json") {
            return json::open(&path.with_file_name("tokenizer.json"), path);
        }
        if extension == "json" {
            return json::open(path, path);
        }
        let source = FileSource::open(path)?;
        let beside = path.with_file_name("tokenizer.json");
        match Self::of_gguf(&source, path) {
            Err(TextError::Missing { .. }) if beside.is_file() => json::open(&beside, path),
            read => read,
        }
    }

    /// Reads that of a GGUF file's header. `path` is what messages call it.
    pub fn of_gguf(source: &dyn Source, path: &Path) -> Result<Self, TextError> {
        gguf::read(source, path)
    }

    /// Reads a `tokenizer.json` of Hugging Face. `path` is what messages call it.
    pub fn of_json(text: &[u8], path: &Path) -> Result<Self, TextError> {
        json::read(text, path)
    }

    /// Refuses a model whose vocabulary is smaller. A larger one is padded, as many are.
    pub fn check(&self, vocabulary: usize, path: &Path) -> Result<(), TextError> {
        if self.words.len() <= vocabulary {
            return Ok(());
        }
        Err(TextError::Other { path: path.to_owned(), tokens: self.words.len(), vocabulary })
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// What it takes in memory, about: its words twice, to be found by number and by text, and its merges.
    pub fn memory_bytes(&self) -> u64 {
        let texts: usize = self.words.iter().map(|word| word.bytes.len()).sum();
        let (found, merges) = match &self.model {
            Model::Merges(merges) => (merges.by_text.capacity(), merges.pairs.capacity()),
            Model::Pieces(pieces) => (pieces.by_text.capacity(), 0),
            Model::Lent(_) => (0, 0),
        };
        // A word is 24 bytes here and in its table, a pair 16; the allocator adds its own to each text.
        (self.words.len() * 40 + 2 * texts + found * 40 + merges * 17) as u64
    }

    /// The token that texts begin with, if there is one.
    pub const fn first(&self) -> Option<Token> {
        self.first
    }

    /// Tokens at which a text ends.
    pub fn stops(&self) -> &[Token] {
        &self.stops
    }

    /// The token that a text like `<|im_end|>` names.
    pub fn special(&self, text: &str) -> Option<Token> {
        self.specials.token(text)
    }

    /// Bytes as the text that they must be.
    pub fn text(bytes: &[u8]) -> Result<&str, TextError> {
        std::str::from_utf8(bytes).map_err(|error| TextError::NotUtf8 { at: error.valid_up_to() })
    }

    /// Cuts a text into tokens.
    pub fn encode(&self, text: &str, how: Encode) -> Result<Vec<Token>, TextError> {
        self.encode_guarded(text, how, &[])
    }

    /// The same with places, in order, where no token begins or goes on that stands in the text as a text: they are a
    /// stranger's.
    pub(super) fn encode_guarded(
        &self,
        text: &str,
        how: Encode,
        guards: &[usize],
    ) -> Result<Vec<Token>, TextError> {
        if text.len() > TEXT_MAX {
            return Err(TextError::Long { bytes: text.len(), most: TEXT_MAX });
        }
        let mut tokens = if how.ends { self.before.clone() } else { Vec::new() };
        let mut chain = Chain::default();
        for (index, part) in self.specials.parts(text, how.specials, guards).into_iter().enumerate() {
            match part {
                Part::Token(token) => tokens.push(token),
                Part::Text(text) => self.part(text, index == 0, &mut chain, &mut tokens)?,
            }
        }
        if how.ends {
            tokens.extend(&self.behind);
        }
        Ok(tokens)
    }

    /// A piece of text without special tokens.
    fn part(
        &self,
        text: &str,
        start: bool,
        chain: &mut Chain,
        into: &mut Vec<Token>,
    ) -> Result<(), TextError> {
        let text = self.form.map_or(Cow::Borrowed(text), |form| form.of(text));
        let text =
            if self.spaced && text.contains(SPACE) { Cow::Owned(text.replace(SPACE, " ")) } else { text };
        let text = self.lead.before(text, start);
        self.splitter.each(&text, &mut |word| match &self.model {
            Model::Merges(merges) => merges.cut(word, chain, into),
            Model::Pieces(pieces) => pieces.cut(word, chain, into),
            Model::Lent(lent) => {
                into.extend(lent.cut(word, false).map_err(|what| TextError::Lent { what })?);
                Ok(())
            }
        })
    }

    /// The text of tokens. Those that are no text leave nothing; bytes that are no letters become U+FFFD.
    pub fn decode(&self, tokens: &[Token]) -> String {
        self.joined(tokens, false)
    }

    /// The same with the names of tokens that are no text.
    pub fn decode_all(&self, tokens: &[Token]) -> String {
        self.joined(tokens, true)
    }

    fn joined(&self, tokens: &[Token], all: bool) -> String {
        let mut bytes = Vec::new();
        // The space that was put before a text stands before its first word.
        let mut begins = true;
        for token in tokens {
            let Some(word) = self.words.get(*token as usize) else { continue };
            let mut part = &word.bytes[..];
            if word.kind.is_text() {
                if begins && self.strips {
                    part = part.strip_prefix(b" ").unwrap_or(part);
                }
                begins = false;
            } else if !all {
                continue;
            }
            bytes.extend(part);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A token as a text, also one that is none.
    pub(super) fn name(&self, token: Token) -> Cow<'_, str> {
        self.words.get(token as usize).map_or(Cow::Borrowed(""), |word| String::from_utf8_lossy(&word.bytes))
    }

    /// What a token adds to a text, which may be a part of a letter: nothing if it is no text.
    pub fn bytes(&self, token: Token) -> &[u8] {
        self.words.get(token as usize).filter(|word| word.kind.is_text()).map_or(&[], |word| &word.bytes)
    }

    /// Whether decoding takes a space off the beginning of a text.
    pub(super) const fn strips(&self) -> bool {
        self.strips
    }
}
