//! Questions to passages: by words, by vectors, or by both.

use std::collections::HashMap;
use std::sync::Arc;

use plimsoll::{Bytes, Place};
use plimsoll_vec::TOP_MAX;
use plimsoll_vec::index::{NO_ID, Search};
use serde::{Serialize, Serializer};

use super::{Document, Library};
use crate::DocsError;
use crate::part::{Part, Record};
use crate::source::Kind;
use crate::terms::{Scored, Weights, best, each_term};

/// Terms of a question that count.
const TERMS: usize = 64;
/// A term that more than a part of this of all passages have tells nothing, where others tell more.
const COMMON: u64 = 4;
/// Passages below which every term counts.
const FEW: u64 = 256;
/// What makes ranks into scores: `1 ÷ (RANK + rank)`.
const RANK: f32 = 60.0;
/// How many times as many passages each way finds as are told, where two ways are put together.
const DEPTH: usize = 5;

/// How passages are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the words that they have in common with the question.
    Words,
    /// By what they mean, as a model has it.
    Vectors,
    /// By both: who is high in either list is high.
    Both,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Query<'q> {
    /// Its text.
    pub text: &'q str,
    /// Its vector, by the model that made the library's.
    pub vector: Option<&'q [f32]>,
    /// How many passages.
    pub k: usize,
    /// How they are found.
    pub mode: Mode,
}

impl<'q> Query<'q> {
    /// The best `k` by their words.
    pub const fn words(text: &'q str, k: usize) -> Self {
        Self { text, vector: None, k, mode: Mode::Words }
    }
}

/// A passage that was found. As JSON it is the same wherever it is told, and what it does not have is not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    /// Its number.
    pub passage: u64,
    /// How well it answers; comparable within one answer only.
    pub score: f32,
    /// Its document.
    pub document: u64,
    /// What that is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Which of its document's passages it is, from 0.
    pub ordinal: u64,
    /// Where it stands in the document, in bytes; in pages of a PDF, counted from 0.
    #[serde(serialize_with = "two")]
    pub at: std::ops::Range<u64>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Under which headings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// The record of a file of such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Its text.
    pub text: String,
}

/// From where to where.
fn two<S: Serializer>(at: &std::ops::Range<u64>, to: S) -> Result<S::Ok, S::Error> {
    [at.start, at.end].serialize(to)
}

impl Match {
    fn of(record: &Record<'_>, passage: u64, score: f32, document: &Document, ordinal: u64) -> Self {
        let stands = &record.stands;
        Self {
            passage,
            score,
            document: document.id,
            name: document.name.clone(),
            kind: document.kind,
            ordinal,
            at: stands.at.clone(),
            page: stands.page,
            heading: stands.heading.map(str::to_owned),
            record: stands.record.map(str::to_owned),
            text: record.text.to_owned(),
        }
    }
}

