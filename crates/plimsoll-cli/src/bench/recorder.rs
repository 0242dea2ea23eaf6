//! `plimsoll bench recorder`: what writing down what happens costs.

use std::collections::VecDeque;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use plimsoll::governor::Governor;
use plimsoll::record::{RecordClock, RecordSettings};
use plimsoll::replay::{PooledReplay, Trace, replay};
use plimsoll::{Bytes, Engine, EngineError, Place};
use serde::Serialize;

use super::median;
use crate::draw::{Align, Cell, Pen, Style, Table};
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll bench recorder
  plimsoll bench recorder --trace trace.csv.gz
  plimsoll bench recorder --json

Times the same work with the recorder off, as it always is, and while somebody records; in turns, within one
process. Build with --release and close what else is running.";

/// What can be typed after `bench recorder`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct RecorderArgs {
    /// Replay this trace as well, through a real pool on a simulated device
    #[arg(long, value_name = "TRACE")]
    pub trace: Option<PathBuf>,

    /// A few short rounds: whether everything runs, not how fast
    #[arg(long)]
    pub smoke: bool,
}

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecorderRow {
    /// What was done: "warm lease and drop, 4 KiB".
    pub work: String,
    /// "off", "as always", "recording", "recording, exact times".
    pub mode: String,
    /// The median time of one operation.
    pub ns_per_operation: f64,
    /// The median of what it took over "off" in the same round, in per cent.
    pub over_off_percent: f64,
    /// Events that were written for each operation.
    pub events_per_operation: f64,
    /// What one event cost: what it took over "off", over the events. Absent where there were none.
    pub ns_per_event: Option<f64>,
}

/// What `plimsoll bench recorder --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecorderReport {
    /// The same work in each mode.
    pub rows: Vec<RecorderRow>,
    /// Writing 32 bytes to the next place of a buffer, and nothing else: no recorder can cost less.
    pub bare_write_ns: f64,
    /// Asking the system for the time: what a recorder pays that does so for each event.
    pub clock_ns: f64,
    /// A clock, a lock and a ring that all share, as simple recorders have.
    pub locked_ring_ns: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    Always,
    Recording,
    Exact,
}

const MODES: [Mode; 4] = [Mode::Off, Mode::Always, Mode::Recording, Mode::Exact];

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Always => "as always",
            Self::Recording => "recording",
            Self::Exact => "recording, exact times",
        }
    }

    /// Does something in this mode; what it says, and how many events were written.
    fn within<T>(self, governor: &Governor, act: impl FnOnce() -> T) -> (T, u64) {
        let recorder = governor.recorder();
        recorder.set_on(self != Self::Off);
        let clock = if self == Self::Exact { RecordClock::Exact } else { RecordClock::Coarse };
        let settings = RecordSettings::default().limit(Bytes::gib(2)).clock(clock);
        let recording = matches!(self, Self::Recording | Self::Exact).then(|| governor.record_with(settings));
        let before = recorder.stats().events;
        let said = act();
        let events = recorder.stats().events - before;
        drop(recording);
        recorder.set_on(true);
        (said, events)
    }
}

/// Measures and prints.
pub fn run(args: &RecorderArgs, printer: &Printer) -> Result<(), CliError> {
    let rounds = if args.smoke { 3 } else { 41 };
    let each = if args.smoke { 500 } else { 20_000 };
    let mut rows = Vec::new();
    for bytes in [Bytes::kib(4), Bytes::mib(1)] {
        printer.progress("measuring", rows.len(), usize::MAX);
        let name = format!("warm lease and drop, {bytes}").replace(".00", "");
        rows.extend(compare(&name, rounds, |mode| warm(mode, bytes, each))?);
    }
    rows.extend(compare("charge and release", rounds, |mode| charges(mode, each / 10))?);
    if let Some(path) = &args.trace {
        let trace = Trace::open(path).map_err(|source| CliError::Trace { path: path.clone(), source })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("replay, {}", name.trim_end_matches(".gz").trim_end_matches(".csv"));
        let rounds = if args.smoke { 1 } else { 9 };
        rows.extend(compare(&name, rounds, |mode| replayed(mode, &trace))?);
    }
    printer.progress("measuring", 1, 1);
    let (bare_write_ns, clock_ns, locked_ring_ns) = limits(rounds, each);
    printer.report(&RecorderReport { rows, bare_write_ns, clock_ns, locked_ring_ns }, view)
}

