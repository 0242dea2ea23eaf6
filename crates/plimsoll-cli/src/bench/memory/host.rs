//! Host memory: each operation over working sets from one that the smallest cache holds to one that none does.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::Bytes;

use super::passes::LINE;
use super::report::HostPoint;
use super::{Figure, MemoryError, Operation, Plan, cores, passes, progress::Progress};
use crate::bench::harness::{Leaving, Rendezvous};

/// Measures with so many threads at once, each on its own share of the working set.
pub(super) fn measure(
    plan: &Plan,
    threads: usize,
    progress: &Progress,
) -> Result<Vec<HostPoint>, MemoryError> {
    let cases: Vec<Case> = plan
        .sizes(threads)
        .flat_map(|size| Operation::ALL.map(|operation| Case { size, operation }))
        .collect();
    let most = cases.last().map_or(0, |case| share(case.size, threads));
    let mut shares = Vec::with_capacity(threads);
    for _ in 0..threads {
        let mut numbers: Vec<f64> = Vec::new();
        numbers
            .try_reserve_exact(most + LINE)
            .map_err(|_| MemoryError::NoMemory { asked: plan.host_most })?;
        shares.push(numbers);
    }
    let crew = Crew {
        plan,
        cases: &cases,
        most,
        rendezvous: Rendezvous::new(threads),
        passes: AtomicU64::new(1),
        progress,
    };
    let timed: Vec<Vec<Timed>> = thread::scope(|scope| {
        let crew = &crew;
        let worker = |(at, numbers)| scope.spawn(move || crew.work(at, numbers));
        let workers: Vec<_> = shares.into_iter().enumerate().map(worker).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    });
    let point = |(at, case): (usize, &Case)| {
        let of_all: Vec<&Timed> = timed.iter().filter_map(|worker| worker.get(at)).collect();
        Some(HostPoint {
            operation: case.operation,
            working_set_bytes: case.size.get(),
            figure: Figure::of(case.bytes(threads) * of_all.first()?.passes, together(&of_all))?,
        })
    };
    Ok(cases.iter().enumerate().filter_map(point).collect())
}

/// What is measured at a time.
#[derive(Clone, Copy, Debug)]
struct Case {
    size: Bytes,
    operation: Operation,
}

impl Case {
    /// What one pass of all threads moves: each array counts once, and what does not divide is left out.
    fn bytes(self, threads: usize) -> u64 {
        let arrays = self.operation.arrays();
        let each = share(self.size, threads) / arrays / LINE * LINE;
        (each * arrays * threads) as u64 * NUMBER
    }
}

/// Bytes of a number.
const NUMBER: u64 = 8;

/// Numbers in one thread's part of a working set: whole lines.
fn share(size: Bytes, threads: usize) -> usize {
    Bytes::new(size.get() / NUMBER).as_usize() / threads / LINE * LINE
}

/// The runs of one thread at one case.
#[derive(Debug)]
struct Timed {
    passes: u64,
    runs: Vec<(Instant, Instant)>,
}

/// How long each run took: from the first thread that began to the last that ended.
fn together(of_all: &[&Timed]) -> Vec<Duration> {
    let runs = of_all.iter().map(|timed| timed.runs.len()).min().unwrap_or(0);
    let took = |run: usize| {
        let stretches = of_all.iter().map(|timed| timed.runs[run]);
        let (began, ended) = stretches.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))?;
        Some(ended.duration_since(began))
    };
    (0..runs).filter_map(took).collect()
}

/// What the threads share.
#[derive(Debug)]
struct Crew<'c> {
    plan: &'c Plan,
    cases: &'c [Case],
    most: usize,
    rendezvous: Rendezvous,
    /// How often the pass is repeated; the first thread says.
    passes: AtomicU64,
    progress: &'c Progress,
}

