//! How engines that hand out memory are timed: take a block, give it back, many times.
//!
//! # What makes it fair
//! - Every engine runs in the same process, in the same minute, and in turns: batch *n* of each engine comes
//!   before batch *n* + 1 of any, so that whatever else the machine does falls on all alike.
//! - An engine is warm before it is timed, and the figure is the median of many batches, each long enough that
//!   reading the clock twice is nothing beside it.
//! - Nobody touches the memory, because some engines only keep books. With [`Plan::touch`] each block is written
//!   once a page, by the engines that have memory to write; the others say so and are left out.
//! - The loop is compiled for each engine by itself: no call through a table stands between the clock and the
//!   engine.
//!
//! # What the figure is
//! The nanoseconds that one take-and-return lasts on its thread. With perfect scaling it stays the same when
//! threads are added; the throughput of all threads is `threads / ns`.
//!
//! # What is not measured
//! Many sizes mixed (a trace replay does that) and blocks that are returned by another thread.

use std::fmt;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The sizes that are measured: powers of four from 1 KiB to 16 MiB, and some that are no power of anything.
pub const SIZES: [u64; 12] = [
    1 << 10,
    3_000,
    1 << 12,
    1 << 14,
    1 << 16,
    100_000,
    1 << 18,
    1 << 20,
    1_500_000,
    1 << 22,
    10_000_001,
    1 << 24,
];

/// How many other blocks live while a pair is timed, in the series that varies it.
pub const LIVES: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// The sizes of the other blocks. Small, so that a million of them fit on a small machine, and several, so that
/// they do not all share one bin.
const HELD_SIZES: [u64; 4] = [1_024, 256, 512, 768];

/// One page in this many bytes is what `--touch` writes to.
pub const PAGE: usize = 4_096;

/// What one thread uses to take and return blocks.
pub trait Seat: Send {
    /// A block that was taken. Dropping it without [`put`](Self::put) may leak it.
    type Block: Send;

    /// Takes a block, or `None` when the engine has no room.
    fn take(&mut self, bytes: u64) -> Option<Self::Block>;

    /// Gives a block back.
    fn put(&mut self, block: Self::Block);

    /// Writes one byte to each page of a block. `false` when the engine has no memory behind its blocks.
    fn touch(&mut self, block: &mut Self::Block, bytes: u64) -> bool;
}

/// Something that hands out memory.
pub trait Engine: Send + Sync {
    /// What a thread uses.
    type Seat: Seat + 'static;

    /// The name in the results.
    fn name(&self) -> &'static str;

    /// A fresh engine for so many threads, a seat for each. With one thread the engine need not be shared, and
    /// takes no lock that it would not take in a program with one thread.
    fn seats(&self, threads: usize) -> Vec<Self::Seat>;
}

/// An [`Engine`] whose types are hidden, so that several stand in one list.
pub trait Peer: Send + Sync {
    /// The name in the results.
    fn name(&self) -> &'static str;

    /// Opens a fresh engine for so many threads.
    fn open(&self, threads: usize) -> Vec<Box<dyn Bench>>;
}

impl<E: Engine> Peer for E {
    fn name(&self) -> &'static str {
        Engine::name(self)
    }

    fn open(&self, threads: usize) -> Vec<Box<dyn Bench>> {
        let occupied = |seat| {
            Box::new(Occupied {
                seat,
                held: Vec::new(),
            }) as Box<dyn Bench>
        };
        self.seats(threads).into_iter().map(occupied).collect()
    }
}

/// A seat of any engine, with the blocks it holds while others are timed.
pub trait Bench: Send {
    /// Takes `live` blocks to keep, with as many holes between them as blocks are kept (at most
    /// [`MOST_HOLES`]), so that an engine that searches its free list has one to search.
    fn hold(&mut self, live: usize) -> Result<(), Gap>;

    /// Times so many pairs.
    fn batch(&mut self, bytes: u64, pairs: u32, touch: bool) -> Result<Duration, Gap>;
}

/// The most holes that [`Bench::hold`] leaves.
pub const MOST_HOLES: usize = 100_000;

/// How long an engine may take to hand out the blocks that live meanwhile. One whose cost grows with their number
/// would otherwise keep all the others waiting for minutes.
pub const HOLD_AT_MOST: Duration = Duration::from_secs(5);

