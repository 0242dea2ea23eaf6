//! Texts to learn from, as rows of tokens.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use plimsoll_kv::block::Token;
use plimsoll_tensor::IGNORED;
use serde::Deserialize;

use super::changes::Dice;
use super::error::TuneError;
use super::tuner::Batch;
use crate::text::{Encode, Tokenizer};

/// Texts to learn from, cut into rows of equal length.
///
/// A file of text is one text after another where there are form feeds, and one otherwise. Of JSONL each line is a text:
/// `{"text": …}`, all of which is learned, or `{"prompt": …, "completion": …}`, of which only the completion is. Texts stand
/// one behind the other in rows, each with the tokens that begin and end it, and rows end where they are full.
#[derive(Clone, Debug)]
pub struct Corpus {
    tokens: Vec<Token>,
    /// Whether each is learned to be foretold.
    learned: Vec<bool>,
    row: usize,
    texts: usize,
}

#[derive(Deserialize)]
struct Line {
    text: Option<String>,
    prompt: Option<String>,
    completion: Option<String>,
}

impl Corpus {
    /// Reads a file: JSONL if it is called so, text otherwise.
    pub fn read(path: &Path, tokenizer: &Tokenizer, row: usize) -> Result<Self, TuneError> {
        let wrong = |what: String| TuneError::Data { path: path.to_owned(), what };
        if row < 2 {
            return Err(TuneError::Settings {
                what: "a row of fewer than 2 tokens foretells nothing".to_owned(),
            });
        }
        let mut corpus = Self { tokens: Vec::new(), learned: Vec::new(), row, texts: 0 };
        let file = File::open(path).map_err(TuneError::file(path))?;
        let lines = path.extension().is_some_and(|extension| extension == "jsonl" || extension == "json");
        if lines {
            corpus.read_lines(BufReader::new(file), tokenizer, path)?;
        } else {
            let mut bytes = Vec::new();
            BufReader::new(file).read_to_end(&mut bytes).map_err(TuneError::file(path))?;
            let text = std::str::from_utf8(&bytes).map_err(|error| {
                wrong(format!("it is no UTF-8 from byte {} on; convert it first", error.valid_up_to()))
            })?;
            for text in text.split('\u{c}').filter(|text| !text.trim().is_empty()) {
                corpus.add(tokenizer, "", text)?;
            }
        }
        if corpus.texts == 0 {
            return Err(wrong(
                "there is no text in it; give a file of text, or of lines of {\"text\": …}".to_owned(),
            ));
        }
        if corpus.rows() == 0 {
            let tokens = corpus.tokens.len();
            return Err(wrong(format!(
                "it has {tokens} tokens, which do not fill one row of {row}; take shorter sequences"
            )));
        }
        Ok(corpus)
    }

