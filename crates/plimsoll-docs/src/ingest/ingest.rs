//! The work itself: files to passages to blocks, and what counts when.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use plimsoll::Place;
use plimsoll::governor::PressureLevel;

use super::fingerprint::Fingerprint;
use super::mill::Mill;
use super::room::Room;
use super::{IngestReport, IngestSettings, Progress};
use crate::library::{Changes, Document, State};
use crate::part::{Block, Record, Stands};
use crate::passage::{Passage, Passages};
use crate::source::{Entry, Found, Walk};
use crate::{DocsError, Library};

/// Documents that wait to count.
const WAITING: usize = 4096;
/// How long it stands still for other programs before it goes on with little.
const STILL: Duration = Duration::from_secs(5);
/// What a part may come to while others are short of memory.
const PRESSED: usize = 1 << 20;

/// Asked every few passages; whoever says no stops it.
type Told<'t> = &'t mut dyn FnMut(&Progress<'_>) -> bool;

impl Library {
    /// Takes in files and what is in folders. What was read counts every few seconds, so a process that is killed loses little: the
    /// same call goes on where the last one was, and passes over what is as it was.
    pub fn ingest<P: AsRef<Path>>(
        &self,
        paths: &[P],
        settings: &IngestSettings,
        told: Told<'_>,
    ) -> Result<IngestReport, DocsError> {
        let walk = || Walk::over(paths.iter().map(AsRef::as_ref)).kind(settings.kind);
        let mut of = (0, 0);
        for entry in walk() {
            if let Entry::Found(found) = entry {
                of = (of.0 + 1, of.1 + found.bytes.get());
            }
        }
        self.with_mill(settings, of.1, |mill| {
            let mut work = Ingest::new(self, settings, mill, of, told)?;
            for entry in walk() {
                match entry {
                    Entry::Left(left) => work.report.leave(&left.path, left.why.to_string()),
                    Entry::Found(found) => {
                        work.file(&found, &settings.name(&found.path), modified(&found.path))?;
                    }
                }
                if work.report.stopped {
                    break;
                }
            }
            work.finish()
        })
    }

    /// Takes in one file under a name of its own.
    pub fn ingest_as(
        &self,
        name: &str,
        found: &Found,
        settings: &IngestSettings,
        told: Told<'_>,
    ) -> Result<IngestReport, DocsError> {
        self.with_mill(settings, found.bytes.get(), |mill| {
            let mut work = Ingest::new(self, settings, mill, (1, found.bytes.get()), told)?;
            work.file(found, name, None)?;
            work.finish()
        })
    }

    fn with_mill(
        &self,
        settings: &IngestSettings,
        bytes: u64,
        work: impl FnOnce(&Mill<'_>) -> Result<IngestReport, DocsError>,
    ) -> Result<IngestReport, DocsError> {
        if !self.is_writable() {
            return Err(DocsError::ReadOnly);
        }
        let threads = settings.threads();
        let room = Room::take(self.account(), threads, bytes)?;
        let mill = Mill::new(self, threads, room.part, settings.chunking.most);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| mill.work());
            }
            let outcome = work(&mill);
            mill.close(threads);
            outcome
        })
    }
}

/// One call's work.
struct Ingest<'i, 'l> {
    library: &'l Library,
    settings: &'i IngestSettings,
    mill: &'i Mill<'l>,
    block: Block,
    changes: Changes,
    /// What waits to count: hashes of documents, and their sizes.
    fresh: HashSet<String>,
    sizes: HashSet<u64>,
    next: u64,
    counted: Instant,
    /// Until then nobody asks whether others are short of memory.
    calm: Instant,
    began: Instant,
    files: (u64, u64),
    /// Bytes of files that are done, and all of them.
    bytes: (u64, u64),
    told: Told<'i>,
    report: IngestReport,
}