/// One batch: nanoseconds for each operation, and events for each.
type Batch = (f64, f64);

#[expect(clippy::needless_pass_by_value, reason = "what map_err passes on")]
fn failed(error: EngineError) -> CliError {
    CliError::Bench(error.to_string())
}

fn engine() -> Result<Engine, CliError> {
    Engine::in_memory(Bytes::gib(1), "work").map_err(failed)
}

#[expect(clippy::cast_precision_loss, reason = "figures of a measurement")]
fn timed(operations: u64, act: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..operations {
        act();
    }
    start.elapsed().as_nanos() as f64 / operations as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures of a measurement")]
fn warm(mode: Mode, bytes: Bytes, operations: u64) -> Result<Batch, CliError> {
    let engine = engine()?;
    let pool = engine.account("work").and_then(|account| account.scratch(Place::Host)).map_err(failed)?;
    let once = || drop(black_box(pool.lease(black_box(bytes))));
    (0..100).for_each(|_| once());
    let (ns, events) = mode.within(engine.governor(), || {
        // What a recording asks the pool when it begins empties the caches.
        (0..100).for_each(|_| once());
        timed(operations, once)
    });
    Ok((ns, events as f64 / (operations + 100) as f64))
}

#[expect(clippy::cast_precision_loss, reason = "figures of a measurement")]
fn charges(mode: Mode, operations: u64) -> Result<Batch, CliError> {
    let engine = engine()?;
    let account = engine.account("work").map_err(failed)?;
    let once = || drop(black_box(account.reserve(Place::Host, Bytes::mib(1)).now()));
    (0..100).for_each(|_| once());
    let (ns, events) = mode.within(engine.governor(), || timed(operations, once));
    Ok((ns, events as f64 / operations as f64))
}

#[expect(clippy::cast_precision_loss, reason = "figures of a measurement")]
fn replayed(mode: Mode, trace: &Trace) -> Result<Batch, CliError> {
    let mut pooled = PooledReplay::simulated(trace, Bytes::kib(512))?;
    let governor = pooled.pool().account().governor();
    let (outcome, events) = mode.within(&governor, || replay(trace, &mut pooled));
    Ok((outcome?.ns_per_event, events as f64 / trace.events.len().max(1) as f64))
}

/// Every mode in turn, round after round.
fn compare(
    work: &str,
    rounds: usize,
    mut batch: impl FnMut(Mode) -> Result<Batch, CliError>,
) -> Result<Vec<RecorderRow>, CliError> {
    let mut all: [Vec<Batch>; 4] = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        for (mode, batches) in MODES.into_iter().zip(&mut all) {
            batches.push(batch(mode)?);
        }
    }
    let row = |(mode, batches): (Mode, &Vec<Batch>)| {
        let over: Vec<f64> = batches.iter().zip(&all[0]).map(|(one, off)| one.0 - off.0).collect();
        let percent = batches.iter().zip(&all[0]).map(|(one, off)| (one.0 / off.0 - 1.0) * 100.0).collect();
        let events = median(batches.iter().map(|batch| batch.1).collect());
        RecorderRow {
            work: work.to_owned(),
            mode: mode.name().to_owned(),
            ns_per_operation: median(batches.iter().map(|batch| batch.0).collect()),
            over_off_percent: median(percent),
            events_per_operation: events,
            // A handful of events in thousands of operations have no cost that could be measured.
            ns_per_event: (events > 0.5).then(|| median(over) / events),
        }
    };
    Ok(MODES.into_iter().zip(&all).map(row).collect())
}

