//! A recording, as it is read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::{FileReader, FileWriter, Section, Told};
use super::streams::{ByThread, Merge, Piece, by_thread};
use super::{Event, Kind, Names};
use crate::{Bytes, Place};

/// What a recording says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFact {
    /// The place.
    #[serde(with = "super::plain::place")]
    pub place: Place,
    /// What it may carry at most.
    #[serde(with = "super::plain::bytes")]
    pub line: Bytes,
    /// What was charged there when the recording began.
    #[serde(with = "super::plain::bytes")]
    pub charged: Bytes,
}

/// What a plan says that the peak will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// Where.
    #[serde(with = "super::plain::place")]
    pub place: Place,
    /// Whose; `None` is all of the place.
    pub account: Option<String>,
    /// How much.
    #[serde(with = "super::plain::bytes")]
    pub bytes: Bytes,
}

/// Bytes that were leased already when the recording began, by source and tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// As an index into [`Names::sources`].
    pub source: u16,
    /// As an index into [`Names::tags`].
    pub tag: u16,
    /// How much, as placed.
    #[serde(with = "super::plain::bytes")]
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
    /// Another sort of file.
    #[error("{path} is not a recording: {is}", path = path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What it seems to be.
        is: &'static str,
    },
    /// A recording of a later version.
    #[error("{path} is a recording of version {version}, and this program reads version {known}; use a newer one", path = path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u8,
        /// Ours.
        known: u8,
    },
    /// A recording with something in it that cannot be.
    #[error("{path} is damaged: at byte {at} there is {what}; what comes before can be had from a copy that is cut there", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is there.
        what: &'static str,
    },
    /// It was ended by somebody else.
    #[error("the recording has ended already")]
    Ended,
}

/// What was recorded. Cheap to hold when it is in a file: events are read as they are asked for.
#[derive(Debug)]
pub struct Recording {
    facts: Facts,
    names: Names,
    /// Events that come before all others: what there was already.
    before: Vec<Event>,
    /// Events that are in order already.
    ordered: Vec<Event>,
    ordered_in_file: Vec<Section>,
    /// Events that are to be put in order.
    threads: ByThread,
    file: Option<FileReader>,
    origin_ns: u64,
}

impl Recording {
    /// A recording of these events, in this order: for what was recorded elsewhere, and for tests.
    pub fn from_events(mut facts: Facts, names: Names, events: Vec<Event>) -> Self {
        facts.events = events.len() as u64;
        Self { ordered: events, ..Self::of_pieces(facts, names, Vec::new(), Vec::new(), 0) }
    }

    pub(super) fn of_pieces(
        facts: Facts,
        names: Names,
        before: Vec<Event>,
        pieces: Vec<Piece>,
        origin_ns: u64,
    ) -> Self {
        let threads = by_thread(pieces);
        let (ordered, ordered_in_file) = (Vec::new(), Vec::new());
        Self { facts, names, before, ordered, ordered_in_file, threads, file: None, origin_ns }
    }

