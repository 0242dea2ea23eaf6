//! Recordings that run.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::file::{FileWriter, Told};
use super::recorder::{Recorder, held};
use super::recording::Facts;
use super::ring::{CHUNK_EVENTS, Chunk, Ring};
use super::standing::Before;
use super::streams::Piece;
use super::{Event, LineFact, Names, Prediction, Recording, RecordingError, clock, sites};
use crate::calendar::unix_ms;
use crate::pool::Tag;
use crate::{Bytes, Place};

/// How exact the times of leases are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordClock {
    /// Right to about a millisecond: a lease asks the system nothing.
    #[default]
    Coarse,
    /// Right to what the system's clock is; each event asks it, which may cost more than the rest of the event.
    Exact,
}

/// What a recording is begun with.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordSettings {
    limit: Bytes,
    clock: RecordClock,
    program: String,
    predictions: Vec<Prediction>,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self {
            limit: Bytes::mib(256),
            clock: RecordClock::Coarse,
            program: program(),
            predictions: Vec::new(),
        }
    }
}

impl RecordSettings {
    /// The most memory that events may take before they are let go (and counted). An event is 32 bytes. What goes to a
    /// file takes memory only until it is written.
    #[must_use]
    pub const fn limit(mut self, limit: Bytes) -> Self {
        self.limit = limit;
        self
    }

    /// How exact times are.
    #[must_use]
    pub const fn clock(mut self, clock: RecordClock) -> Self {
        self.clock = clock;
        self
    }

    /// What people will know it by; the program's name unless it is said.
    #[must_use]
    pub fn program(mut self, name: &str) -> Self {
        name.clone_into(&mut self.program);
        self
    }

    /// What somebody says that the peak will be at a place: it is shown beside what was measured.
    #[must_use]
    pub fn predict(mut self, place: Place, account: Option<&str>, bytes: Bytes) -> Self {
        self.predictions.push(Prediction { place, account: account.map(str::to_owned), bytes });
        self
    }
}

fn program() -> String {
    let exe = std::env::current_exe().ok();
    exe.and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).unwrap_or_default()
}

/// How often full chunks are written to a file, in ticks of the clock (milliseconds).
const TICKS_WRITTEN: u32 = 16;
/// How often names and facts are, in times that chunks are.
const TURNS_TOLD: u32 = 64;

/// What runs, and what is to be done for it now and then.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    next: u64,
    list: Vec<Session>,
    /// A thread keeps the clock that is looked at.
    ticking: bool,
}

#[derive(Debug)]
struct Session {
    id: u64,
    limit: u64,
    exact: bool,
    /// By ring, where it began.
    start: Starts,
    spool: Option<Spool>,
}

/// Where in each thread's ring a recording began: chunk and event. Threads that came later are not in it.
type Starts = HashMap<u16, (u64, usize)>;

impl Session {
    /// Where it began in a ring; one that came later is in it from its first event.
    fn start(&self, ring: &Ring) -> (u64, usize) {
        self.start.get(&ring.thread).copied().unwrap_or_default()
    }

    /// Events that the ring's thread has written since.
    fn written(&self, ring: &Ring) -> u64 {
        let (serial, at) = self.start(ring);
        ring.written() - (serial * CHUNK_EVENTS as u64 + at as u64)
    }
}

/// A recording that goes to a file as it comes.
#[derive(Debug)]
struct Spool {
    file: FileWriter,
    /// By ring: the chunk that is to be written next.
    next: HashMap<u16, u64>,
    threads: Threads,
    written: u64,
    /// What is known at the beginning.
    told: Told,
    turns: u32,
    failed: Option<RecordingError>,
}

/// Rings as a recording numbers them.
#[derive(Debug, Default)]
struct Threads {
    numbers: HashMap<u16, u16>,
    names: Vec<String>,
}

impl Threads {
    fn number(&mut self, ring: &Ring) -> u16 {
        *self.numbers.entry(ring.thread).or_insert_with(|| {
            self.names.push(ring.name.clone());
            u16::try_from(self.names.len() - 1).unwrap_or(u16::MAX)
        })
    }
}

/// A recording that runs, kept in memory. [`finish`](Self::finish) ends it; dropped, it is forgotten.
#[derive(Debug)]
#[must_use = "a recording that is not kept is forgotten at once"]
pub struct ActiveRecording {
    began: Began,
}

