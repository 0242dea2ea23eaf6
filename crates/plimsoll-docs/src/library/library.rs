//! The library: opened, asked what it is, and handed to those who ingest and search.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use plimsoll::{Bytes, EngineAccount};
use plimsoll_vec::index::Index;

use super::documents::Documents;
use super::lock::Lock;
use super::manifest::{self, Manifest};
use super::{Document, LibraryFacts, folder, vectors};
use crate::DocsError;
use crate::part::Part;

/// How often a library that is being written is opened anew.
const TRIES: usize = 4;

/// Passages of documents in a folder, found by their words, and by vectors where a model makes some.
///
/// # What it is not
/// It keeps no documents: what it needs of one is its passages. It makes no vectors; who has a model does
/// ([`embed`](Self::embed)).
///
/// # Who owns what
/// The folder is the library; one process writes it, many may read, and see what was there when they opened it. What it takes of memory is
/// charged to the account that it was opened with.
///
/// # Example
/// ```
/// use plimsoll::{Bytes, Engine};
/// use plimsoll_docs::{IngestSettings, Library, Mode, Query};
///
/// # let home = tempfile::tempdir()?;
/// # let (folder, text) = (home.path().join("library"), home.path().join("line.md"));
/// std::fs::write(&text, "# Lines\n\nA line says how far a place may be loaded.\n")?;
/// let account = Engine::in_memory(Bytes::mib(64), "docs")?.account("docs")?;
/// let library = Library::create(&folder, true, &account)?;
/// library.ingest(&[text], &IngestSettings::default(), &mut |_| true)?;
/// let found = library.search(&Query::words("how far may it be loaded", 3))?;
/// assert_eq!(found[0].heading.as_deref(), Some("Lines"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
/// In memory: for each part a footer (a byte a passage, 32 bytes for each 64 KiB of text, 24 for each run of a document's passages, about 40
/// for each 4 KiB of its dictionary), for each document 512 bytes and its name twice.
pub struct Library {
    pub(super) folder: PathBuf,
    pub(super) account: EngineAccount,
    pub(super) parts: RwLock<Arc<Vec<Arc<Part>>>>,
    pub(super) documents: RwLock<Documents>,
    pub(super) vectors: RwLock<Option<Arc<Index>>>,
    pub(super) manifest: RwLock<Arc<Manifest>>,
    writer: Option<Mutex<Writer>>,
}

/// What only the one who writes has.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) next_file: u64,
    _lock: Lock,
}

