//! The thread of a model.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plimsoll_kv::block::Token;
use plimsoll_kv::policy::Hint;
use plimsoll_llm::{Found, Need, Wish};
use tokio::sync::mpsc;

use super::share::{Share, Shares};
use super::voice::Said;
use super::{Event, Voice};
use crate::engine::{Engine, EngineFault, Failed, Part};
use crate::seats::Seat;

/// A sequence that finds no page tries again so soon, and each time after twice as long, up to the second.
const AGAIN: Duration = Duration::from_millis(5);
const AGAIN_MOST: Duration = Duration::from_millis(250);

/// What a worker allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// Sequences that are stepped together at most; others wait their turn.
    pub sequences: usize,
    /// How long a sequence may find no page before it fails.
    pub patience: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { sequences: 16, patience: Duration::from_secs(30) }
    }
}

/// A request on its way to the worker.
#[derive(Debug)]
pub struct Job {
    /// Its prompt, at least one token.
    pub prompt: Arc<[Token]>,
    /// How it writes.
    pub voice: Voice,
    /// Who hears of it. Closed, it ends the text.
    pub events: mpsc::Sender<Event>,
    /// What its session says of its future, told to the cache when the text has ended.
    pub hint: Hint,
    /// What it may take at most, given back when it has gone.
    pub seat: Seat,
}

/// What a worker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// Sequences that are stepped now.
    pub running: usize,
    /// Those that wait to be.
    pub waiting: usize,
    /// Tokens of prompts that were computed.
    pub read: u64,
    /// Tokens of prompts that a cache had.
    pub cached: u64,
    /// Tokens that were written.
    pub written: u64,
    /// Texts that were ended because nobody read them any more, or not fast enough.
    pub dropped: u64,
    /// Rows of logits that were brought whole from where they are, because what was looked for was not enough.
    pub brought: u64,
}

#[derive(Default)]
struct Counts {
    running: AtomicUsize,
    waiting: AtomicUsize,
    read: AtomicU64,
    cached: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    brought: AtomicU64,
}

/// The thread that steps a model's sequences together.
///
/// # Who owns what
/// A sequence belongs to the thread from the moment it is sent until it has ended; then its pages go back, and its seat. A
/// worker that is dropped ends all its texts where they are, and waits for the thread.
///
/// # What it is not
/// It admits nobody: who sends a job has a seat for it.
pub struct Worker<E: Engine> {
    engine: Arc<E>,
    /// Taken when it is dropped, which ends the thread.
    inbox: Option<Sender<Running<E>>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl<E: Engine> Worker<E> {
    /// Starts the thread.
    pub fn start(engine: Arc<E>, name: &str, settings: BatchSettings) -> io::Result<Self> {
        let (inbox, jobs) = channel();
        let counts = Arc::new(Counts::default());
        let bench = Bench {
            engine: Arc::clone(&engine),
            jobs,
            settings,
            counts: Arc::clone(&counts),
            shares: Shares::new(engine.facts().pass_tokens, engine.is_even()),
            running: Vec::new(),
            waiting: VecDeque::new(),
            logits: Vec::new(),
        };
        let name = format!("plimsoll-{}", name.chars().take(20).collect::<String>());
        let thread = thread::Builder::new().name(name).spawn(move || bench.run())?;
        Ok(Self { engine, inbox: Some(inbox), counts, thread: Some(thread) })
    }

    /// The engine.
    pub const fn engine(&self) -> &Arc<E> {
        &self.engine
    }

    /// Sends a job: brings what the cache has of its prompt, which may take as long as reading that from a disk, and says
    /// how many tokens that were. An error gives nothing back: the worker has gone.
    pub fn send(&self, job: Job) -> Result<usize, EngineFault> {
        let sequence = self.engine.begin(&job.prompt);
        let cached = self.engine.tokens(&sequence);
        let pending = job.prompt.get(cached..).unwrap_or_default().to_vec();
        self.counts.cached.fetch_add(cached as u64, Ordering::Relaxed);
        let Job { voice, events, hint, seat, .. } = job;
        let (writes, stalled) = (false, None);
        let running = Running { sequence, pending, writes, voice, events, hint, stalled, _seat: seat };
        let gone = || EngineFault::Failed("the model was given up; ask again".to_owned());
        self.inbox.as_ref().ok_or_else(gone)?.send(running).map_err(|_| gone())?;
        Ok(cached)
    }

    /// Whether its thread is there: it ends only by a fault of its own.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// What it has done.
    pub fn stats(&self) -> WorkerStats {
        let Counts { running, waiting, read, cached, written, dropped, brought } = &*self.counts;
        WorkerStats {
            running: running.load(Ordering::Relaxed),
            waiting: waiting.load(Ordering::Relaxed),
            read: read.load(Ordering::Relaxed),
            cached: cached.load(Ordering::Relaxed),
            written: written.load(Ordering::Relaxed),
            dropped: dropped.load(Ordering::Relaxed),
            brought: brought.load(Ordering::Relaxed),
        }
    }
}

impl<E: Engine> Drop for Worker<E> {
    fn drop(&mut self) {
        drop(self.inbox.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has closed every text already.
            let _ = thread.join();
        }
    }
}

/// A sequence and what it waits for.
struct Running<E: Engine> {
    sequence: E::Sequence,
    /// Tokens that are to be computed.
    pending: Vec<Token>,
    writes: bool,
    voice: Voice,
    events: mpsc::Sender<Event>,
    hint: Hint,
    /// Whether it has found no page.
    stalled: Option<Stalled>,
    _seat: Seat,
}

/// No page was to be had.
#[derive(Clone, Copy)]
struct Stalled {
    since: Instant,
    /// When it tries again, and how long it waits for that.
    again: Instant,
    pause: Duration,
}

/// What became of a sequence in a turn.
enum Outcome {
    GoesOn,
    Ended,
    Dropped,
}

struct Bench<E: Engine> {
    engine: Arc<E>,
    jobs: Receiver<Running<E>>,
    settings: BatchSettings,
    counts: Arc<Counts>,
    shares: Shares,
    running: Vec<Running<E>>,
    waiting: VecDeque<Running<E>>,
    logits: Vec<f32>,
}

impl<E: Engine> Bench<E> {
    fn run(mut self) {
        let mut batch = match self.engine.batch() {
            Ok(batch) => batch,
            Err(fault) => return self.refuse_all(&fault.to_string()),
        };
        while self.take_in() {
            if let Err(why) = self.turn(&mut batch) {
                return self.end_all(&why);
            }
        }
    }