/// A recording that runs and goes to a file as it comes.
#[derive(Debug)]
#[must_use = "a recording that is not kept ends at once"]
pub struct SpooledRecording {
    began: Began,
}

/// What both have in common.
#[derive(Debug)]
struct Began {
    recorder: Arc<Recorder>,
    id: u64,
    origin_ns: u64,
    started_unix_ms: u64,
    settings: RecordSettings,
    lines: Vec<LineFact>,
    before: Before,
}

impl Recorder {
    /// Begins a recording in memory. `charged` are charges that there are already.
    pub(crate) fn record(
        self: &Arc<Self>,
        settings: RecordSettings,
        lines: Vec<LineFact>,
        charged: Vec<Event>,
    ) -> ActiveRecording {
        ActiveRecording { began: Began::new(self, settings, lines, charged, None) }
    }

    /// Begins a recording that goes to a file.
    pub(crate) fn record_to(
        self: &Arc<Self>,
        path: &Path,
        settings: RecordSettings,
        lines: Vec<LineFact>,
        charged: Vec<Event>,
    ) -> Result<SpooledRecording, RecordingError> {
        let file = FileWriter::create(path)?;
        let spool = Spool {
            file,
            next: HashMap::new(),
            threads: Threads::default(),
            written: 0,
            told: Told::default(),
            turns: 0,
            failed: None,
        };
        Ok(SpooledRecording { began: Began::new(self, settings, lines, charged, Some(spool)) })
    }

    /// What threads still have of the last moments, whether or not somebody recorded: for after something went wrong.
    pub fn recent(self: &Arc<Self>) -> Recording {
        let mut threads = Threads::default();
        let mut pieces = Vec::new();
        for ring in self.rings() {
            let number = threads.number(&ring);
            let chunks = ring.chunks();
            let both = chunks.previous.iter().chain([&chunks.current]);
            pieces.extend(both.map(|chunk| Piece::of(number, chunk, 0, chunk.len())));
        }
        let origin_ns = pieces.iter().filter_map(Piece::first_ns).min().unwrap_or(0);
        let events = pieces.iter().map(Piece::len).sum();
        let facts = Facts {
            program: program(),
            started_unix_ms: unix_ms().saturating_sub(clock::now_ns().saturating_sub(origin_ns) / 1_000_000),
            duration_ns: clock::now_ns().saturating_sub(origin_ns),
            events,
            ..Facts::default()
        };
        Recording::of_pieces(facts, self.names(threads.names), Vec::new(), pieces, origin_ns)
    }

    /// The names of what has happened until now.
    pub(crate) fn names_now(&self) -> Names {
        self.names(self.rings().iter().map(|ring| ring.name.clone()).collect())
    }

    fn names(&self, threads: Vec<String>) -> Names {
        Names { sources: self.sources(), tags: Tag::all(), sites: sites::all(), threads }
    }

    /// Where all rings stand.
    fn positions(&self) -> Starts {
        let position = |ring: &Arc<Ring>| {
            let chunks = ring.chunks();
            (ring.thread, (chunks.current.serial, chunks.current.len()))
        };
        self.rings().iter().map(position).collect()
    }

    fn enlist(self: &Arc<Self>, settings: &RecordSettings, spool: Option<Spool>) -> u64 {
        let mut sessions = held(&self.sessions);
        let id = sessions.next;
        sessions.next += 1;
        self.running.fetch_add(1, Ordering::SeqCst);
        self.want_leases(true);
        let chunk = (CHUNK_EVENTS * super::packed::EVENT_BYTES) as u64;
        let session = Session {
            id,
            limit: settings.limit.get().div_ceil(chunk),
            exact: settings.clock == RecordClock::Exact,
            start: self.positions(),
            spool,
        };
        sessions.list.push(session);
        self.settle(&sessions);
        if !sessions.ticking {
            let recorder = Arc::clone(self);
            let named = std::thread::Builder::new().name("plimsoll-record".to_owned());
            sessions.ticking = named.spawn(move || recorder.tick()).is_ok();
            if !sessions.ticking {
                // Nobody keeps the time: each event asks for it.
                self.exact.store(true, Ordering::Relaxed);
            }
        }
        id
    }

    fn settle(&self, sessions: &Sessions) {
        let limit = sessions.list.iter().map(|session| session.limit).max().unwrap_or(0);
        self.most_kept.store(limit, Ordering::Relaxed);
        self.exact.store(sessions.list.iter().any(|session| session.exact), Ordering::Relaxed);
    }

