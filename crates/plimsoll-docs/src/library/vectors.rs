//! Vectors of passages: made after the passages are kept, some at a time, and gone on with wherever that was left.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use plimsoll::EngineAccount;
use plimsoll_vec::index::{Index, Shape};
use plimsoll_vec::{Codec, Metric};

use super::Library;
use super::manifest::{Manifest, VectorsEntry};
use crate::DocsError;
use crate::part::{Part, PartError};

/// The folder of the index.
const FOLDER: &str = "vectors";
/// Passages whose vectors are made together.
const TOGETHER: usize = 32;
/// How often what was made begins to count.
const COUNTS_EVERY: Duration = Duration::from_secs(2);

/// Why there is no vector.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EmbedFault(pub String);

/// What makes vectors of texts.
pub trait Embed {
    /// What tells the model from others: its vectors are no others'.
    fn model(&self) -> &str;

    /// How many numbers a vector has.
    fn dimension(&self) -> usize;

    /// The vectors of texts, one behind the other. A text that is too long is cut.
    fn embed(&mut self, texts: &[&str]) -> Result<Vec<f32>, EmbedFault>;
}

/// How far vectors have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Passages that were looked at now.
    pub done: u64,
    /// Passages that had no vector before.
    pub of: u64,
}

/// Opens the index, if there is one.
pub(super) fn open(
    folder: &Path,
    manifest: &Manifest,
    to_write: bool,
    account: &EngineAccount,
) -> Result<Option<Arc<Index>>, DocsError> {
    if manifest.vectors.is_none() {
        return Ok(None);
    }
    let folder = folder.join(FOLDER);
    let index =
        if to_write { Index::open_to_write(&folder, account)? } else { Index::open(&folder, account)? };
    Ok(Some(Arc::new(index)))
}

impl Library {
    /// Makes vectors of the passages that have none. `told` is asked after each few whether to go on; what was made until then counts,
    /// and the next call goes on there.
    pub fn embed(
        &self,
        by: &mut dyn Embed,
        told: &mut dyn FnMut(Embedded) -> bool,
    ) -> Result<Embedded, DocsError> {
        let (index, mut entry) = self.vectors_of(by)?;
        let parts = self.parts();
        let end = parts.last().map_or(0, |part| part.end());
        let from = entry.to;
        let mut counted = Instant::now();
        let mut progress = Embedded { done: 0, of: end.saturating_sub(from) };
        // What was added by somebody who was killed before it counted is added again.
        forget(&index, from, end)?;
        for part in parts.iter().filter(|part| part.end() > from) {
            for block in 0..part.blocks() {
                let range = part.block_range(block);
                if part.first() + u64::from(range.end) <= entry.to {
                    continue;
                }
                let (ids, texts) = self.texts(part, block, entry.to)?;
                for (ids, texts) in ids.chunks(TOGETHER).zip(texts.chunks(TOGETHER)) {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    let vectors = by.embed(&texts)?;
                    if vectors.len() != ids.len() * entry.dimension {
                        return Err(EmbedFault("the model gave vectors of another length".to_owned()).into());
                    }
                    index.add(&vectors, Some(ids))?;
                    entry.to = ids.last().map_or(entry.to, |last| last + 1);
                    progress.done = entry.to - from;
                    let more = told(progress);
                    if !more || counted.elapsed() >= COUNTS_EVERY {
                        self.count_vectors(&entry)?;
                        counted = Instant::now();
                    }
                    if !more {
                        return Ok(progress);
                    }
                }
                entry.to = entry.to.max(part.first() + u64::from(range.end));
            }
        }
        progress.done = progress.of;
        self.count_vectors(&entry)?;
        Ok(progress)
    }

    /// The living passages of a block that have no vector yet.
    fn texts(&self, part: &Part, block: usize, to: u64) -> Result<(Vec<u64>, Vec<String>), PartError> {
        let bytes = part.block(block)?;
        let (mut ids, mut texts) = (Vec::new(), Vec::new());
        let documents = self.documents();
        part.records(block, &bytes, |passage, record| {
            let id = part.first() + u64::from(passage);
            let there = part.owner(passage).is_some_and(|(document, _)| documents.get(document).is_some());
            if id >= to && there && !record.text.is_empty() {
                ids.push(id);
                // What a passage is about often stands in its headings alone.
                texts.push(match record.stands.heading {
                    Some(heading) => format!("{heading}\n{}", record.text),
                    None => record.text.to_owned(),
                });
            }
            true
        })?;
        Ok((ids, texts))
    }

    fn vectors_of(&self, by: &dyn Embed) -> Result<(Arc<Index>, VectorsEntry), DocsError> {
        let _writer = self.writer()?;
        let mut manifest = (*self.manifest()).clone();
        if let (Some(entry), Some(index)) = (&manifest.vectors, self.index()) {
            if entry.model != by.model() || entry.dimension != by.dimension() {
                return Err(DocsError::OtherModel {
                    found: entry.model.clone(),
                    asked: by.model().to_owned(),
                });
            }
            return Ok((index, entry.clone()));
        }
        let shape = Shape {
            dimension: by.dimension(),
            metric: Metric::Cosine,
            codec: Codec::Int8,
            originals: false,
            lists: None,
            reduced: None,
        };
        let folder = self.folder.join(FOLDER);
        // One that does not count was begun by somebody who was killed.
        let _ = std::fs::remove_dir_all(&folder);
        let index = Arc::new(Index::create(&folder, shape, &self.account)?);
        let entry = VectorsEntry { model: by.model().to_owned(), dimension: by.dimension(), to: 0 };
        manifest.vectors = Some(entry.clone());
        self.stand(manifest)?;
        *self.vectors.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&index));
        Ok((index, entry))
    }

    fn count_vectors(&self, entry: &VectorsEntry) -> Result<(), DocsError> {
        let _writer = self.writer()?;
        self.stand(Manifest { vectors: Some(entry.clone()), ..(*self.manifest()).clone() })
    }

    /// Vectors of documents that are gone.
    pub(super) fn remove_vectors(&self, gone: &[u64]) -> Result<(), DocsError> {
        let Some(index) = self.index().filter(|_| !gone.is_empty()) else { return Ok(()) };
        for part in self.parts().iter() {
            let runs = part.runs();
            for (number, run) in runs.iter().enumerate().filter(|(_, run)| gone.contains(&run.document)) {
                let end = runs.get(number + 1).map_or(part.passages(), |next| next.first);
                forget(&index, part.first() + u64::from(run.first), part.first() + u64::from(end))?;
            }
        }
        Ok(())
    }

    /// Whether any passage has a vector.
    pub fn has_vectors(&self) -> bool {
        self.manifest().vectors.as_ref().is_some_and(|entry| entry.to > 0)
    }

    /// What makes its vectors, if anything does.
    pub fn embedded_by(&self) -> Option<String> {
        self.manifest().vectors.as_ref().map(|entry| entry.model.clone())
    }
}

/// Removes vectors of some passages, as far as there are any.
fn forget(index: &Index, from: u64, to: u64) -> Result<(), DocsError> {
    let mut at = from;
    while at < to {
        let next = to.min(at + 4096);
        let ids: Vec<u64> = (at..next).collect();
        index.delete(&ids)?;
        at = next;
    }
    Ok(())
}
