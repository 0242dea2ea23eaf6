//! A mixed load on the program itself, for minutes, with a line at a third of what the load would like: sessions of conversations whose
//! shapes are those of a trace, documents that are taken in, and searches.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::Bytes;
use serde_json::{Value, json};

use super::args::ServeBenchArgs;
use super::beside::{self, Turn};
use super::child::Served;
use super::client::Client;
use super::lot::lot;
use super::measure::failed;
use super::report::{ServeRow, Unit};
use crate::{CliError, Printer};

/// A load would like so many times the line.
const TIMES: u64 = 3;
/// What is not keys and values of the sessions: the program, and its documents.
const REST: Bytes = Bytes::mib(96);
/// Tokens that a turn writes.
const WRITTEN: usize = 16;
/// Documents of different names: those that come later take the place of those before.
const DOCUMENTS: u64 = 200;
/// Words of each.
const WORDS: u64 = 1500;
/// How long whoever brings documents, and whoever searches, rests in between.
const REST_BETWEEN: Duration = Duration::from_millis(200);
/// What is compared at the beginning and at the end, where the load lasts long enough; a sixth of it otherwise.
const WINDOW: u64 = 5 * 60;
/// A trace whose sessions are used where none is named.
const USUAL: &str = "../shared/data/kv-traces/agent-sessions.jsonl.gz";
/// What throughput may fall to.
const KEPT: f64 = 0.9;

/// What the model is: its context, its vocabulary, what a token's keys and values take, and its weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) context: usize,
    pub(super) vocabulary: usize,
    pub(super) token_bytes: u64,
    pub(super) weights: u64,
}

/// Bears it for so many seconds.
pub(super) fn rows(args: &ServeBenchArgs, seconds: u64, sizes: Sizes) -> Result<Vec<ServeRow>, CliError> {
    let each = sizes.token_bytes.saturating_mul(sizes.context as u64).max(1);
    let rest = REST.get() + sizes.weights;
    let wanted = (TIMES * args.line.get()).saturating_sub(rest).div_ceil(each).max(2);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let turns = shapes(args, wanted, sizes)?;
    let mut sessions: Vec<usize> = turns.iter().map(|turn| turn.session).collect();
    sessions.sort_unstable();
    sessions.dedup();
    let copies = wanted.div_ceil(sessions.len().max(1));
    let folder = tempfile::tempdir().map_err(failed)?;
    let (cache, library) = (folder.path().join("kv"), folder.path().join("library"));
    let flags = ["--cache-size".into(), "1GiB".into(), "--cache".into(), cache.into_os_string()];
    let library: [OsString; 2] = ["--library".into(), library.into_os_string()];
    let mut served = Served::start(args, flags.into_iter().chain(library)).map_err(failed)?;
    let load = Load::new(&served, turns, copies, sizes.vocabulary);
    let seen = bear(&load, &mut served, args.clients, seconds)?;
    let wishes = rest + each * (copies * sessions.len()) as u64;
    Ok(load.rows(&seen, args.line.get(), wishes, beside::had_at_most(served.id())))
}

/// The turns to ask, of a trace where there is one.
fn shapes(args: &ServeBenchArgs, sessions: usize, sizes: Sizes) -> Result<Vec<Turn>, CliError> {
    let context = sizes.context.saturating_sub(WRITTEN);
    let usual = || Some(PathBuf::from(USUAL)).filter(|path| path.exists());
    if let Some(trace) = args.trace.clone().or_else(usual) {
        let turns = beside::turns(&trace, (sessions, args.turns), (context, sizes.vocabulary))?;
        if !turns.is_empty() {
            return Ok(turns);
        }
    }
    Printer::remark(&format!("there is no trace at {USUAL}: the sessions' shapes are made up"));
    Ok(beside::made_up(sessions, args.turns, (context, sizes.vocabulary)))
}

/// What was seen each second.
#[derive(Default)]
struct Seen {
    resident: Vec<u64>,
    answered: Vec<u64>,
}

