//! Tokenizers out of Hugging Face's `tokenizer.json`.

mod beside;
mod file;
mod steps;

use std::path::Path;

use plimsoll_kv::block::Token;

use self::beside::Beside;
use self::file::{File, Part};
use self::steps::Steps;
use super::alphabet::Alphabet;
use super::error::TextError;
use super::gguf::{Learner, STOPS};
use super::lead::SPACE;
use super::merges::{Merges, Start};
use super::pieces::Fallback;
use super::special::{Special, Specials};
use super::split::{Stage, apart};
use super::tokenizer::{Model, Tokenizer};
use super::word::{Kind, Word, byte_of};

/// The longest file. The largest vocabularies in use take some 35 MB.
const FILE_MAX: u64 = 256 << 20;
/// No vocabulary comes near; what is larger is damage.
const TOKENS_MAX: u32 = 1 << 22;

/// Reads a file, and what the files beside it say of the ends of texts. `model` is what messages call the model.
pub(super) fn open(path: &Path, model: &Path) -> Result<Tokenizer, TextError> {
    let about = std::fs::metadata(path);
    let missing = |why: String| TextError::Missing { path: model.to_owned(), missing: why };
    let length = about.map_err(|error| missing(format!("tokenizer.json: {error}")))?.len();
    if length > FILE_MAX {
        let what = format!("tokenizer.json is {length} bytes long, and at most {FILE_MAX} are read");
        return Err(TextError::Damaged { path: path.to_owned(), what });
    }
    let text = std::fs::read(path).map_err(|error| missing(format!("tokenizer.json: {error}")))?;
    let mut tokenizer = read(&text, path)?;
    Beside::read(path)?.apply(&mut tokenizer);
    Ok(tokenizer)
}

/// Reads the text of a file.
pub(super) fn read(text: &[u8], path: &Path) -> Result<Tokenizer, TextError> {
    let damaged = |what: String| TextError::Damaged { path: path.to_owned(), what };
    let kind = file::kind(text).map_err(|error| damaged(error.to_string()))?;
    if kind != "BPE" {
        return Err(TextError::Feature { path: path.to_owned(), what: format!("a model of kind {kind:?}") });
    }
    let parts: File = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
    let feature = |what: String| TextError::Feature { path: path.to_owned(), what };
    if let Some(what) = parts.model.odd() {
        return Err(feature(what.to_owned()));
    }
    let steps = Steps::read(&parts).map_err(feature)?;
    let reader = Reader { file: &parts, steps: &steps, path };
    let words = reader.words()?;
    let texts = words.iter().filter(|word| word.kind.is_text()).map(|word| &*word.bytes);
    let mut splitter = steps.splitter.clone();
    if splitter.stages.is_empty() && apart(texts) {
        splitter.stages.push(Stage::Gaps);
    }
    let model = reader.model(&words)?;
    let specials = reader.specials()?;
    let (before, behind) = steps.around.clone();
    let count = Token::try_from(words.len()).unwrap_or(Token::MAX);
    if let Some(token) = before.iter().chain(&behind).find(|token| **token >= count) {
        return Err(damaged(format!("texts are to have token {token}, and there are {count}")));
    }
    let mut ends: Vec<Token> = STOPS.iter().filter_map(|name| specials.token(name)).collect();
    ends.sort_unstable();
    Ok(Tokenizer {
        words,
        specials,
        form: steps.form,
        spaced: steps.spaced,
        lead: steps.lead,
        strips: steps.strips,
        splitter,
        model,
        first: before.first().copied(),
        last: behind.last().copied(),
        before,
        behind,
        stops: ends,
    })
}

struct Reader<'f> {
    file: &'f File,
    steps: &'f Steps,
    path: &'f Path,
}