impl Library {
    /// Every passage that can be found, in order, from a number on, until `told` has seen enough. Their scores are zero.
    pub fn passages(&self, from: u64, told: &mut dyn FnMut(Match) -> bool) -> Result<(), DocsError> {
        for part in self.parts().iter().filter(|part| part.end() > from) {
            for block in 0..part.blocks() {
                if part.first() + u64::from(part.block_range(block).end) <= from {
                    continue;
                }
                let bytes = part.block(block)?;
                let mut more = true;
                part.records(block, &bytes, |passage, record| {
                    let number = part.first() + u64::from(passage);
                    let owner = part.owner(passage).filter(|_| number >= from);
                    let document =
                        owner.and_then(|(document, ordinal)| Some((self.alive(document)?, ordinal)));
                    if let Some((document, ordinal)) = document {
                        more = told(Match::of(&record, number, 0.0, &document, ordinal));
                    }
                    more
                })?;
                if !more {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A document whose passages may be found.
    fn alive(&self, id: u64) -> Option<Document> {
        let documents = self.documents();
        documents.get(id).filter(|_| documents.is_alive(id)).cloned()
    }

    /// The passages that answer a question best, the best first.
    pub fn search(&self, query: &Query<'_>) -> Result<Vec<Match>, DocsError> {
        let parts = self.parts();
        let scored = match query.mode {
            Mode::Words => self.by_words(&parts, query.text, query.k)?,
            Mode::Vectors => self.by_vectors(&parts, query, query.k)?,
            Mode::Both => {
                let deep = query.k.saturating_mul(DEPTH);
                let words = match self.by_words(&parts, query.text, deep) {
                    Err(DocsError::NoWords) => Vec::new(),
                    found => found?,
                };
                fuse(&words, &self.by_vectors(&parts, query, deep)?, query.k)
            }
        };
        self.told(&parts, &scored)
    }

    fn by_words(&self, parts: &[Arc<Part>], text: &str, k: usize) -> Result<Vec<Scored>, DocsError> {
        let mut terms: Vec<Vec<u8>> = Vec::new();
        each_term(text, |term| {
            if terms.len() < TERMS && !terms.iter().any(|one| one == term) {
                terms.push(term.to_vec());
            }
        });
        if terms.is_empty() {
            return Err(DocsError::NoWords);
        }
        let mut entries = Vec::with_capacity(parts.len());
        let mut having = vec![0_u64; terms.len()];
        for part in parts {
            let found = terms.iter().map(|term| part.term(term)).collect::<Result<Vec<_>, _>>()?;
            for (count, entry) in having.iter_mut().zip(&found) {
                *count += entry.map_or(0, |entry| u64::from(entry.passages));
            }
            entries.push(found);
        }
        let passages: u64 = parts.iter().map(|part| u64::from(part.passages())).sum();
        let all: u64 = parts.iter().map(|part| part.total_terms()).sum();
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let mean = all as f64 / passages.max(1) as f64;
        let weights = Weights::new(passages, mean, &having);
        let told = telling(passages, &having);
        let documents = self.documents();
        let mut found = Vec::new();
        for (part, entries) in parts.iter().zip(&entries) {
            let wanted: Vec<_> = (0..terms.len())
                .filter(|&term| told[term])
                .filter_map(|term| Some((term, entries[term]?)))
                .collect();
            let bytes = wanted.iter().map(|(_, entry)| entry.bytes).sum();
            // The lists of one part at a time.
            let room = self.account.reserve(Place::Host, Bytes::new(bytes)).now()?;
            let lists: Vec<(usize, Vec<u8>)> = wanted
                .iter()
                .map(|(term, entry)| Ok((*term, part.list(entry)?)))
                .collect::<Result<_, DocsError>>()?;
            let lists: Vec<(usize, &[u8])> =
                lists.iter().map(|(term, listed)| (*term, listed.as_slice())).collect();
            let mut alive =
                |passage| part.owner(passage).is_some_and(|(document, _)| documents.is_alive(document));
            best(&weights, &lists, part.lengths(), &mut alive, part.first(), &mut found, k)
                .map_err(|_| part.bad_list())?;
            drop(room);
        }
        Ok(found)
    }

    fn by_vectors(&self, parts: &[Arc<Part>], query: &Query<'_>, k: usize) -> Result<Vec<Scored>, DocsError> {
        let (Some(index), Some(vector)) = (self.index(), query.vector) else {
            return Err(DocsError::NoVectors);
        };
        // Some of what is found may stand beside the document whose place it is to take.
        let there = usize::try_from(index.facts().vectors).unwrap_or(usize::MAX);
        let asked = k.saturating_mul(2).min(TOP_MAX).min(there);
        if asked == 0 {
            return Ok(Vec::new());
        }
        let answer = index.search(vector, &Search::nearest(asked))?;
        let documents = self.documents();
        let alive = |passage: u64| {
            let part = &parts[place(parts, passage)?];
            let (document, _) = part.owner(u32::try_from(passage - part.first()).ok()?)?;
            documents.is_alive(document).then_some(passage)
        };
        let scored = answer
            .of(0)
            .filter(|(id, _)| *id != NO_ID)
            .filter_map(|(id, distance)| Some(Scored { passage: alive(id)?, score: 1.0 - distance }));
        Ok(scored.take(k).collect())
    }

    /// What there is to tell of passages.
    fn told(&self, parts: &[Arc<Part>], scored: &[Scored]) -> Result<Vec<Match>, DocsError> {
        let mut found = Vec::with_capacity(scored.len());
        for one in scored {
            let Some(part) = place(parts, one.passage).map(|place| &parts[place]) else { continue };
            let wanted = u32::try_from(one.passage - part.first()).unwrap_or(u32::MAX);
            let Some((document, ordinal)) = part.owner(wanted) else { continue };
            let Some(document) = self.document(document) else { continue };
            let block = part.block_of(wanted);
            let bytes = part.block(block)?;
            part.records(block, &bytes, |passage, record| {
                if passage == wanted {
                    let (passage, score) = (one.passage, one.score);
                    found.push(Match::of(&record, passage, score, &document, ordinal));
                }
                passage < wanted
            })?;
        }
        Ok(found)
    }
}

/// Which part has a passage.
pub(super) fn place(parts: &[Arc<Part>], passage: u64) -> Option<usize> {
    let place = parts.partition_point(|part| part.end() <= passage);
    (place < parts.len()).then_some(place)
}

/// Which terms tell something: not those that a good part of all passages have, unless there are no others.
fn telling(passages: u64, having: &[u64]) -> Vec<bool> {
    let rare = |count: u64| passages < FEW || count <= passages / COMMON;
    let some = having.iter().any(|&count| count > 0 && rare(count));
    having.iter().map(|&count| !some || rare(count)).collect()
}

/// Two lists into one: each passage's score is the sum of what its ranks are worth.
fn fuse(one: &[Scored], other: &[Scored], k: usize) -> Vec<Scored> {
    let mut scores: HashMap<u64, f32> = HashMap::new();
    for list in [one, other] {
        for (rank, scored) in list.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a rank is small")]
            let worth = 1.0 / (RANK + 1.0 + rank as f32);
            *scores.entry(scored.passage).or_default() += worth;
        }
    }
    let mut fused: Vec<Scored> =
        scores.into_iter().map(|(passage, score)| Scored { passage, score }).collect();
    fused.sort_unstable_by(Scored::order);
    fused.truncate(k);
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_both_lists_comes_first() {
        let list = |passages: &[u64]| -> Vec<Scored> {
            passages.iter().map(|&passage| Scored { passage, score: 1.0 }).collect()
        };
        let fused = fuse(&list(&[1, 2, 3]), &list(&[4, 2, 5]), 3);
        assert_eq!(fused.iter().map(|one| one.passage).collect::<Vec<_>>(), [2, 1, 4]);
    }

    #[test]
    fn common_terms_are_left_out_where_others_tell_more() {
        assert_eq!(telling(1000, &[900, 3]), [false, true]);
        assert_eq!(telling(1000, &[900, 0]), [true, true], "nothing else is there");
        assert_eq!(telling(100, &[90, 3]), [true, true]);
    }
}