fn bear(load: &Load, served: &mut Served, clients: usize, seconds: u64) -> Result<Seen, CliError> {
    thread::scope(|scope| {
        for _ in 0..clients.max(1) {
            scope.spawn(|| load.converse());
        }
        scope.spawn(|| load.bring());
        scope.spawn(|| load.search());
        let (began, mut seen) = (Instant::now(), Seen::default());
        for second in 1..=seconds {
            thread::sleep((began + Duration::from_secs(second)).saturating_duration_since(Instant::now()));
            if !served.runs() {
                load.over.store(true, Ordering::Relaxed);
                return Err(failed(std::io::Error::other(
                    "the program ended under load; what it said is above",
                )));
            }
            seen.resident.push(served.resident());
            seen.answered.push(load.answered.load(Ordering::Relaxed));
        }
        load.over.store(true, Ordering::Relaxed);
        Ok(seen)
    })
}

/// What is asked, and what came of it.
struct Load {
    at: std::net::SocketAddr,
    turns: Vec<Turn>,
    copies: usize,
    vocabulary: u32,
    over: AtomicBool,
    next: AtomicUsize,
    answered: AtomicU64,
    prompt: AtomicU64,
    cached: AtomicU64,
    documents: AtomicU64,
    searches: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    /// The first answer that was neither.
    first: Mutex<Option<String>>,
}

