//! A library in a folder of its own, and files to put into it.
#![allow(clippy::expect_used, dead_code, reason = "what a test needs is there, and each uses some of it")]

use std::path::{Path, PathBuf};

use plimsoll::{Bytes, Engine, EngineAccount};
use plimsoll_docs::{IngestReport, IngestSettings, Library, Match, Query};
use tempfile::TempDir;

/// A folder for files and one for a library.
pub struct Bed {
    home: TempDir,
    pub account: EngineAccount,
}

impl Bed {
    pub fn new(memory: Bytes) -> Self {
        // PDFs are read by the program that is there for it; a page in two seconds of a processor.
        plimsoll_docs::pdf::read_through(env!("CARGO_BIN_EXE_plimsoll-read-pdf"), 2);
        let engine = Engine::in_memory(memory, "docs").expect("an engine");
        let bed = Self {
            home: tempfile::tempdir().expect("a folder"),
            account: engine.account("docs").expect("an account"),
        };
        std::fs::create_dir(bed.files()).expect("a folder");
        bed
    }

    pub fn files(&self) -> PathBuf {
        self.home.path().join("files")
    }

    pub fn folder(&self) -> PathBuf {
        self.home.path().join("library")
    }

    /// Writes a file, and says where it is.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.files().join(name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        std::fs::write(&path, text).expect("written");
        path
    }

    pub fn create(&self) -> Library {
        Library::create(&self.folder(), true, &self.account).expect("a library")
    }

    pub fn open(&self) -> Library {
        Library::open_to_write(&self.folder(), &self.account).expect("the library")
    }
}

/// Takes in everything below a path.
pub fn ingest(library: &Library, path: impl AsRef<Path>) -> IngestReport {
    library.ingest(&[path], &IngestSettings::default(), &mut |_| true).expect("taken in")
}

/// The best passages by words.
pub fn find(library: &Library, words: &str) -> Vec<Match> {
    library.search(&Query::words(words, 10)).expect("searched")
}

/// Names of the files that were found, the best first.
pub fn names(found: &[Match]) -> Vec<String> {
    let name = |one: &Match| Path::new(&one.name).file_name().expect("a name").to_string_lossy().into_owned();
    found.iter().map(name).collect()
}

/// A text of so many paragraphs, each with a word of its own.
pub fn long(word: &str, paragraphs: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for number in 0..paragraphs {
        let _ = writeln!(
            text,
            "Paragraph {number} of {word} tells about {word}{number}. It has some more words. {}\n",
            "Filling goes on. ".repeat(20)
        );
    }
    text
}
