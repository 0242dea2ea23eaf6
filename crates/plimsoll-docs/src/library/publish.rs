//! What makes changes count: parts and documents together, or none of them.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::documents::{self, Change, Documents};
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

impl Changes {
    /// Whether nothing is to count that does not already.
    fn is_empty(&self) -> bool {
        self.parts.iter().all(|facts| facts.passages == 0) && self.put.is_empty() && self.gone.is_empty()
    }
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
        if changes.is_empty() {
            return Ok(());
        }
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
        self.write(&mut writer, manifest, &log)?;
        *self.parts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(parts);
        self.remove_vectors(&changes.gone)
    }

    /// Writes the log and then the manifest, and takes both in.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        mut manifest: Manifest,
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
        self.stand(manifest)?;
        for change in log {
            all.apply(change);
        }
        // What is to count does; that the log is long costs nothing but its length, and is tried again with the next change.
        if all.is_stale() && self.renew(writer, &all).is_ok() {
            // Swept when the library is opened next, if not now.
            let _ = std::fs::remove_file(&path);
            all.renewed();
        }
        Ok(())
    }

    /// Writes the log anew, with what is there alone.
    fn renew(&self, writer: &mut Writer, all: &Documents) -> Result<(), DocsError> {
        let number = writer.next_file;
        writer.next_file += 1;
        let path = folder::documents(&self.folder, number);
        let written = documents::rewrite(&path, all).and_then(|bytes| {
            folder::sync(&self.folder)?;
            Ok(bytes)
        });
        let documents_bytes = written.map_err(|source| DocsError::Folder { path, source })?;
        let manifest = (*self.manifest()).clone();
        self.stand(Manifest { documents: number, documents_bytes, next_file: writer.next_file, ..manifest })
    }

    /// Puts a manifest in the place of the one before. Whoever does has the writer's turn.
    pub(super) fn stand(&self, manifest: Manifest) -> Result<(), DocsError> {
        manifest.write(&self.folder)?;
        *self.manifest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manifest);
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

#[cfg(test)]
mod tests {
    use plimsoll::{Bytes, Engine};

    use super::*;
    use crate::library::State;
    use crate::source::Kind;

    fn document(id: u64, turn: u64) -> Document {
        Document {
            id,
            name: format!("document {id}"),
            kind: Kind::Plain,
            bytes: turn,
            modified: None,
            hash: format!("{id} {turn}"),
            passages: 0,
            replaced: 0,
            skipped: 0,
            state: State::Whole,
        }
    }

    #[test]
    fn a_log_in_which_little_counts_is_written_anew() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("library");
        let account = Engine::in_memory(Bytes::mib(16), "docs").unwrap().account("docs").unwrap();
        let library = Library::create(&folder, true, &account).unwrap();
        let mut longest = 0;
        for turn in 0..12 {
            let put = (1..=200).map(|id| document(id, turn)).collect();
            library.publish(Changes { put, next: 201, ..Changes::default() }).unwrap();
            longest = longest.max(library.manifest().documents_bytes);
        }
        assert!(library.manifest().documents_bytes * 3 < longest * 2, "it was written anew");
        let logs = std::fs::read_dir(&folder).unwrap().flatten();
        let logs = logs.filter(|entry| entry.path().extension().is_some_and(|end| end == "documents"));
        assert_eq!(logs.count(), 1, "the one before is gone");
        drop(library);
        let library = Library::open_to_write(&folder, &account).unwrap();
        assert_eq!(library.list(0, 1000), (1..=200).map(|id| document(id, 11)).collect::<Vec<_>>());
        assert_eq!(library.next_document(), 201);
    }
}