/// Why there is no figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The engine had no room for the blocks.
    Full,
    /// The engine has no memory that could be touched.
    NoMemory,
    /// Taking the blocks that should live meanwhile lasted longer than [`HOLD_AT_MOST`].
    TooSlow,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "it had no room for the blocks",
            Self::NoMemory => "it keeps books only and has no memory to touch",
            Self::TooSlow => "it took too long to take the blocks that should live meanwhile",
        })
    }
}

struct Occupied<S: Seat> {
    seat: S,
    held: Vec<S::Block>,
}

impl<S: Seat> Occupied<S> {
    /// The loop that is timed. Not inlined, so that every engine's is a function of its own.
    #[inline(never)]
    fn pairs<const TOUCH: bool>(&mut self, bytes: u64, pairs: u32) -> Result<Duration, Gap> {
        let start = Instant::now();
        for _ in 0..pairs {
            let mut block = self.seat.take(black_box(bytes)).ok_or(Gap::Full)?;
            let touched = !TOUCH || self.seat.touch(&mut block, bytes);
            self.seat.put(black_box(block));
            if !touched {
                return Err(Gap::NoMemory);
            }
        }
        Ok(start.elapsed())
    }
}

impl<S: Seat> Bench for Occupied<S> {
    fn hold(&mut self, live: usize) -> Result<(), Gap> {
        let holes = live.min(MOST_HOLES);
        let every = live.div_ceil(holes.max(1));
        let mut gone = Vec::with_capacity(holes);
        self.held.reserve(live);
        let began = Instant::now();
        let mut outcome = Ok(());
        for (at, &bytes) in (0..live).zip(HELD_SIZES.iter().cycle()) {
            let kept = self.seat.take(bytes);
            let hole = if at % every == 0 {
                self.seat.take(bytes)
            } else {
                None
            };
            if kept.is_none() {
                outcome = Err(Gap::Full);
            } else if at % 256 == 0 && began.elapsed() > HOLD_AT_MOST {
                outcome = Err(Gap::TooSlow);
            }
            self.held.extend(kept);
            gone.extend(hole);
            if outcome.is_err() {
                break;
            }
        }
        for block in gone {
            self.seat.put(block);
        }
        outcome
    }

    fn batch(&mut self, bytes: u64, pairs: u32, touch: bool) -> Result<Duration, Gap> {
        if touch {
            self.pairs::<true>(bytes, pairs)
        } else {
            self.pairs::<false>(bytes, pairs)
        }
    }
}

impl<S: Seat> Drop for Occupied<S> {
    fn drop(&mut self) {
        for block in self.held.drain(..) {
            self.seat.put(block);
        }
    }
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The size of the block that is taken and returned.
    pub size_bytes: u64,
    /// How many threads do so at once.
    pub threads: usize,
    /// How many other blocks live meanwhile, over all threads.
    pub live: usize,
}

/// What to measure, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is measured, in this order.
    pub cases: Vec<Case>,
    /// Batches whose median is the figure.
    pub batches: usize,
    /// The fewest pairs in a batch, unless they would last longer than 50 ms.
    pub pairs: u32,
    /// Write one byte to each page of each block.
    pub touch: bool,
}

impl Plan {
    /// Every size with ten other live blocks, on one thread and on two; then a growing number of live blocks.
    pub fn full() -> Self {
        let sizes = |threads| {
            SIZES.map(|size_bytes| Case {
                size_bytes,
                threads,
                live: 10,
            })
        };
        let lives = LIVES.map(|live| Case {
            size_bytes: 1 << 12,
            threads: 1,
            live,
        });
        Self {
            cases: [&sizes(1)[..], &sizes(2), &lives[1..]].concat(),
            batches: 31,
            pairs: 2_000,
            touch: false,
        }
    }

    /// The same with each block touched, over fewer pairs: writing to the memory is most of the work.
    pub fn touching() -> Self {
        Self {
            touch: true,
            pairs: 50,
            ..Self::full()
        }
    }

