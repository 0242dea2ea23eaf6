//! Batches in turns, and their median.

use std::thread;
use std::time::Duration;

use super::rendezvous::{Leaving, Rendezvous};
use super::{Bench, Case, Gap, Peer, Plan};

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
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
    let mut samples: Vec<_> = benches.iter_mut().map(|bench| bench.hold(live).map(|()| Vec::new())).collect();
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
    let wanted = (fill_ns / each).max(f64::from(asked)).min(BATCH_AT_MOST_NS / each).max(FEWEST);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{Engine, Seat};
    use super::*;

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
            let seat = |_| CountingSeat { out: self.out.clone(), most: self.most };
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
        let engine = Counting { out: out.clone(), most };
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
        let touching = Plan { touch: true, ..Plan::smoke() };
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