impl Reader<'_> {
    fn damaged(&self, what: String) -> TextError {
        TextError::Damaged { path: self.path.to_owned(), what }
    }

    /// The bytes and the kind of an ordinary token.
    fn word(&self, text: &str, alphabet: &Alphabet) -> Word {
        let model = &self.file.model;
        if model.unk_token.as_deref() == Some(text) {
            return Word { bytes: text.as_bytes().into(), kind: Kind::Unknown };
        }
        if self.steps.bytes {
            let bytes = alphabet.bytes(text).unwrap_or_else(|| text.as_bytes().into());
            return Word { bytes, kind: Kind::Normal };
        }
        match byte_of(text).filter(|_| model.byte_fallback) {
            Some(byte) => Word { bytes: Box::new([byte]), kind: Kind::Byte },
            None => Word { bytes: self.spaced(text).into_bytes().into(), kind: Kind::Normal },
        }
    }

    fn spaced(&self, text: &str) -> String {
        if self.steps.spaced { text.replace(SPACE, " ") } else { text.to_owned() }
    }

    fn words(&self) -> Result<Vec<Word>, TextError> {
        let ids = self.file.model.vocab.values().chain(self.file.added_tokens.iter().map(|added| &added.id));
        let most = ids.copied().max().ok_or_else(|| self.damaged("it has no tokens".to_owned()))?;
        if most >= TOKENS_MAX {
            return Err(self.damaged(format!("a token has the number {most}")));
        }
        // A number that nobody has stands for nothing.
        let mut words = vec![Word { bytes: Box::default(), kind: Kind::Control }; most as usize + 1];
        let alphabet = Alphabet::new();
        for (text, id) in &self.file.model.vocab {
            words[*id as usize] = self.word(text, &alphabet);
        }
        for added in &self.file.added_tokens {
            let unknown = self.file.model.unk_token.as_deref() == Some(&added.content);
            let kind = match added.special {
                _ if unknown => Kind::Unknown,
                true => Kind::Control,
                false => Kind::User,
            };
            words[added.id as usize] = Word { bytes: added.content.as_bytes().into(), kind };
        }
        Ok(words)
    }

    fn specials(&self) -> Result<Specials, TextError> {
        let mut specials = Specials::new();
        for added in &self.file.added_tokens {
            if added.single_word {
                let what = format!("the token {:?} as a whole word only", added.content);
                return Err(TextError::Feature { path: self.path.to_owned(), what });
            }
            let kind = if added.special { Kind::Control } else { Kind::User };
            let (strip_before, strip_behind) = (added.lstrip, added.rstrip);
            specials.insert(&added.content, Special { id: added.id, kind, strip_before, strip_behind });
        }
        Ok(specials)
    }

    fn model(&self, words: &[Word]) -> Result<Model, TextError> {
        let part = &self.file.model;
        let mut learner = Learner::new(words);
        let alphabet = Alphabet::new();
        let bytes = |text: &str| -> Option<Box<[u8]>> {
            if self.steps.bytes { alphabet.bytes(text) } else { Some(self.spaced(text).into_bytes().into()) }
        };
        for (rank, merge) in (0..).zip(&part.merges) {
            let two = merge.two().and_then(|(left, right)| Some((bytes(left)?, bytes(right)?)));
            let Some((left, right)) = two else {
                return Err(self.damaged(format!("merge {rank} is not of two texts")));
            };
            learner.learn(rank, &left, &right);
        }
        let tokens = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let start = if self.steps.bytes {
            Start::Bytes(learner.bytes())
        } else {
            Start::Letters(fallback(part, words))
        };
        let Learner { by_text, pairs, .. } = learner;
        Ok(Model::Merges(Merges { pairs, by_text, start, whole: part.ignore_merges, tokens }))
    }
}

fn fallback(part: &Part, words: &[Word]) -> Fallback {
    let mut bytes: Vec<Option<Token>> = vec![None; 256];
    for (id, word) in (0..).zip(words).filter(|(_, word)| word.kind == Kind::Byte) {
        bytes[usize::from(word.bytes[0])] = Some(id);
    }
    let bytes: Option<Vec<Token>> = bytes.into_iter().collect();
    let unknown = words.iter().position(|word| word.kind == Kind::Unknown);
    Fallback {
        bytes: bytes.and_then(|bytes| bytes.try_into().ok()),
        unknown: unknown.and_then(|index| Token::try_from(index).ok()),
        fused: part.fuse_unk,
    }
}
