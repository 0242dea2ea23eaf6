//! The work: passages to lines, several side by side.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use plimsoll_docs::{Library, Match};
use plimsoll_serve::Running;
use serde::Serialize;

use super::QaArgs;
use super::asker::{Asker, Refused};
use super::output::Output;
use crate::docs::budget;
use crate::draw::{Line, Pen};
use crate::{CliError, Printer, interrupt, serve};

/// What `plimsoll docs qa --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct QaReport {
    /// Lines that were written now.
    pub written: u64,
    /// Passages that the model had nothing to say of.
    pub empty: u64,
    /// Lines that the file has.
    pub lines: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Those of them that a cache had.
    pub cached_tokens: u64,
    /// Whether it was told to stop.
    pub stopped: bool,
}

/// What those who ask share.
struct Shared {
    output: Mutex<Output>,
    written: AtomicU64,
    empty: AtomicU64,
    read: AtomicU64,
    cached: AtomicU64,
    failed: Mutex<Option<CliError>>,
    stop: AtomicBool,
}

/// Writes questions and answers.
pub fn run(args: &QaArgs, printer: &Printer) -> Result<(), CliError> {
    let library = Library::open(&args.library, &budget::account(None)?)?;
    let failed = |source| CliError::Write { path: args.output.clone(), source };
    let output = Output::open(&args.output).map_err(failed)?;
    let service = Service::of(args)?;
    let asker = Asker::new(&service.url, service.key.clone(), args.tokens);
    let facts = library.facts();
    let left = (facts.passages - facts.dead).saturating_sub(output.lines());
    let line = Line::new(
        Some(args.limit.unwrap_or(left).min(left)),
        "{bar:24} {percent:>3}%  {human_pos} of {human_len} passages  {per_sec}  {eta} left",
    );
    let shared = Shared {
        output: Mutex::new(output),
        written: AtomicU64::new(0),
        empty: AtomicU64::new(0),
        read: AtomicU64::new(0),
        cached: AtomicU64::new(0),
        failed: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    let asked_to_stop = interrupt::flag();
    let (passages, waiting) = sync_channel::<Match>(args.at_once.into());
    let waiting = Mutex::new(waiting);
    let fed = std::thread::scope(|scope| {
        for _ in 0..args.at_once {
            scope.spawn(|| shared.work(&asker, &waiting, &line, args));
        }
        let mut given = 0;
        let fed = library.passages(0, &mut |passage| {
            if shared.has(passage.passage) {
                return true;
            }
            let enough = args.limit.is_some_and(|limit| given >= limit);
            given += 1;
            !enough
                && !asked_to_stop.load(Ordering::Relaxed)
                && !shared.stop.load(Ordering::Relaxed)
                && passages.send(passage).is_ok()
        });
        drop(passages);
        fed
    });
    drop(line);
    fed?;
    if let Some(failed) = shared.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(failed);
    }
    let report = QaReport {
        written: shared.written.into_inner(),
        empty: shared.empty.into_inner(),
        lines: shared.output.into_inner().unwrap_or_else(PoisonError::into_inner).lines(),
        prompt_tokens: shared.read.into_inner(),
        cached_tokens: shared.cached.into_inner(),
        stopped: asked_to_stop.load(Ordering::Relaxed),
    };
    printer.report(&report, view)
}

impl Shared {
    fn has(&self, passage: u64) -> bool {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).has(passage)
    }

    fn work(&self, asker: &Asker, waiting: &Mutex<Receiver<Match>>, line: &Line, args: &QaArgs) {
        loop {
            let passage = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(passage) = passage else { return };
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            match asker.pair(&passage) {
                Ok(pair) => {
                    self.read.fetch_add(pair.read, Ordering::Relaxed);
                    self.cached.fetch_add(pair.cached, Ordering::Relaxed);
                    let put = self.output.lock().unwrap_or_else(PoisonError::into_inner).put(&passage, &pair);
                    match put {
                        Ok(()) => drop(self.written.fetch_add(1, Ordering::Relaxed)),
                        Err(source) => self.fail(CliError::Write { path: args.output.clone(), source }),
                    }
                }
                Err(Refused::Empty) => drop(self.empty.fetch_add(1, Ordering::Relaxed)),
                Err(Refused::Service(why)) => self.fail(CliError::Service(why)),
            }
            line.inc(1);
        }
    }

    /// What is written stays; the rest is not asked for.
    fn fail(&self, error: CliError) {
        self.stop.store(true, Ordering::Relaxed);
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Who is asked: a service of somebody's, or one of our own for as long as this takes.
struct Service {
    url: String,
    key: Option<String>,
    _own: Option<Running>,
}

impl Service {
    fn of(args: &QaArgs) -> Result<Self, CliError> {
        if let Some(url) = &args.url {
            return Ok(Self { url: url.clone(), key: args.key.clone(), _own: None });
        }
        let running = serve::alone(args.model.as_deref(), args.line)?;
        Ok(Self { url: format!("http://{}", running.address()), key: None, _own: Some(running) })
    }
}

/// Draws the report.
pub fn view(report: &QaReport, _: &Pen) -> String {
    let mut out = format!("{} written, {} in the file", report.written, report.lines);
    // A string takes whatever is written to it.
    if report.empty > 0 {
        let _ = write!(out, ", {} that the model had nothing to say of", report.empty);
    }
    let (read, cached) = (report.prompt_tokens, report.cached_tokens);
    let _ = writeln!(out, "; of {read} tokens of prompts a cache had {cached}");
    if report.stopped {
        out.push_str("stopped; the same command goes on from here\n");
    }
    out
}
