//! The words of a file's tokenizer: what the other readers go past.

use std::path::Path;

use super::header::begin;
use super::metadata::{check, key, room, scalar, scalar_bytes, value};
use crate::read::cursor::Cursor;
use crate::read::keys::Value;
use crate::read::{Fault, ReadError, Source};

/// No vocabulary comes near; what is larger is damage.
const ITEMS_MAX: u64 = 1 << 22;
/// The longest token or merge.
const TEXT_MAX: u64 = 1 << 16;

/// Tokens and merges of a file, as they stand there. Lists that the file lacks are empty.
///
/// # What it is not
/// It knows no tokenizer: whether lists are as long as each other, and what their numbers mean, is for who uses them.
/// The tokenizer's name and its special tokens are ordinary keys of [`Contents`](super::Contents).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vocabulary {
    /// `tokenizer.ggml.tokens`: the text of each token. What is no UTF-8 is replaced.
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.scores`.
    pub scores: Vec<f32>,
    /// `tokenizer.ggml.token_type`; negative numbers are zero.
    pub kinds: Vec<u32>,
    /// `tokenizer.ggml.merges`: two texts with a space between them, the earliest first.
    pub merges: Vec<String>,
}

impl Vocabulary {
    /// Reads the lists of a header. `path` is what messages call it.
    pub fn read(source: &dyn Source, path: &Path) -> Result<Self, ReadError> {
        let (mut cursor, _, count) = begin(source, path)?;
        room(&cursor, count)?;
        let mut found = Self::default();
        for _ in 0..count {
            let name = key(&mut cursor)?;
            match name.as_str() {
                "tokenizer.ggml.tokens" => found.tokens = texts(&mut cursor, &name)?,
                "tokenizer.ggml.merges" => found.merges = texts(&mut cursor, &name)?,
                "tokenizer.ggml.scores" => {
                    #[expect(clippy::cast_possible_truncation, reason = "they are singles in the file")]
                    let single = |value| match value {
                        Value::Real(number) => number as f32,
                        _ => 0.0,
                    };
                    found.scores = numbers(&mut cursor, &name, single)?;
                }
                "tokenizer.ggml.token_type" => {
                    let kind =
                        |value: Value| value.number().and_then(|kind| kind.try_into().ok()).unwrap_or(0);
                    found.kinds = numbers(&mut cursor, &name, kind)?;
                }
                _ => drop(value(&mut cursor, &name)?),
            }
        }
        Ok(found)
    }
}

/// What an array holds: the type of its items and how many there are.
fn array(cursor: &mut Cursor<'_>, key: &str) -> Result<(u32, u64), ReadError> {
    let offset = cursor.at();
    let kind = cursor.u32()?;
    if kind != 9 {
        return Err(wrong(cursor, offset, key, kind));
    }
    let (kind, count) = (cursor.u32()?, cursor.u64()?);
    if count > ITEMS_MAX {
        let path = cursor.path().to_owned();
        let what = "items of a vocabulary";
        return Err(ReadError::Excess { path, offset, what, found: count, most: ITEMS_MAX });
    }
    Ok((kind, count))
}

fn wrong(cursor: &Cursor<'_>, offset: u64, key: &str, kind: u32) -> ReadError {
    let fault = Fault::ValueType { key: key.to_owned(), kind };
    ReadError::Fault { path: cursor.path().to_owned(), offset, fault }
}

fn texts(cursor: &mut Cursor<'_>, key: &str) -> Result<Vec<String>, ReadError> {
    let offset = cursor.at();
    let (kind, count) = array(cursor, key)?;
    if kind != 8 {
        return Err(wrong(cursor, offset, key, kind));
    }
    check(cursor, count, 8)?;
    (0..count).map(|_| cursor.text(TEXT_MAX, "letters in a token")).collect()
}

fn numbers<T>(cursor: &mut Cursor<'_>, key: &str, of: impl Fn(Value) -> T) -> Result<Vec<T>, ReadError> {
    let offset = cursor.at();
    let (kind, count) = array(cursor, key)?;
    let Some(size) = scalar_bytes(kind) else { return Err(wrong(cursor, offset, key, kind)) };
    check(cursor, count, size)?;
    (0..count).map(|_| scalar(cursor, key, kind).map(&of)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(into: &mut Vec<u8>, text: &str) {
        into.extend((text.len() as u64).to_le_bytes());
        into.extend(text.as_bytes());
    }

    fn file(token_kind: u32, count: u64) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(4_u64.to_le_bytes());
        text(&mut bytes, "general.architecture");
        bytes.extend(8_u32.to_le_bytes());
        text(&mut bytes, "llama");
        text(&mut bytes, "tokenizer.ggml.token_type");
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(5_u32.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(3_i32.to_le_bytes());
        bytes.extend((-1_i32).to_le_bytes());
        text(&mut bytes, "tokenizer.ggml.scores");
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(6_u32.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend((-2.5_f32).to_le_bytes());
        text(&mut bytes, "tokenizer.ggml.tokens");
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(token_kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        text(&mut bytes, "<s>");
        text(&mut bytes, "é");
        bytes
    }

    #[test]
    fn the_lists_are_as_they_stand_there() {
        let found = Vocabulary::read(&file(8, 2), Path::new("a.gguf")).unwrap();
        assert_eq!(found.tokens, ["<s>", "é"]);
        assert_eq!((found.scores, found.kinds), (vec![-2.5], vec![3, 0]));
        assert!(found.merges.is_empty());
    }

    #[test]
    fn lists_of_other_things_or_longer_than_the_file_are_refused() {
        let read = |bytes: Vec<u8>| Vocabulary::read(&bytes, Path::new("a.gguf")).unwrap_err().to_string();
        assert!(read(file(4, 2)).contains("tokenizer.ggml.tokens"));
        assert!(read(file(8, 1 << 20)).contains("items"));
        assert!(read(file(8, 1 << 40)).contains("vocabulary"));
        let cut = file(8, 2);
        assert!(read(cut[..cut.len() - 1].to_vec()).contains("ends within its header"));
    }
}