    /// Opens a file. One that was cut short is read as far as it goes, and [says so](Facts::cut).
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let (file, found) = FileReader::open(path)?;
        let Told { facts, origin_ns, until_ns } = found.told;
        let mut recording = Self::of_pieces(facts, found.names, found.before, found.pieces, origin_ns);
        recording.ordered_in_file = found.ordered;
        recording.file = Some(file);
        recording.forget_what_came_later(until_ns);
        Ok(recording)
    }

    /// Writes it to a file, which is whole or not there: it is written under another name first.
    pub fn save(&self, path: &Path) -> Result<(), RecordingError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let written = self.write(&partial);
        let moved = written.and_then(|()| {
            let failed = |source| RecordingError::File { path: path.to_owned(), source };
            std::fs::rename(&partial, path).map_err(failed)
        });
        if moved.is_err() {
            // Nobody is to find half of it; that it cannot be removed either is not what went wrong.
            let _ = std::fs::remove_file(&partial);
        }
        moved
    }

    fn write(&self, path: &Path) -> Result<(), RecordingError> {
        let mut file = FileWriter::create(path)?;
        file.ordered(&self.before, true)?;
        file.ordered(&self.ordered, false)?;
        if let Some(from) = &self.file {
            for section in &self.ordered_in_file {
                file.ordered(&from.ordered(section)?, false)?;
            }
        }
        for piece in self.threads.iter().flatten() {
            file.words(piece.thread, &piece.words(self.file.as_ref())?)?;
        }
        let told = Told { origin_ns: self.origin_ns, until_ns: 0, facts: self.facts.clone() };
        file.finish(&told, &self.names)?;
        Ok(())
    }

    /// What was leased or backed in the moment in which pools were asked what they have is in both: in what there was
    /// before, and among the events. It is taken out of the first.
    pub(super) fn forget_what_came_later(&mut self, until_ns: u64) {
        if until_ns == 0 {
            return;
        }
        let until = until_ns.saturating_sub(self.origin_ns);
        let key = |event: &Event| (event.kind == Kind::Back, event.source, event.address);
        let asked = |event: &Event| matches!(event.kind, Kind::Already | Kind::Back);
        let mut open: HashSet<_> = self.before.iter().filter(|event| asked(event)).map(key).collect();
        let mut later = HashSet::new();
        for event in self.events().skip(self.before.len()).map_while(Result::ok) {
            // The clock that is looked at may be a little behind.
            if event.at_ns > until.saturating_add(10_000_000) || open.is_empty() {
                break;
            }
            match event.kind {
                Kind::Lease if open.remove(&(false, event.source, event.address)) => {
                    later.insert((false, event.source, event.address));
                }
                Kind::Back if open.remove(&key(&event)) => drop(later.insert(key(&event))),

                Kind::Drop | Kind::Retire | Kind::Settle => {
                    open.remove(&(false, event.source, event.address));
                }
                Kind::GiveBack => {
                    open.remove(&(true, event.source, event.address));
                }
                _ => {}
            }
        }
        let gone = |event: &Event| asked(event) && later.contains(&key(event));
        for event in self.before.iter().filter(|event| event.kind == Kind::Already && gone(event)) {
            let untagged =
                |known: &&mut Baseline| known.source == event.source && known.placed.get() >= event.bytes;
            if let Some(known) = self.facts.baseline.iter_mut().rev().find(untagged) {
                known.placed = known.placed.saturating_sub(Bytes::new(event.bytes));
            }
        }
        let before = self.before.len();
        self.before.retain(|event| !gone(event));
        self.facts.events -= (before - self.before.len()) as u64;
    }

    /// Holds it against these predictions too, of which nothing was known when it was made.
    pub fn predict(&mut self, predictions: impl IntoIterator<Item = Prediction>) {
        for prediction in predictions {
            let same =
                |known: &Prediction| known.place == prediction.place && known.account == prediction.account;
            self.facts.predictions.retain(|known| !same(known));
            self.facts.predictions.push(prediction);
        }
    }

    /// What it says of itself.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The names that its events speak of.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Its events in one order, from the first. Can be asked for again. After an error there are no more.
    pub fn events(&self) -> Events<'_> {
        Events {
            recording: self,
            before: 0,
            sections: self.ordered_in_file.iter(),
            buffer: Vec::new(),
            at: 0,
            merge: Stage::Ordered,
        }
    }
}

/// The events of a recording, one after the other.
#[derive(Debug)]
pub struct Events<'r> {
    recording: &'r Recording,
    before: usize,
    sections: std::slice::Iter<'r, Section>,
    buffer: Vec<Event>,
    at: usize,
    merge: Stage<'r>,
}

#[derive(Debug)]
enum Stage<'r> {
    /// What is in order already, as far as it came.
    Ordered,
    Merging(Box<Merge<'r>>),
    Done,
}

impl Events<'_> {
    fn step(&mut self) -> Result<Option<Event>, RecordingError> {
        let recording = self.recording;
        let first = recording.before.len() + recording.ordered.len();
        if self.before < first {
            let at = self.before;
            self.before += 1;
            let before = recording.before.get(at);
            return Ok(before.or_else(|| recording.ordered.get(at - recording.before.len())).copied());
        }
        loop {
            match &mut self.merge {
                Stage::Ordered => {
                    if let Some(event) = self.buffer.get(self.at) {
                        self.at += 1;
                        return Ok(Some(*event));
                    }
                    if let (Some(section), Some(file)) = (self.sections.next(), &recording.file) {
                        (self.buffer, self.at) = (file.ordered(section)?, 0);
                    } else {
                        let (threads, before) = (&recording.threads, &recording.before);
                        let merge =
                            Merge::new(threads, recording.file.as_ref(), before, recording.origin_ns)?;
                        self.merge = Stage::Merging(Box::new(merge));
                    }
                }
                Stage::Merging(merge) => return merge.next(),
                Stage::Done => return Ok(None),
            }
        }
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.merge = Stage::Done;
        }
        step.transpose()
    }
}