    /// A few short cases: whether everything runs, not how fast.
    pub fn smoke() -> Self {
        let case = |size_bytes, threads, live| Case {
            size_bytes,
            threads,
            live,
        };
        Self {
            cases: vec![
                case(1 << 10, 1, 10),
                case(100_000, 2, 10),
                case(1 << 12, 1, 1_000),
            ],
            batches: 3,
            pairs: 20,
            touch: false,
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which engine.
    pub engine: &'static str,
    /// The size of the block that was taken and returned.
    pub size_bytes: u64,
    /// How many threads did so at once.
    pub threads: usize,
    /// How many other blocks lived meanwhile.
    pub live: usize,
    /// The median over the batches, in nanoseconds for one pair on its thread; or why there is none.
    pub ns_median: Result<f64, Gap>,
}

/// Measures a plan; each case's rows are handed to `done` when they are known.
pub fn measure(engines: &[Box<dyn Peer>], plan: &Plan, mut done: impl FnMut(&[Row])) -> Vec<Row> {
    let mut all = Vec::with_capacity(plan.cases.len() * engines.len());
    for &case in &plan.cases {
        let figures = measure_case(engines, case, plan);
        let rows = engines.iter().zip(figures).map(|(engine, ns_median)| Row {
            engine: engine.name(),
            size_bytes: case.size_bytes,
            threads: case.threads,
            live: case.live,
            ns_median,
        });
        let first = all.len();
        all.extend(rows);
        done(&all[first..]);
    }
    all
}

type Figure = Result<f64, Gap>;

fn measure_case(engines: &[Box<dyn Peer>], case: Case, plan: &Plan) -> Vec<Figure> {
    let threads = case.threads.max(1);
    let mut by_thread: Vec<Vec<Box<dyn Bench>>> = (0..threads).map(|_| Vec::new()).collect();
    for engine in engines {
        for (benches, bench) in by_thread.iter_mut().zip(engine.open(threads)) {
            benches.push(bench);
        }
    }
    let rendezvous = &Rendezvous::new(threads);
    let samples: Vec<Vec<Result<Vec<f64>, Gap>>> = thread::scope(|scope| {
        let workers: Vec<_> = by_thread
            .into_iter()
            .map(|benches| scope.spawn(move || work(benches, case, plan, rendezvous)))
            .collect();
        // A worker that panicked is a defect of an engine: its panic goes on here.
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    });
    (0..engines.len())
        .map(|engine| {
            let of_engine = samples.iter().map(|thread| thread[engine].clone());
            let merged = of_engine.collect::<Result<Vec<_>, _>>()?.concat();
            Ok(median(merged))
        })
        .collect()
}

/// What each thread does: for each engine in turn hold the live blocks and warm up, then batch by batch in turns.
fn work(
    mut benches: Vec<Box<dyn Bench>>,
    case: Case,
    plan: &Plan,
    rendezvous: &Rendezvous,
) -> Vec<Result<Vec<f64>, Gap>> {
    let _leaving = Leaving(rendezvous);
    let live = case.live / case.threads.max(1);
    let mut samples: Vec<_> = benches
        .iter_mut()
        .map(|bench| bench.hold(live).map(|()| Vec::new()))
        .collect();
    let mut pairs = vec![plan.pairs.div_ceil(20); benches.len()];
    // The first two rounds warm up, and tell how many pairs fill a batch.
    for round in 0..plan.batches + 2 {
        for (at, bench) in benches.iter_mut().enumerate() {
            rendezvous.meet();
            if samples[at].is_err() {
                continue;
            }
            match bench.batch(case.size_bytes, pairs[at], plan.touch) {
                Ok(took) if round < 2 => {
                    let each = nanoseconds(took) / f64::from(pairs[at]);
                    pairs[at] = pairs_for(each, plan.pairs, case.threads);
                }
                Ok(took) => {
                    if let Ok(samples) = &mut samples[at] {
                        samples.push(nanoseconds(took) / f64::from(pairs[at]));
                    }
                }
                Err(gap) => samples[at] = Err(gap),
            }
        }
    }
    // Nobody takes an engine down while another thread is still measuring.
    rendezvous.meet();
    samples
}

/// How many pairs of so many nanoseconds fill a batch: enough that starting together does not show when threads run
/// side by side, never fewer than asked, and fewer all the same when they would last too long.
fn pairs_for(each: f64, asked: u32, threads: usize) -> u32 {
    const BATCH_AT_MOST_NS: f64 = 50e6;
    const FEWEST: f64 = 5.0;
    let fill_ns = if threads > 1 { 400e3 } else { 50e3 };
    let each = each.max(1.0);
    let wanted = (fill_ns / each)
        .max(f64::from(asked))
        .min(BATCH_AT_MOST_NS / each)
        .max(FEWEST);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 5; at most 400,000 or what was asked"
    )]
    let wanted = wanted as u32;
    wanted
}