    fn read_lines(
        &mut self,
        file: impl BufRead,
        tokenizer: &Tokenizer,
        path: &Path,
    ) -> Result<(), TuneError> {
        for (number, line) in file.split(b'\n').enumerate() {
            let line = line.map_err(TuneError::file(path))?;
            let wrong = |what: String| TuneError::Data {
                path: path.to_owned(),
                what: format!("line {}: {what}", number + 1),
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let text = std::str::from_utf8(&line)
                .map_err(|_| wrong("it is no UTF-8; convert it first".to_owned()))?;
            let line: Line = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
            match (line.text, line.prompt, line.completion) {
                (Some(text), None, None) => self.add(tokenizer, "", &text)?,
                (None, Some(prompt), Some(completion)) => self.add(tokenizer, &prompt, &completion)?,
                _ => {
                    let what = "it has neither \"text\" nor \"prompt\" and \"completion\"";
                    return Err(wrong(what.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// A text behind those that are there. What comes before it is read and not learned.
    fn add(&mut self, tokenizer: &Tokenizer, before: &str, text: &str) -> Result<(), TuneError> {
        let first = tokenizer.first().into_iter();
        let mut tokens: Vec<Token> = first.collect();
        if !before.is_empty() {
            tokens.extend(tokenizer.encode(before, Encode { ends: false, specials: true })?);
        }
        let known = tokens.len();
        tokens.extend(tokenizer.encode(text, Encode { ends: false, specials: !before.is_empty() })?);
        tokens.extend(tokenizer.stops().first());
        self.learned.extend((0..tokens.len()).map(|at| at >= known));
        self.tokens.extend(tokens);
        self.texts += 1;
        Ok(())
    }

    /// How many full rows there are.
    pub const fn rows(&self) -> usize {
        self.tokens.len() / self.row
    }

    /// How many texts it was made of.
    pub const fn texts(&self) -> usize {
        self.texts
    }

    /// What it takes.
    pub const fn bytes(&self) -> plimsoll::Bytes {
        plimsoll::Bytes::new((self.tokens.len() * (size_of::<Token>() + 1)) as u64)
    }

    /// How many tokens it has, those of a last row that is not full counted.
    pub const fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The last rows, a share of all, to be looked at and not learned from. At least one stays on each side.
    #[must_use]
    pub fn hold_out(&mut self, share: f64) -> Option<Self> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share"
        )]
        let rows = ((self.rows() as f64 * share).ceil() as usize).min(self.rows().saturating_sub(1));
        if rows == 0 || share <= 0.0 {
            return None;
        }
        let at = (self.rows() - rows) * self.row;
        let rest = Self {
            tokens: self.tokens.split_off(at),
            learned: self.learned.split_off(at),
            row: self.row,
            texts: self.texts,
        };
        Some(rest)
    }

    /// Some rows as one pass.
    pub fn batch(&self, rows: &[usize]) -> Batch {
        let mut batch = Batch { tokens: Vec::new(), targets: Vec::new() };
        for row in rows {
            let range = row * self.row..(row + 1) * self.row;
            let (tokens, learned) = (&self.tokens[range.clone()], &self.learned[range]);
            batch.tokens.extend_from_slice(tokens);
            let next = tokens[1..].iter().zip(&learned[1..]);
            batch.targets.extend(next.map(|(token, learned)| if *learned { *token } else { IGNORED }));
            batch.targets.push(IGNORED);
        }
        batch
    }

    /// All rows, in passes of so many; the last is filled up with rows from the beginning.
    pub fn passes(&self, rows: usize) -> Vec<Batch> {
        let all: Vec<usize> = (0..self.rows().div_ceil(rows) * rows).map(|row| row % self.rows()).collect();
        all.chunks(rows).map(|rows| self.batch(rows)).collect()
    }

    /// The passes of a step, from 0 on: every round takes all rows once, in an order of its own, which follows from the seed.
    pub fn step(&self, step: u32, passes: usize, rows: usize, seed: u64) -> Vec<Batch> {
        let mut order: Option<(usize, Vec<usize>)> = None;
        let first = step as usize * passes * rows;
        let mut at = |place: usize| {
            let (round, index) = (place / self.rows(), place % self.rows());
            if order.as_ref().is_none_or(|(known, _)| *known != round) {
                order =
                    Some((round, shuffled(self.rows(), seed ^ (round as u64 + 1).wrapping_mul(0x9e37_79b9))));
            }
            order.as_ref().map_or(0, |(_, order)| order[index])
        };
        (0..passes)
            .map(|pass| {
                let rows: Vec<usize> = (0..rows).map(|row| at(first + pass * rows + row)).collect();
                self.batch(&rows)
            })
            .collect()
    }

    /// What tells one corpus from another.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.row as u64).to_le_bytes());
        for (token, learned) in self.tokens.iter().zip(&self.learned) {
            hasher.update(&token.to_le_bytes());
            hasher.update(&[u8::from(*learned)]);
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut dice = Dice::new(seed);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = usize::try_from(dice.draw() % (last as u64 + 1)).unwrap_or(0);
        order.swap(last, other);
    }
    order
}
