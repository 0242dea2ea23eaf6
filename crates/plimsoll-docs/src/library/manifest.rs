//! What stands in `manifest.json`.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::folder;
use crate::DocsError;

pub(super) const NAME: &str = "manifest.json";
const VERSION: u32 = 1;

/// Everything that counts. What it does not name does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u32,
    /// The next number that a file gets.
    pub(super) next_file: u64,
    /// The next number that a passage gets.
    pub(super) next_passage: u64,
    /// The next number that a document gets.
    pub(super) next_document: u64,
    /// Whether passages are found by their words.
    pub(super) words: bool,
    /// The parts, in the order of their passages, which follow one another from 0 on.
    pub(super) parts: Vec<PartEntry>,
    /// The file of documents, and how much of it counts.
    pub(super) documents: u64,
    pub(super) documents_bytes: u64,
    /// What makes vectors of passages, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vectors: Option<VectorsEntry>,
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartEntry {
    pub(super) file: u64,
    pub(super) first: u64,
    pub(super) passages: u32,
    pub(super) bytes: u64,
}

/// What makes vectors of passages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VectorsEntry {
    /// The model, by what tells it from others.
    pub(super) model: String,
    pub(super) dimension: usize,
    /// Passages before this have their vectors.
    pub(super) to: u64,
}

/// What is looked at first, of any version.
#[derive(Deserialize)]
struct Any {
    version: u32,
}

impl Manifest {
    /// Of a library without anything in it.
    pub(super) const fn empty(words: bool) -> Self {
        Self {
            version: VERSION,
            next_file: 2,
            next_passage: 0,
            next_document: 1,
            words,
            parts: Vec::new(),
            documents: 1,
            documents_bytes: 0,
            vectors: None,
        }
    }

    pub(super) fn read(folder: &Path) -> Result<Self, DocsError> {
        let path = folder.join(NAME);
        let text = std::fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DocsError::NoLibrary { folder: folder.to_owned() },
            _ => DocsError::Folder { path: path.clone(), source },
        })?;
        let damaged = |what: String| DocsError::Damaged { path: path.clone(), what };
        let any: Any = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if any.version > VERSION {
            return Err(DocsError::Newer { folder: folder.to_owned(), version: any.version });
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let mut next = 0;
        for part in &manifest.parts {
            if part.first != next {
                return Err(damaged(format!("part {} does not follow the one before", part.file)));
            }
            next += u64::from(part.passages);
        }
        if next != manifest.next_passage {
            return Err(damaged("its parts have other passages than it says".to_owned()));
        }
        Ok(manifest)
    }

    /// Puts it in the place of the one before: from then on it counts.
    pub(super) fn write(&self, folder: &Path) -> Result<(), DocsError> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| DocsError::Damaged { path: folder.join(NAME), what: error.to_string() })?;
        folder::replace(folder, NAME, &text)
            .map_err(|source| DocsError::Folder { path: folder.join(NAME), source })
    }
}
