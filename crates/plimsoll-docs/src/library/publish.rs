//! What makes changes count: parts and documents together, or none of them.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::documents::{self, Change};
use super::library::Writer;
use super::manifest::{Manifest, PartEntry};
use super::{Document, Library, folder};
use crate::DocsError;
use crate::part::{Part, PartFacts, PartWriter};

/// What is to count from now on.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Parts that were finished; their passages get their numbers now.
    pub(crate) parts: Vec<PartFacts>,
    /// Documents that came or went further.
    pub(crate) put: Vec<Document>,
    /// Documents that went.
    pub(crate) gone: Vec<u64>,
    /// The number that the next document gets: none is given twice, also where one came to nothing.
    pub(crate) next: u64,
}

impl Library {
    /// A part to write passages to, which count when it was published.
    pub(crate) fn new_part(&self) -> Result<PartWriter, DocsError> {
        let mut writer = self.writer()?;
        let path = folder::part(&self.folder, writer.next_file);
        let words = self.manifest().words;
        let part = PartWriter::create(&path, words)?;
        writer.next_file += 1;
        Ok(part)
    }

    /// The number of the next document.
    pub(crate) fn next_document(&self) -> u64 {
        self.manifest().next_document
    }

    /// Makes changes count. Where that fails none of them does, and nothing is lost of what counted before.
    pub(crate) fn publish(&self, changes: Changes) -> Result<(), DocsError> {
        let mut writer = self.writer()?;
        let mut manifest = (*self.manifest()).clone();
        let mut parts = (*self.parts()).clone();
        for facts in changes.parts.iter().filter(|facts| facts.passages > 0) {
            let first = manifest.next_passage;
            parts.push(Arc::new(Part::open(&facts.path, first, &self.account)?));
            let entry =
                PartEntry { file: number(facts), first, passages: facts.passages, bytes: facts.bytes };
            manifest.parts.push(entry);
            manifest.next_passage += u64::from(facts.passages);
        }
        let dropped = changes.gone.iter().copied().map(Change::Drop);
        let log: Vec<Change> = changes.put.into_iter().map(Change::Put).chain(dropped).collect();
        manifest.next_document = manifest.next_document.max(changes.next);
        self.write(&mut writer, &mut manifest, &log)?;
        *self.parts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(parts);
        self.remove_vectors(&changes.gone)
    }

    /// Writes the log and then the manifest, and takes both in.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        manifest: &mut Manifest,
        log: &[Change],
    ) -> Result<(), DocsError> {
        let mut all = self.documents.write().unwrap_or_else(PoisonError::into_inner);
        // Before anything is written: what has no room in memory counts nowhere.
        all.make_room(log, &self.account)?;
        let path = folder::documents(&self.folder, manifest.documents);
        let failed = |path: PathBuf| move |source| DocsError::Folder { path, source };
        manifest.documents_bytes =
            documents::append(&path, manifest.documents_bytes, log).map_err(failed(path.clone()))?;
        manifest.next_file = writer.next_file;
        manifest.write(&self.folder)?;
        for change in log {
            all.apply(change);
        }
        if all.is_stale() {
            let number = writer.next_file;
            writer.next_file += 1;
            let mut fresh = Manifest { documents: number, next_file: writer.next_file, ..manifest.clone() };
            fresh.documents_bytes =
                documents::rewrite(&self.folder, number, &all).map_err(failed(path.clone()))?;
            fresh.write(&self.folder)?;
            *manifest = fresh;
            all.renewed();
            // Swept when the library is opened next, if not now.
            let _ = std::fs::remove_file(&path);
        }
        *self.manifest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manifest.clone());
        Ok(())
    }

    /// Removes documents. Says how many there were.
    pub fn remove(&self, ids: &[u64]) -> Result<u64, DocsError> {
        let gone: Vec<u64> = {
            let documents = self.documents();
            ids.iter().copied().filter(|&id| documents.get(id).is_some()).collect()
        };
        let count = gone.len() as u64;
        if count > 0 {
            self.publish(Changes { gone, ..Changes::default() })?;
        }
        Ok(count)
    }
}

/// The number that stands in a part's name.
pub(super) fn number(facts: &PartFacts) -> u64 {
    facts
        .path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .and_then(|stem| stem.parse().ok())
        .unwrap_or_default()
}