impl Library {
    /// Makes an empty one in a folder that is not there or empty. `words`: whether its passages are to be found by their words.
    pub fn create(folder: &Path, words: bool, account: &EngineAccount) -> Result<Self, DocsError> {
        let failed = |source| DocsError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
            return Err(DocsError::NotEmpty { folder: folder.to_owned() });
        }
        let lock = Lock::take(folder)?;
        Manifest::empty(words).write(folder)?;
        Self::with(folder, account, Some(lock))
    }

    /// Opens one to be searched.
    pub fn open(folder: &Path, account: &EngineAccount) -> Result<Self, DocsError> {
        for _ in 1..TRIES {
            match Self::with(folder, account, None) {
                // Who writes it has put parts together since the manifest was read: another has taken its place.
                Err(error) if error.is_gone() => {}
                opened => return opened,
            }
        }
        Self::with(folder, account, None)
    }

    /// Whether a process has the one in this folder open to be written.
    pub fn is_in_use(folder: &Path) -> bool {
        Lock::is_taken(folder)
    }

    /// Opens one to be written too: by one process at a time.
    pub fn open_to_write(folder: &Path, account: &EngineAccount) -> Result<Self, DocsError> {
        if !folder.join(manifest::NAME).exists() {
            return Err(DocsError::NoLibrary { folder: folder.to_owned() });
        }
        Self::with(folder, account, Some(Lock::take(folder)?))
    }

    fn with(path: &Path, account: &EngineAccount, lock: Option<Lock>) -> Result<Self, DocsError> {
        let manifest = Manifest::read(path)?;
        let log = folder::documents(path, manifest.documents);
        if lock.is_some() {
            let mut wanted: Vec<PathBuf> =
                manifest.parts.iter().map(|part| folder::part(path, part.file)).collect();
            wanted.push(log.clone());
            folder::sweep(path, &wanted)
                .map_err(|source| DocsError::Folder { path: path.to_owned(), source })?;
        }
        let open = |part: &manifest::PartEntry| -> Result<Arc<Part>, DocsError> {
            let file = folder::part(path, part.file);
            let opened = Part::open(&file, part.first, account)?;
            if opened.passages() != part.passages {
                let what = "it has other passages than the manifest says".to_owned();
                return Err(DocsError::Damaged { path: file, what });
            }
            Ok(Arc::new(opened))
        };
        let parts = manifest.parts.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let documents = Documents::read(&log, manifest.documents_bytes, account)?;
        let vectors = vectors::open(path, &manifest, lock.is_some(), account)?;
        let writer = lock.map(|lock| Mutex::new(Writer { next_file: manifest.next_file, _lock: lock }));
        Ok(Self {
            folder: path.to_owned(),
            account: account.clone(),
            parts: RwLock::new(Arc::new(parts)),
            documents: RwLock::new(documents),
            vectors: RwLock::new(vectors),
            manifest: RwLock::new(Arc::new(manifest)),
            writer,
        })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The account that it is charged to.
    pub const fn account(&self) -> &EngineAccount {
        &self.account
    }

    /// Whether this process may write it.
    pub const fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>, DocsError> {
        let writer = self.writer.as_ref().ok_or(DocsError::ReadOnly)?;
        Ok(writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn parts(&self) -> Arc<Vec<Arc<Part>>> {
        Arc::clone(&self.parts.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.manifest.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn documents(&self) -> RwLockReadGuard<'_, Documents> {
        self.documents.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index(&self) -> Option<Arc<Index>> {
        self.vectors.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its documents, the oldest first: at most `most`, from the one behind `after`.
    pub fn list(&self, after: u64, most: usize) -> Vec<Document> {
        self.documents().after(after).take(most).cloned().collect()
    }

    /// A document.
    pub fn document(&self, id: u64) -> Option<Document> {
        self.documents().get(id).cloned()
    }

    /// Whether a document's passages come to that.
    pub(crate) fn says(&self, hash: &str) -> bool {
        self.documents().hashed(hash).is_some()
    }

    /// Whether a document has so many bytes: only then can another be the same.
    pub(crate) fn has_size(&self, bytes: u64) -> bool {
        self.documents().has_size(bytes)
    }

    /// The documents that are called so.
    pub fn named(&self, name: &str) -> Vec<Document> {
        self.documents().named(name).cloned().collect()
    }

    /// What it is now.
    pub fn facts(&self) -> LibraryFacts {
        let (parts, manifest, documents) = (self.parts(), self.manifest(), self.documents());
        let (whole, all) = documents.counts();
        let passages = parts.iter().map(|part| u64::from(part.passages())).sum();
        let memory = parts.iter().map(|part| part.held()).sum::<u64>() + documents.bytes();
        LibraryFacts {
            documents: whole,
            unfinished: all - whole,
            passages,
            dead: u64::saturating_sub(passages, documents.passages()),
            parts: parts.len(),
            disk: Bytes::new(parts.iter().map(|part| part.bytes()).sum::<u64>() + manifest.documents_bytes),
            memory: Bytes::new(memory),
            vectors: manifest.vectors.as_ref().map(|entry| (entry.model.clone(), entry.dimension, entry.to)),
        }
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library")
            .field("folder", &self.folder)
            .field("writable", &self.is_writable())
            .finish_non_exhaustive()
    }
}
