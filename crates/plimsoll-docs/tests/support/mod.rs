//! A folder, an account, and what documents become.

#![allow(dead_code, clippy::expect_used, clippy::unwrap_used, reason = "each scenario uses its part of it")]

use std::cell::Cell;
use std::path::PathBuf;

use plimsoll::{Bytes, Engine, EngineAccount, Place};
use plimsoll_docs::DocsError;
use plimsoll_docs::passage::{Chunking, Passages};
use plimsoll_docs::source::{Entry, Found, Kind, Walk};

/// Where a scenario takes place.
pub struct Desk {
    engine: Engine,
    pub folder: tempfile::TempDir,
    peak: Cell<Bytes>,
}

impl Desk {
    pub fn new() -> Self {
        Self::of(Bytes::mib(64))
    }

    pub fn of(line: Bytes) -> Self {
        // PDFs are read by the program that is there for it; a page in two seconds of a processor.
        plimsoll_docs::pdf::read_through(env!("CARGO_BIN_EXE_plimsoll-read-pdf"), 2);
        Self {
            engine: Engine::in_memory(line, "documents").unwrap(),
            folder: tempfile::tempdir().unwrap(),
            peak: Cell::new(Bytes::ZERO),
        }
    }

    pub fn account(&self) -> EngineAccount {
        self.engine.account("documents").unwrap()
    }

    pub fn charged(&self) -> Bytes {
        self.account().charged(Place::Host)
    }

    /// The most that was charged while texts were read.
    pub fn peak(&self) -> Bytes {
        self.peak.get()
    }

    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn found(&self, name: &str, content: &[u8], kind: Kind) -> Found {
        let path = self.write(name, content);
        Found { path, kind, bytes: Bytes::new(content.len() as u64) }
    }

    /// All passages of a document.
    pub fn texts(&self, found: &Found) -> Result<Vec<String>, DocsError> {
        let mut passages = Passages::open(found, Chunking::default(), &self.account())?;
        let mut texts = Vec::new();
        while let Some(passage) = passages.next()? {
            texts.push(passage.text.to_owned());
            self.peak.set(self.peak.get().max(self.charged()));
        }
        Ok(texts)
    }

    /// Passages with the headings they stand under.
    pub fn under(&self, found: &Found, most: usize) -> Vec<(String, String)> {
        let chunking = Chunking { most, overlap: 0 };
        let mut passages = Passages::open(found, chunking, &self.account()).unwrap();
        let mut all = Vec::new();
        while let Some(passage) = passages.next().unwrap() {
            all.push((passage.heading.unwrap_or("").to_owned(), passage.text.to_owned()));
        }
        all
    }

    pub fn walk(&self) -> Vec<Entry> {
        Walk::over([self.folder.path()]).collect()
    }

    /// Names of what a walk over the folder finds, in its order.
    pub fn met(&self) -> Vec<String> {
        let found = self.walk().into_iter().filter_map(|entry| match entry {
            Entry::Found(found) => Some(self.name(&found.path)),
            Entry::Left(_) => None,
        });
        found.collect()
    }

    /// What it leaves, and why.
    pub fn left(&self) -> Vec<String> {
        let left = self.walk().into_iter().filter_map(|entry| match entry {
            Entry::Left(left) => Some(format!("{}: {}", self.name(&left.path), left.why)),
            Entry::Found(_) => None,
        });
        left.collect()
    }

    fn name(&self, path: &std::path::Path) -> String {
        path.strip_prefix(self.folder.path()).unwrap_or(path).to_string_lossy().into_owned()
    }
}