    /// What computes is gone: everybody is told, and the thread ends, so that the model is loaded again.
    fn end_all(self, why: &str) {
        for job in self.running.into_iter().chain(self.waiting) {
            let _ = job.events.try_send(Event::Failed(EngineFault::Lost(why.to_owned())));
        }
        for job in self.jobs.try_iter() {
            let _ = job.events.try_send(Event::Failed(EngineFault::Lost(why.to_owned())));
        }
    }

    /// Whoever asks a model that cannot step is told why.
    fn refuse_all(self, why: &str) {
        for job in &self.jobs {
            let _ = job.events.try_send(Event::Failed(EngineFault::Failed(why.to_owned())));
        }
    }

    /// New sequences come in between steps; without any it waits for one. False when the worker has gone.
    fn take_in(&mut self) -> bool {
        loop {
            if self.running.is_empty() && self.waiting.is_empty() {
                self.count();
                match self.jobs.recv() {
                    Ok(job) => self.waiting.push_back(job),
                    Err(_) => return false,
                }
            }
            match self.jobs.try_recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        // Who has left in the meantime is not begun with.
        let before = self.waiting.len();
        self.waiting.retain(|job| !job.events.is_closed());
        self.counts.dropped.fetch_add((before - self.waiting.len()) as u64, Ordering::Relaxed);
        while self.running.len() < self.settings.sequences.max(1) {
            let Some(job) = self.waiting.pop_front() else { break };
            self.running.push(job);
        }
        self.count();
        true
    }

    fn count(&self) {
        self.counts.running.store(self.running.len(), Ordering::Relaxed);
        self.counts.waiting.store(self.waiting.len(), Ordering::Relaxed);
    }

    /// One step, and what follows from it. An error says why there can be no other.
    fn turn(&mut self, batch: &mut E::Batch) -> Result<(), String> {
        let before = self.running.len();
        self.running.retain(|running| !running.events.is_closed());
        self.counts.dropped.fetch_add((before - self.running.len()) as u64, Ordering::Relaxed);
        // Who found no page lets the others go on, which may end and give theirs back.
        let now = Instant::now();
        // While one that writes finds none, prompts take no more of them.
        let short = self.running.iter().any(|running| running.writes && running.stalled.is_some());
        let wants = self.running.iter().map(|running| {
            let rests =
                running.stalled.is_some_and(|stalled| now < stalled.again) || (short && !running.writes);
            Share { left: if rests { 0 } else { running.pending.len() }, writes: running.writes }
        });
        let shares = self.shares.of(&wants.collect::<Vec<_>>());
        if shares.iter().all(|share| *share == 0) {
            if !self.running.is_empty() {
                thread::sleep(AGAIN);
            }
            return Ok(());
        }
        self.step(batch, &shares)
    }

    fn step(&mut self, batch: &mut E::Batch, shares: &[usize]) -> Result<(), String> {
        let began = Instant::now();
        let members: Vec<usize> = (0..shares.len()).filter(|index| shares[*index] > 0).collect();
        let wishes = self.engine.draws().then(|| self.wishes(&members, shares));
        let mut parts: Vec<Part<'_, E::Sequence>> = self
            .running
            .iter_mut()
            .zip(shares)
            .filter(|(_, share)| **share > 0)
            .map(|(running, share)| Part {
                sequence: &mut running.sequence,
                tokens: &running.pending[..*share],
            })
            .collect();
        let done = match wishes {
            Some(wishes) => self.engine.draw(batch, &mut parts, wishes).map(Some),
            None => self.engine.step(batch, &mut parts).map(|logits| {
                self.logits.clear();
                self.logits.extend_from_slice(logits);
                None
            }),
        };
        match done {
            Ok(found) => {
                drop(parts);
                self.shares.took(shares.iter().sum(), began.elapsed());
                let mut logits = std::mem::take(&mut self.logits);
                let mut rows = logits.chunks_exact_mut(self.engine.facts().vocabulary);
                let mut outcomes = Vec::with_capacity(members.len());
                let (engine, counts) = (Arc::clone(&self.engine), Arc::clone(&self.counts));
                for (part, index) in members.into_iter().enumerate() {
                    let found = found.as_ref().map(|found| found.get(part).unwrap_or(&Found::Damaged));
                    let outcome = self.heard(index, shares[index], |voice| match (found, rows.next()) {
                        (None, Some(logits)) => Ok(voice.say(logits)?),
                        (found, _) => voice.hear(found.unwrap_or(&Found::Damaged), || {
                            counts.brought.fetch_add(1, Ordering::Relaxed);
                            engine.row(batch, part)
                        }),
                    });
                    outcomes.push((index, outcome));
                }
                self.logits = logits;
                self.let_go(outcomes);
            }
            Err(Failed { fault: EngineFault::Lost(why), .. }) => return Err(why),
            Err(failed) => {
                drop(parts);
                let index = members.get(failed.part).copied().unwrap_or(0);
                let outcome = self.failed(index, failed.fault);
                self.let_go(vec![(index, outcome)]);
            }
        }
        Ok(())
    }

    /// What each of them needs to know of the logits behind its share.
    fn wishes(&self, members: &[usize], shares: &[usize]) -> Vec<Wish> {
        let wish = |index: &usize| {
            let running = &self.running[*index];
            // What stands behind a prompt that is not computed to its end interests nobody.
            let ends = shares[*index] >= running.pending.len();
            if ends { running.voice.wish() } else { Wish::plain(Need::Nothing) }
        };
        members.iter().map(wish).collect()
    }

    /// A sequence's tokens were computed.
    fn heard(
        &mut self,
        index: usize,
        share: usize,
        say: impl FnOnce(&mut Voice) -> Result<Said, EngineFault>,
    ) -> Outcome {
        let running = &mut self.running[index];
        running.stalled = None;
        if !running.writes {
            self.counts.read.fetch_add(share as u64, Ordering::Relaxed);
        }
        running.pending.drain(..share);
        if !running.pending.is_empty() {
            return Outcome::GoesOn;
        }
        running.writes = true;
        let said = match say(&mut running.voice) {
            Ok(said) => said,
            Err(fault) => {
                let _ = running.events.try_send(Event::Failed(fault));
                return Outcome::Ended;
            }
        };
        self.counts.written.fetch_add(1, Ordering::Relaxed);
        let tokens = running.voice.tokens();
        let (event, outcome) = match said.next {
            Ok(token) => {
                running.pending.push(token);
                (Event::Text { text: said.text, tokens }, Outcome::GoesOn)
            }
            Err(finish) => (Event::Done { text: said.text, tokens, finish }, Outcome::Ended),
        };
        match running.events.try_send(event) {
            Ok(()) => outcome,
            // A reader who does not keep up, or has gone, holds nothing up.
            Err(_) => Outcome::Dropped,
        }
    }

    /// A sequence could not be stepped. Without room it waits for others to end, for a while.
    fn failed(&mut self, index: usize, fault: EngineFault) -> Outcome {
        let Some(running) = self.running.get_mut(index) else { return Outcome::Ended };
        let now = Instant::now();
        let since = running.stalled.map_or(now, |stalled| stalled.since);
        if matches!(fault, EngineFault::NoRoom(_)) && now - since < self.settings.patience {
            let pause = running.stalled.map_or(AGAIN, |stalled| (2 * stalled.pause).min(AGAIN_MOST));
            running.stalled = Some(Stalled { since, again: now + pause, pause });
            return Outcome::GoesOn;
        }
        let _ = running.events.try_send(Event::Failed(fault));
        Outcome::Ended
    }

    fn let_go(&mut self, outcomes: Vec<(usize, Outcome)>) {
        for (index, outcome) in outcomes.into_iter().rev() {
            match outcome {
                Outcome::GoesOn => {}
                Outcome::Ended => {
                    let running = self.running.remove(index);
                    self.engine.hint(&running.sequence, running.hint);
                }
                Outcome::Dropped => {
                    self.running.remove(index);
                    self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        self.count();
    }
}