impl Crew<'_> {
    /// What each thread does: everybody goes through the cases together.
    fn work(&self, worker: usize, mut numbers: Vec<f64>) -> Vec<Timed> {
        let _leaving = Leaving(&self.rendezvous);
        cores::keep_to(worker);
        // The memory was only reserved until now: whoever writes it first has it near.
        numbers.resize(self.most + LINE, 1.0);
        let start = numbers.as_ptr().align_offset(LINE * size_of::<f64>());
        let numbers = &mut numbers[start..];
        let case = |case: &Case| {
            let part = share(case.size, self.rendezvous.threads());
            let timed = self.time(worker, case.operation, &mut numbers[..part]);
            if worker == 0 {
                self.progress.step(1);
            }
            timed
        };
        self.cases.iter().map(case).collect()
    }

    fn time(&self, worker: usize, operation: Operation, numbers: &mut [f64]) -> Timed {
        let guess = guess(numbers.len());
        let warm_up = self.run(operation, numbers, guess);
        if worker == 0 {
            let passes = repeated(guess, warm_up.1.duration_since(warm_up.0), self.plan.run_at_least);
            self.passes.store(passes, Ordering::Relaxed);
        }
        // The meeting before the first run makes what was stored seen by all.
        self.rendezvous.meet();
        let passes = self.passes.load(Ordering::Relaxed);
        let runs = (0..self.plan.runs).map(|_| self.run(operation, numbers, passes));
        Timed { passes, runs: runs.collect() }
    }

    fn run(&self, operation: Operation, numbers: &mut [f64], passes: u64) -> (Instant, Instant) {
        self.rendezvous.meet();
        let began = Instant::now();
        black_box(passes::run(operation, numbers, passes));
        (began, Instant::now())
    }
}

/// Passes that last about half a millisecond at a rate that every machine reaches.
const fn guess(numbers: usize) -> u64 {
    let passes = (4 << 20) / (numbers as u64 * NUMBER + 1);
    if passes == 0 { 1 } else { passes }
}

/// So many passes took so long: how many last at least as long as they should, with a tenth to spare.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a positive count, approximate by nature"
)]
pub(super) fn repeated(passes: u64, took: Duration, at_least: Duration) -> u64 {
    let took = took.max(Duration::from_nanos(100));
    let times = at_least.as_secs_f64() / took.as_secs_f64() * 1.1;
    ((passes as f64 * times).ceil() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_repeated_until_it_lasts() {
        let ms = Duration::from_millis;
        assert_eq!(repeated(10, ms(1), ms(3)), 33);
        assert_eq!(repeated(1, ms(100), ms(3)), 1);
        assert!(repeated(1, Duration::ZERO, ms(3)) < 100_000);
        assert_eq!(guess(1 << 24), 1);
        assert_eq!(guess(0), 4 << 20);
    }

    #[test]
    fn threads_count_from_the_first_that_begins_to_the_last_that_ends() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let one = Timed { passes: 1, runs: vec![(at(0), at(10)), (at(20), at(30))] };
        let other = Timed { passes: 1, runs: vec![(at(5), at(17)), (at(19), at(29))] };
        let took = together(&[&one, &other]);
        assert_eq!(took, [Duration::from_millis(17), Duration::from_millis(11)]);
    }

    #[test]
    fn bytes_are_counted_as_stream_does() {
        let case = |operation| Case { size: Bytes::kib(1), operation };
        // Sixteen lines: two arrays of eight, three of five.
        assert_eq!(case(Operation::Read).bytes(1), 1024);
        assert_eq!(case(Operation::Copy).bytes(1), 1024);
        assert_eq!(case(Operation::Triad).bytes(1), 960);
        assert_eq!(case(Operation::Read).bytes(3), 960);
    }

    #[test]
    fn every_size_and_operation_has_a_figure() {
        let plan = Plan { host_most: Bytes::kib(4), ..Plan::smoke() };
        for threads in [1, 2, 3] {
            let points = measure(&plan, threads, &Progress::silent()).unwrap();
            assert_eq!(points.len(), plan.sizes(threads).count() * 4);
            assert!(!points.is_empty() && points.iter().all(|point| point.figure.best_bytes_per_s > 0.0));
        }
    }
}