#[expect(clippy::cast_precision_loss, reason = "a batch lasts far less than 2⁵³ ns")]
fn nanoseconds(took: Duration) -> f64 {
    took.as_nanos() as f64
}

/// The middle one, or the mean of the middle two; zero of nothing.
fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match samples.len() {
        0 => 0.0,
        n if n % 2 == 1 => samples[middle],
        _ => f64::midpoint(samples[middle - 1], samples[middle]),
    }
}

/// Where threads meet before each batch. They spin: a thread that sleeps wakes tens of microseconds late, which
/// is as long as a batch. They yield while they spin, so that fewer cores than threads still get on.
struct Rendezvous {
    threads: usize,
    arrived: AtomicUsize,
    broken: AtomicBool,
}

/// Lets the others go on when a thread panics, so that its panic is seen instead of a standstill.
struct Leaving<'r>(&'r Rendezvous);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Rendezvous {
    const fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    fn meet(&self) {
        if self.threads == 1 {
            return;
        }
        let ticket = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (ticket / self.threads + 1) * self.threads;
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < all && !self.broken.load(Ordering::Acquire) {
            spins += 1;
            if spins.is_multiple_of(1_000) {
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Counts what is out, so that a test sees that everything comes back.
    struct Counting {
        out: Arc<AtomicUsize>,
        most: usize,
    }

    struct CountingSeat {
        out: Arc<AtomicUsize>,
        most: usize,
    }

    impl Engine for Counting {
        type Seat = CountingSeat;
        fn name(&self) -> &'static str {
            "counting"
        }
        fn seats(&self, threads: usize) -> Vec<CountingSeat> {
            let seat = |_| CountingSeat {
                out: self.out.clone(),
                most: self.most,
            };
            (0..threads).map(seat).collect()
        }
    }

    impl Seat for CountingSeat {
        type Block = ();
        fn take(&mut self, _: u64) -> Option<()> {
            if self.out.load(Ordering::Relaxed) == self.most {
                return None;
            }
            self.out.fetch_add(1, Ordering::Relaxed);
            Some(())
        }
        fn put(&mut self, (): ()) {
            self.out.fetch_sub(1, Ordering::Relaxed);
        }
        fn touch(&mut self, (): &mut (), _: u64) -> bool {
            false
        }
    }

    fn counting(most: usize) -> (Arc<AtomicUsize>, Vec<Box<dyn Peer>>) {
        let out = Arc::new(AtomicUsize::new(0));
        let engine = Counting {
            out: out.clone(),
            most,
        };
        (out, vec![Box::new(engine)])
    }

    #[test]
    fn every_case_gives_a_row_and_every_block_comes_back() {
        let (out, engines) = counting(usize::MAX);
        let plan = Plan::smoke();
        let rows = measure(&engines, &plan, |_| {});
        assert_eq!(rows.len(), plan.cases.len());
        assert!(rows.iter().all(|row| row.ns_median.is_ok_and(|ns| ns > 0.0)));
        assert_eq!(out.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_engine_without_room_or_memory_is_a_gap_and_not_a_crash() {
        let (out, engines) = counting(5);
        let rows = measure(&engines, &Plan::smoke(), |_| {});
        assert!(rows.iter().all(|row| row.ns_median == Err(Gap::Full)));
        let (_, engines) = counting(usize::MAX);
        let touching = Plan {
            touch: true,
            ..Plan::smoke()
        };
        let rows = measure(&engines, &touching, |_| {});
        assert!(rows.iter().all(|row| row.ns_median == Err(Gap::NoMemory)));
        assert_eq!(out.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_batch_is_neither_too_short_nor_too_long() {
        assert_eq!(pairs_for(10.0, 2_000, 1), 5_000);
        assert_eq!(pairs_for(10.0, 2_000, 2), 40_000);
        assert_eq!(pairs_for(1_000.0, 2_000, 1), 2_000);
        assert_eq!(pairs_for(100_000.0, 2_000, 1), 500);
        assert_eq!(pairs_for(1e9, 2_000, 1), 5);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 100.0]) - 3.0).abs() < f64::EPSILON);
    }
}