impl<'i, 'l> Ingest<'i, 'l> {
    fn new(
        library: &'l Library,
        settings: &'i IngestSettings,
        mill: &'i Mill<'l>,
        of: (u64, u64),
        told: Told<'i>,
    ) -> Result<Self, DocsError> {
        Ok(Self {
            library,
            settings,
            mill,
            block: mill.block()?,
            changes: Changes::default(),
            fresh: HashSet::new(),
            sizes: HashSet::new(),
            next: library.next_document(),
            counted: Instant::now(),
            calm: Instant::now(),
            began: Instant::now(),
            files: (0, of.0),
            bytes: (0, of.1),
            told,
            report: IngestReport::default(),
        })
    }

    /// A file, unless it is as it was.
    fn file(&mut self, found: &Found, name: &str, modified: Option<u64>) -> Result<(), DocsError> {
        let done = self.document(found, name, modified);
        self.files.0 += 1;
        self.bytes.0 += found.bytes.get();
        match done {
            // What is wrong with a document is that document's; the others go on.
            Err(error) if error.is_of_a_document() => {
                self.report.leave(&found.path, error.to_string());
                Ok(())
            }
            done => done,
        }
    }

    fn document(&mut self, found: &Found, name: &str, modified: Option<u64>) -> Result<(), DocsError> {
        let known = self.library.named(name);
        let whole = known.iter().find(|document| document.state == State::Whole);
        let begun = known.iter().find(|document| document.state != State::Whole);
        let same = |one: &&Document| {
            one.bytes == found.bytes.get()
                && one.modified == modified
                && one.kind == found.kind
                && modified.is_some()
        };
        if begun.is_none() && whole.as_ref().is_some_and(same) {
            self.report.unchanged += 1;
            return Ok(());
        }
        if let Some(begun) = begun {
            if same(&begun) {
                return self.read(found, begun.clone(), whole.map(|old| old.id));
            }
            self.changes.gone.push(begun.id);
        }
        if let Some(hash) = self.maybe_known(found)? {
            if let Some(old) = whole.filter(|old| old.hash == hash) {
                self.report.unchanged += 1;
                self.changes.put.push(Document { modified, bytes: found.bytes.get(), ..old.clone() });
                return Ok(());
            }
            if self.fresh.contains(&hash) || self.library.says(&hash) {
                self.report.duplicates += 1;
                // What it said before it says no more.
                self.changes.gone.extend(whole.map(|old| old.id));
                return Ok(());
            }
        }
        let document = Document {
            id: self.next,
            name: name.to_owned(),
            kind: found.kind,
            bytes: found.bytes.get(),
            modified,
            hash: Fingerprint::default().text(),
            passages: 0,
            replaced: 0,
            skipped: 0,
            state: State::Whole,
        };
        self.next += 1;
        self.read(found, document, whole.map(|old| old.id))
    }

    /// What a file's passages come to, if there is a document as long as it: only then can it be the same.
    fn maybe_known(&self, found: &Found) -> Result<Option<String>, DocsError> {
        let bytes = found.bytes.get();
        if !self.sizes.contains(&bytes) && !self.library.has_size(bytes) {
            return Ok(None);
        }
        let mut passages = Passages::open(found, self.settings.chunking, self.library.account())?;
        let mut print = Fingerprint::default();
        while let Some(passage) = passages.next()? {
            print.add(passage.text);
        }
        Ok(Some(print.text()))
    }