    /// Ends a session; what it leaves behind is let go.
    fn dismiss(&self, id: u64) -> Option<Session> {
        let mut sessions = held(&self.sessions);
        let at = sessions.list.iter().position(|session| session.id == id)?;
        let session = sessions.list.remove(at);
        self.want_leases(false);
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.settle(&sessions);
        self.trim(&sessions);
        Some(session)
    }

    /// Lets go of chunks that no recording needs any more.
    fn trim(&self, sessions: &Sessions) {
        for ring in self.rings() {
            let needs = |session: &Session| {
                let start = session.start(&ring).0;
                session
                    .spool
                    .as_ref()
                    .and_then(|spool| spool.next.get(&ring.thread).copied())
                    .unwrap_or(start)
            };
            let first = sessions.list.iter().map(needs).min().unwrap_or(u64::MAX);
            let mut chunks = ring.chunks();
            while chunks.kept.front().is_some_and(|chunk| chunk.serial < first) {
                chunks.kept.pop_front();
                self.kept.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Keeps the clock that is looked at, and writes to files, while there is a recording.
    fn tick(self: Arc<Self>) {
        let mut turns = 0_u32;
        loop {
            self.restock();
            std::thread::sleep(Duration::from_millis(1));
            clock::now_ns();
            turns = turns.wrapping_add(1);
            let mut sessions = held(&self.sessions);
            if sessions.list.is_empty() {
                sessions.ticking = false;
                self.sell_out();
                return;
            }
            if turns.is_multiple_of(TICKS_WRITTEN)
                && sessions.list.iter().any(|session| session.spool.is_some())
            {
                for session in &mut sessions.list {
                    self.spool(session, false);
                }
                self.trim(&sessions);
            }
        }
    }

    /// Writes what is full, or all there is, of every thread.
    fn spool(&self, session: &mut Session, all: bool) {
        let Some(spool) = &mut session.spool else { return };
        for ring in self.rings() {
            let start = session.start.get(&ring.thread).copied().unwrap_or_default();
            let next = spool.next.get(&ring.thread).copied().unwrap_or(start.0);
            let pieces = run(&ring, (next, if next == start.0 { start.1 } else { 0 }), all);
            for (chunk, from, to) in pieces {
                let thread = spool.threads.number(&ring);
                let piece = Piece::of(thread, &chunk, from, to);
                if spool.failed.is_none() {
                    match spool.file.piece(&piece) {
                        Ok(()) => spool.written += piece.len(),
                        Err(error) => spool.failed = Some(error),
                    }
                }
                spool.next.insert(ring.thread, chunk.serial + 1);
            }
        }
        spool.turns += 1;
        if spool.turns.is_multiple_of(TURNS_TOLD) && spool.failed.is_none() {
            let mut told = spool.told.clone();
            told.facts.duration_ns = clock::now_ns().saturating_sub(told.origin_ns);
            spool.failed = spool.file.told(&told, &self.names(spool.threads.names.clone())).err();
        }
    }
}

/// The chunks of a ring from a position on, as far as none is missing; the one that is being written to as well if
/// `all`.
fn run(ring: &Ring, from: (u64, usize), all: bool) -> Vec<(Arc<Chunk>, usize, usize)> {
    let chunks = ring.chunks();
    let (mut serial, mut at) = from;
    let mut found = Vec::new();
    let last = all.then_some(&chunks.current);
    for chunk in chunks.kept.iter().chain(last).filter(|chunk| chunk.serial >= from.0) {
        if chunk.serial != serial {
            break;
        }
        let to = chunk.len();
        if to > at {
            found.push((Arc::clone(chunk), at, to));
        }
        (serial, at) = (serial + 1, 0);
    }
    found
}

impl Began {
    fn new(
        recorder: &Arc<Recorder>,
        settings: RecordSettings,
        lines: Vec<LineFact>,
        charged: Vec<Event>,
        spool: Option<Spool>,
    ) -> Self {
        let origin_ns = clock::now_ns();
        let id = recorder.enlist(&settings, spool);
        let mut before = Before::of(&recorder.pools());
        before.events.splice(0..0, charged);
        let recorder = Arc::clone(recorder);
        let began = Self { recorder, id, origin_ns, started_unix_ms: unix_ms(), settings, lines, before };
        began.tell();
        began
    }

    /// Writes what is known now to the file, if there is one.
    fn tell(&self) {
        let mut sessions = held(&self.recorder.sessions);
        let session = sessions.list.iter_mut().find(|session| session.id == self.id);
        if let Some(spool) = session.and_then(|session| session.spool.as_mut()) {
            spool.told = self.told(0, 0);
            spool.failed =
                spool.failed.take().or_else(|| spool.file.ordered(&self.before.events, true).err());
        }
    }

    fn told(&self, events: u64, dropped: u64) -> Told {
        let (origin_ns, until_ns) = (self.origin_ns, self.before.until_ns);
        Told { origin_ns, until_ns, facts: self.facts(events, dropped) }
    }

    /// All threads' events, and how many should be there and are not.
    fn collect(&self, session: &Session) -> (Vec<Piece>, Threads, u64) {
        let (mut pieces, mut threads, mut missing) = (Vec::new(), Threads::default(), 0);
        for ring in self.recorder.rings() {
            let found = run(&ring, session.start(&ring), true);
            let had: usize = found.iter().map(|(_, from, to)| to - from).sum();
            let all = session.written(&ring);
            missing += all - (had as u64).min(all);
            if !found.is_empty() {
                let number = threads.number(&ring);
                pieces.extend(found.iter().map(|(chunk, from, to)| Piece::of(number, chunk, *from, *to)));
            }
        }
        (pieces, threads, missing)
    }

    fn facts(&self, events: u64, dropped: u64) -> Facts {
        Facts {
            program: self.settings.program.clone(),
            started_unix_ms: self.started_unix_ms,
            duration_ns: clock::now_ns().saturating_sub(self.origin_ns),
            events: events + self.before.events.len() as u64,
            dropped,
            cut: false,
            lines: self.lines.clone(),
            predictions: self.settings.predictions.clone(),
            baseline: self.before.baseline.clone(),
        }
    }
}

impl Drop for Began {
    fn drop(&mut self) {
        self.recorder.dismiss(self.id);
    }
}

impl ActiveRecording {
    /// Ends it. Nothing is copied: the recording has the chunks that threads wrote.
    pub fn finish(self) -> Recording {
        self.finish_here().0
    }

    /// Ends it; which of its threads this one is.
    pub(super) fn finish_here(mut self) -> (Recording, Option<u16>) {
        let began = &mut self.began;
        // Collected before it is dismissed, which lets go of what was kept.
        let sessions = held(&began.recorder.sessions);
        let session = sessions.list.iter().find(|session| session.id == began.id);
        let (pieces, threads, missing) =
            session.map_or_else(Default::default, |session| began.collect(session));
        drop(sessions);
        let here = began.recorder.ring_here().and_then(|ring| threads.numbers.get(&ring).copied());
        let names = began.recorder.names(threads.names);
        let facts = began.facts(pieces.iter().map(Piece::len).sum(), missing);
        let before = std::mem::take(&mut began.before.events);
        let mut recording = Recording::of_pieces(facts, names, before, pieces, began.origin_ns);
        recording.forget_what_came_later(began.before.until_ns);
        (recording, here)
    }
}

impl SpooledRecording {
    /// Ends it: what is left is written, and the file is opened as a recording. An error says what could not be
    /// written; what was written before can be opened all the same.
    pub fn finish(self) -> Result<Recording, RecordingError> {
        let began = &self.began;
        let Some((spool, missing)) = began.recorder.dismissed_after(began.id) else {
            return Err(RecordingError::Ended);
        };
        if let Some(failed) = spool.failed {
            return Err(failed);
        }
        let names = began.recorder.names(spool.threads.names);
        let path = spool.file.finish(&began.told(spool.written, missing), &names)?;
        Recording::open(&path)
    }
}

impl Recorder {
    /// Writes the rest of a spooled session and ends it: its spool, and how many events are missing.
    fn dismissed_after(self: &Arc<Self>, id: u64) -> Option<(Spool, u64)> {
        let mut sessions = held(&self.sessions);
        let session = sessions.list.iter_mut().find(|session| session.id == id)?;
        self.spool(session, true);
        let written = session.spool.as_ref().map_or(0, |spool| spool.written);
        let all: u64 = self.rings().iter().map(|ring| session.written(ring)).sum();
        drop(sessions);
        let spool = self.dismiss(id)?.spool?;
        Some((spool, all.saturating_sub(written)))
    }
}