/// What nobody can be below, and what others pay.
fn limits(rounds: usize, each: u64) -> (f64, f64, f64) {
    let rounds = rounds.min(15);
    let of = |act: &mut dyn FnMut()| {
        let round = |_| {
            let start = Instant::now();
            for _ in 0..each {
                act();
            }
            per(start, each)
        };
        median((0..rounds).map(round).collect())
    };
    let mut buffer = vec![[0_u64; 4]; 1024];
    let mut at = 0_usize;
    let bare = of(&mut || {
        buffer[at & 1023] = black_box([at as u64; 4]);
        at += 1;
    });
    black_box(&buffer);
    let clock = of(&mut || {
        black_box(Instant::now());
    });
    let ring = Mutex::new(VecDeque::with_capacity(1025));
    let locked = of(&mut || {
        let now = Instant::now();
        let mut ring = ring.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ring.push_back((now, [0_u64; 3]));
        if ring.len() > 1024 {
            ring.pop_front();
        }
    });
    (bare, clock, locked)
}

#[expect(clippy::cast_precision_loss, reason = "figures of a measurement")]
fn per(start: Instant, operations: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / operations as f64
}

/// Draws the report.
pub fn view(report: &RecorderReport, pen: &Pen) -> String {
    let mut text = String::new();
    let mut works: Vec<&str> = Vec::new();
    for row in &report.rows {
        if !works.contains(&row.work.as_str()) {
            works.push(&row.work);
        }
    }
    for work in works {
        text += &(pen.paint(Style::Bold, work) + "\n");
        let mut table = Table::new([
            ("recorder", Align::Left),
            ("ns each", Align::Right),
            ("over off", Align::Right),
            ("events each", Align::Right),
            ("ns an event", Align::Right),
        ]);
        for row in report.rows.iter().filter(|row| row.work == work) {
            let off = row.mode == "off";
            table.row([
                Cell::from(row.mode.clone()),
                format!("{:.1}", row.ns_per_operation).into(),
                if off { "-".into() } else { format!("{:+.1} %", row.over_off_percent).into() },
                format!("{:.2}", row.events_per_operation).into(),
                row.ns_per_event.map_or_else(|| "-".to_owned(), |ns| format!("{ns:.1}")).into(),
            ]);
        }
        text += &(table.draw(pen) + "\n");
    }
    text += &pen.paint(Style::Bold, "beside it, ns an event");
    let beside = format!(
        "\n  writing 32 bytes and nothing else  {:>6.1}\n  asking the system for the time     {:>6.1}\n  \
         a clock, a lock and one ring       {:>6.1}\n",
        report.bare_write_ns, report.clock_ns, report.locked_ring_ns
    );
    text + &beside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_by_their_work() {
        let row = |mode: Mode, ns, events: f64| RecorderRow {
            work: "lease".to_owned(),
            mode: mode.name().to_owned(),
            ns_per_operation: ns,
            over_off_percent: ns * 10.0 - 100.0,
            events_per_operation: events,
            ns_per_event: (events > 0.5).then_some(2.5),
        };
        let rows = vec![row(Mode::Off, 10.0, 0.0), row(Mode::Recording, 15.0, 2.0)];
        let report = RecorderReport { rows, bare_write_ns: 1.0, clock_ns: 20.0, locked_ring_ns: 50.0 };
        let text = view(&report, &Pen { color: false, unicode: true, width: 80 });
        assert!(text.starts_with("lease\n"), "{text}");
        assert!(text.contains("recording     15.0   +50.0 %         2.00          2.5"), "{text}");
    }

    #[test]
    fn each_mode_writes_what_it_says() {
        let events = |mode| warm(mode, Bytes::kib(4), 1_000).map_or(f64::NAN, |batch| batch.1);
        assert!(events(Mode::Off) < 0.01);
        assert!(events(Mode::Always) < 0.01, "a warm lease is not written down unless somebody records");
        for mode in [Mode::Recording, Mode::Exact] {
            assert!((events(mode) - 2.0).abs() < 0.02, "a lease and its end");
        }
    }
}