    /// Reads a document, from its beginning or from where it was left.
    fn read(
        &mut self,
        found: &Found,
        mut document: Document,
        replaces: Option<u64>,
    ) -> Result<(), DocsError> {
        let (chunking, account) = (self.settings.chunking, self.library.account());
        let mut passages = match &document.state {
            State::Whole => Passages::open(found, chunking, account)?,
            State::Part { position, .. } => Passages::open_at(found, chunking, account, position)?,
        };
        let mut print = Fingerprint::from_text(&document.hash).unwrap_or_default();
        let before = (document.replaced, document.skipped);
        let began = passages.read();
        loop {
            let passage = match passages.next() {
                Ok(Some(passage)) => passage,
                Ok(None) => break,
                Err(error) => {
                    // Those of its passages that are kept already are nobody's.
                    if self.library.document(document.id).is_some() {
                        self.changes.gone.push(document.id);
                    }
                    return Err(error);
                }
            };
            print.add(passage.text);
            self.block.push(&record(&passage), document.id, document.passages);
            document.passages += 1;
            self.report.passages += 1;
            if !self.block.is_full() {
                continue;
            }
            self.send()?;
            let read = passages.read();
            let more = self.tell(&found.path, read, false);
            if !more || self.counted.elapsed() >= self.settings.counts_every || self.is_pressed() {
                document.hash = print.text();
                let flaws = passages.flaws();
                (document.replaced, document.skipped) = (flaws.replaced, flaws.skipped);
                document.state = State::Part { position: passages.position(), read, replaces };
                self.changes.put.push(document.clone());
                self.count()?;
                self.stand_still(&found.path, read);
            }
            if !more {
                self.report.stopped = true;
                self.report.bytes += read - began;
                return Ok(());
            }
        }
        self.report.bytes += passages.read().saturating_sub(began);
        let flaws = passages.flaws();
        (document.replaced, document.skipped) = (flaws.replaced, flaws.skipped);
        self.report.replaced += document.replaced.saturating_sub(before.0);
        self.report.skipped += document.skipped.saturating_sub(before.1);
        document.hash = print.text();
        document.state = State::Whole;
        self.end(document, replaces, &found.path)
    }

    /// A document is whole.
    fn end(&mut self, document: Document, replaces: Option<u64>, path: &Path) -> Result<(), DocsError> {
        self.report.documents += 1;
        self.fresh.insert(document.hash.clone());
        self.sizes.insert(document.bytes);
        self.changes.gone.extend(replaces);
        let bytes = document.bytes;
        self.changes.put.push(document);
        let more = self.tell(path, bytes, false);
        self.report.stopped |= !more;
        if self.counted.elapsed() >= self.settings.counts_every || self.changes.put.len() >= WAITING {
            self.count()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), DocsError> {
        let full = std::mem::replace(&mut self.block, self.mill.block()?);
        self.mill.send(full)
    }

    /// Makes everything count that was read so far.
    fn count(&mut self) -> Result<(), DocsError> {
        self.send()?;
        let mut changes = std::mem::take(&mut self.changes);
        changes.parts = self.mill.drain()?;
        changes.next = self.next;
        self.library.publish(changes)?;
        self.library.shrink()?;
        self.fresh.clear();
        self.sizes.clear();
        self.counted = Instant::now();
        Ok(())
    }

    fn tell(&mut self, path: &Path, read: u64, paused: bool) -> bool {
        let bytes = (self.bytes.0 + read, self.bytes.1);
        let passages = self.report.passages;
        (self.told)(&Progress { path, files: self.files, bytes, passages, paused })
    }

    fn is_pressed(&self) -> bool {
        self.calm <= Instant::now()
            && self.library.account().governor().level(Place::Host) >= PressureLevel::Warning
    }

    /// While other programs are short of memory nothing more is read: everything that could be written has been, and the bytes of it
    /// given back. If that does not help, since it may be our own bytes that press, it goes on with little.
    fn stand_still(&mut self, path: &Path, read: u64) {
        if !self.is_pressed() {
            self.mill.unpress();
            return;
        }
        self.mill.press(PRESSED);
        let began = Instant::now();
        while self.is_pressed() && began.elapsed() < STILL && self.tell(path, read, true) {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.report.paused += began.elapsed();
        self.calm = Instant::now() + STILL;
    }

    fn finish(mut self) -> Result<IngestReport, DocsError> {
        self.count()?;
        self.report.took = self.began.elapsed();
        Ok(self.report)
    }
}

fn record<'p>(passage: &Passage<'p>) -> Record<'p> {
    let Passage { text, at, page, heading, record } = passage.clone();
    Record { stands: Stands { at, page, heading, record }, text }
}

/// When a file was changed last, in nanoseconds since 1970.
fn modified(path: &Path) -> Option<u64> {
    let time = std::fs::metadata(path).ok()?.modified().ok()?;
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}
