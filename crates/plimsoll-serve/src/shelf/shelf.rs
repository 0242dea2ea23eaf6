//! One library of a service.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use plimsoll::EngineAccount;
use plimsoll_docs::source::{Found, Kind};
use plimsoll_docs::{DocsError, Document, Embed, IngestSettings, Library};

use super::LibrarySource;

/// A library and how it stands.
pub struct Shelf {
    source: LibrarySource,
    library: Result<Library, String>,
    /// Who takes documents in, one at a time.
    turn: Mutex<()>,
    /// Who makes vectors, likewise.
    embedding: Mutex<()>,
    number: AtomicU64,
}

/// Why a library does not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfFault {
    /// There is none of that name.
    #[error("there is no library {name:?}; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// There is none at all.
    #[error("no library is served; start the service with --library FOLDER")]
    None,
    /// It cannot be used.
    #[error("the library {name} cannot be used: {why}")]
    Broken {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// Another process writes it.
    #[error("another process writes the library {name}; documents are taken in there")]
    Elsewhere {
        /// Which.
        name: String,
    },
    /// The library said no.
    #[error(transparent)]
    Docs(#[from] DocsError),
    /// What came could not be put down.
    #[error("the document could not be put down to be read: {0}")]
    File(#[from] std::io::Error),
    /// It says nothing.
    #[error("the document was not taken in: {0}")]
    Left(String),
}

/// What came of a document.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    /// It is there now, or was already.
    Document(Box<Document>),
    /// Another document says the same.
    Duplicate,
}

impl Shelf {
    /// Opens it: one that cannot be used is named, and the others are served.
    pub(super) fn open(source: &LibrarySource, account: &EngineAccount) -> Self {
        let opened = match Library::open_to_write(&source.folder, account) {
            Err(DocsError::NoLibrary { .. }) => Library::create(&source.folder, true, account),
            // Who writes it goes on; it can be searched meanwhile.
            Err(DocsError::InUse { .. }) => Library::open(&source.folder, account),
            opened => opened,
        };
        Self {
            source: source.clone(),
            library: opened.map_err(|error| error.to_string()),
            turn: Mutex::default(),
            embedding: Mutex::default(),
            number: AtomicU64::new(0),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// The library, if it can be used.
    pub fn library(&self) -> Result<&Library, ShelfFault> {
        let broken = |why: &String| ShelfFault::Broken { name: self.source.name.clone(), why: why.clone() };
        self.library.as_ref().map_err(broken)
    }

    fn writable(&self) -> Result<&Library, ShelfFault> {
        let library = self.library()?;
        if library.is_writable() {
            Ok(library)
        } else {
            Err(ShelfFault::Elsewhere { name: self.source.name.clone() })
        }
    }

    /// A place for a document that is coming, which nobody else has.
    pub(crate) fn incoming(&self) -> Result<std::path::PathBuf, ShelfFault> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        Ok(self.writable()?.folder().join(format!("incoming-{}-{number}", std::process::id())))
    }

    /// Takes in what lies at a path, under a name.
    pub(crate) fn take(
        &self,
        name: &str,
        path: &std::path::Path,
        kind: Option<Kind>,
        going_on: &dyn Fn() -> bool,
    ) -> Result<Taken, ShelfFault> {
        let library = self.writable()?;
        let found = Found::at(path, name, kind).map_err(|why| ShelfFault::Left(why.to_string()))?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = IngestSettings { threads: 1, ..IngestSettings::default() };
        let report = library.ingest_as(name, &found, &settings, &mut |_| going_on())?;
        if let Some(left) = report.left_out.first() {
            return Err(ShelfFault::Left(left.why.clone()));
        }
        if report.stopped {
            return Err(ShelfFault::Left("the service is stopping".to_owned()));
        }
        if report.duplicates > 0 {
            return Ok(Taken::Duplicate);
        }
        let document = library.named(name).into_iter().next_back();
        document
            .map(Box::new)
            .map(Taken::Document)
            .ok_or_else(|| ShelfFault::Left("it says nothing".to_owned()))
    }

    /// Takes in what lies in a folder, called as it is there.
    pub(crate) fn take_all(
        &self,
        folder: &std::path::Path,
        going_on: &dyn Fn() -> bool,
    ) -> Result<(), ShelfFault> {
        let library = self.writable()?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let settings =
            IngestSettings { threads: 1, below: Some(folder.to_owned()), ..IngestSettings::default() };
        library.ingest(&[folder], &settings, &mut |_| going_on())?;
        Ok(())
    }

    /// Removes a document. Says whether there was one.
    pub(crate) fn remove(&self, id: u64) -> Result<bool, ShelfFault> {
        let library = self.writable()?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = library.remove(&[id])? > 0;
        if removed && library.facts().dead > library.facts().passages / 2 {
            library.compact()?;
        }
        Ok(removed)
    }

    /// Makes vectors of passages that have none.
    pub(crate) fn embed(&self, by: &mut dyn Embed, going_on: &dyn Fn() -> bool) -> Result<u64, ShelfFault> {
        let library = self.writable()?;
        let _turn = self.embedding.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(library.embed(by, &mut |_| going_on())?.done)
    }
}