impl Load {
    fn new(served: &Served, turns: Vec<Turn>, copies: usize, vocabulary: usize) -> Self {
        Self {
            at: served.at(),
            turns,
            copies,
            vocabulary: u32::try_from(vocabulary).unwrap_or(u32::MAX).max(1),
            over: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            prompt: AtomicU64::new(0),
            cached: AtomicU64::new(0),
            documents: AtomicU64::new(0),
            searches: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            first: Mutex::default(),
        }
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Asks, and counts what is no answer: a refusal says in words and with a code why, and when to come again.
    fn ask(&self, client: &mut Option<Client>, path: &str, body: &Value) -> Option<Value> {
        let asked = match client.take().map_or_else(|| Client::connect(self.at), Ok) {
            Ok(mut open) => open.ask(path, &body.to_string()).map(|answer| (open, answer)),
            Err(error) => Err(error),
        };
        let what = match asked {
            Ok((open, (200 | 201, answer))) => {
                *client = Some(open);
                return Some(answer);
            }
            Ok((open, (status, answer))) => {
                *client = Some(open);
                let error = &answer["error"];
                let told = error["code"].is_string()
                    && error["message"].as_str().is_some_and(|text| !text.is_empty());
                if told && matches!(status, 409 | 429 | 503) {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                format!("{path}: {status} {answer}")
            }
            Err(error) => format!("{path}: {error}"),
        };
        self.broken.fetch_add(1, Ordering::Relaxed);
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
        None
    }

    /// Turns of all sessions in the trace's order, each session several times with other tokens.
    fn converse(&self) {
        let mut client = None;
        while self.goes_on() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let (copy, turn) = (number % self.copies, number / self.copies);
            let (round, turn) = (turn / self.turns.len(), &self.turns[turn % self.turns.len()]);
            let copy = round * self.copies + copy;
            let salt = u32::try_from(copy % 1_000_000).unwrap_or(0).wrapping_mul(101) % self.vocabulary;
            let other = |token: &u32| (token + salt) % self.vocabulary;
            let prompt: Vec<u32> = turn.prompt.iter().map(other).collect();
            let name = format!("session {} of {copy}", turn.session);
            let ask =
                json!({"prompt": prompt, "max_tokens": WRITTEN, "temperature": 0, "prompt_cache_key": name});
            if let Some(answer) = self.ask(&mut client, "/v1/completions", &ask) {
                self.answered.fetch_add(1, Ordering::Relaxed);
                let of = |value: &Value| value.as_u64().unwrap_or(0);
                self.prompt.fetch_add(of(&answer["usage"]["prompt_tokens"]), Ordering::Relaxed);
                let cached = of(&answer["usage"]["prompt_tokens_details"]["cached_tokens"]);
                self.cached.fetch_add(cached, Ordering::Relaxed);
            }
        }
    }

    fn bring(&self) {
        let mut client = None;
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let words: Vec<String> = (0..WORDS).map(|at| word(number, at)).collect();
            let name = format!("page-{}.txt", number % DOCUMENTS);
            let text = words.chunks(12).map(|line| line.join(" ")).collect::<Vec<_>>().join(".\n");
            if self.ask(&mut client, "/v1/documents", &json!({"name": name, "text": text})).is_some() {
                self.documents.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(REST_BETWEEN);
        }
    }

    fn search(&self) {
        let mut client = None;
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let query = format!("{} {}", word(number, 1), word(number, 2));
            if self.ask(&mut client, "/v1/search", &json!({"query": query, "k": 4})).is_some() {
                self.searches.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(REST_BETWEEN);
        }
    }

    fn rows(&self, seen: &Seen, line: u64, wishes: u64, most: Option<u64>) -> Vec<ServeRow> {
        if let Some(what) = &*self.first.lock().unwrap_or_else(PoisonError::into_inner) {
            Printer::remark(&format!("the first answer that is neither an answer nor a refusal: {what}"));
        }
        #[expect(clippy::cast_precision_loss, reason = "counts, and bytes of a process")]
        let number = |value: u64| value as f64;
        let count = |work: &str, count: &AtomicU64| {
            ServeRow::new(work, number(count.load(Ordering::Relaxed)), Unit::Count)
        };
        let (first, last) = seen.ends();
        let above = seen.resident.iter().filter(|resident| **resident > line).count() as u64;
        let highest = seen.resident.iter().copied().max().into_iter().chain(most).max().unwrap_or(0);
        let (prompt, cached) = (self.prompt.load(Ordering::Relaxed), self.cached.load(Ordering::Relaxed));
        vec![
            ServeRow::new("the load would like", number(wishes), Unit::Bytes),
            ServeRow::new("the program had at most", number(highest), Unit::Bytes).at_most(number(line)),
            ServeRow::new(
                format!("of {} samples above the line", seen.resident.len()),
                number(above),
                Unit::Count,
            )
            .at_most(0.0),
            count("turns answered", &self.answered),
            ServeRow::new("turns a minute, at first", first * 60.0, Unit::Count),
            ServeRow::new("turns a minute, at the end", last * 60.0, Unit::Count),
            ServeRow::new("of the first throughput at the end", last / first.max(f64::EPSILON), Unit::Times)
                .at_least(KEPT),
            ServeRow::new("of prompts not computed", number(cached) / number(prompt.max(1)), Unit::Times),
            count("documents taken in", &self.documents),
            count("searches", &self.searches),
            count("refused in words", &self.refused),
            count("answered with anything else", &self.broken).at_most(0.0),
        ]
    }
}

impl Seen {
    /// Turns a second in the first window, and in the last.
    fn ends(&self) -> (f64, f64) {
        let seconds = self.answered.len();
        let window = usize::try_from(WINDOW).unwrap_or(usize::MAX).min(seconds / 6).max(1);
        let at =
            |second: usize| second.checked_sub(1).and_then(|at| self.answered.get(at)).copied().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "counts")]
        let rate = |from: usize, to: usize| (at(to) - at(from)) as f64 / window as f64;
        (rate(0, window.min(seconds)), rate(seconds.saturating_sub(window), seconds))
    }
}

/// A word by lot, the same for the same place; some are rare.
fn word(document: u64, at: u64) -> String {
    let lot = lot(document << 32 ^ at);
    let (draw, rare) = (lot >> 40, lot.is_multiple_of(7));
    format!("word{}", draw % if rare { 20_000 } else { 300 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_a_sixth_each_or_five_minutes() {
        // Ten a second, and at the end five.
        let answered: Vec<u64> = (1..=60_u64)
            .map(|second| if second <= 50 { 10 * second } else { 500 + 5 * (second - 50) })
            .collect();
        let seen = Seen { resident: Vec::new(), answered };
        assert_eq!(seen.ends(), (10.0, 5.0));
        assert_eq!(Seen::default().ends(), (0.0, 0.0));
    }
}
