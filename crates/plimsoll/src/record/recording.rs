//! A recording, as it is read.

use std::path::{Path, PathBuf};

use super::{Event, Names};
use crate::{Bytes, Place};

/// What a recording says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// What was recorded, for people: the program's name.
    pub program: String,
    /// When it began, in milliseconds since 1970, for people.
    pub started_unix_ms: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// Events that are in it.
    pub events: u64,
    /// Events that happened and are not, because there was no room.
    pub dropped: u64,
    /// The file ended before its end: what is here is all that was written.
    pub cut: bool,
    /// Lines as they were when it began.
    pub lines: Vec<LineFact>,
    /// What somebody predicted.
    pub predictions: Vec<Prediction>,
    /// What was leased already when it began.
    pub baseline: Vec<Baseline>,
}

/// One place's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFact {
    /// The place.
    pub place: Place,
    /// What it may carry at most.
    pub line: Bytes,
    /// What was charged there when the recording began.
    pub charged: Bytes,
}

/// What a plan says that the peak will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// Where.
    pub place: Place,
    /// Whose; `None` is all of the place.
    pub account: Option<String>,
    /// How much.
    pub bytes: Bytes,
}

/// Bytes that were leased already when the recording began, by source and tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// As an index into [`Names::sources`].
    pub source: u16,
    /// As an index into [`Names::tags`].
    pub tag: u16,
    /// How much, as placed.
    pub placed: Bytes,
}

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file system.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

/// What was recorded. Cheap to hold when it is in a file: events are read as they are asked for.
#[derive(Debug)]
pub struct Recording {
    facts: Facts,
    names: Names,
    events: Vec<Event>,
}

impl Recording {
    /// A recording of these events, in this order: for what was recorded elsewhere, and for tests.
    pub fn from_events(mut facts: Facts, names: Names, events: Vec<Event>) -> Self {
        facts.events = events.len() as u64;
        Self { facts, names, events }
    }

    /// Opens a file.
    pub fn open(_path: &Path) -> Result<Self, RecordingError> {
        unimplemented!()
    }

    /// What it says of itself.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The names that its events speak of.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Its events in one order, from the first. Can be asked for again.
    pub fn events(&self) -> Events<'_> {
        Events { rest: self.events.iter() }
    }
}

/// The events of a recording, one after the other.
#[derive(Debug)]
pub struct Events<'r> {
    rest: std::slice::Iter<'r, Event>,
}

impl Iterator for Events<'_> {
    type Item = Result<Event, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.next().copied().map(Ok)
    }
}
