//! Figures in a fraction of a second: how fast threads together read memory.

use std::thread;
use std::time::Instant;

use super::passes::{self, LINE, Operation};

/// So much is read in all: more than most caches hold, and little enough to be had at once.
const BYTES: usize = 512 << 20;
const RUNS: usize = 3;

/// Bytes a second of the best of three passes; `None` where it could not be measured.
pub fn read_rate(threads: usize) -> Option<f64> {
    let mut reading = Reading::new(BYTES, threads.clamp(1, 64))?;
    let best = (0..RUNS).map(|_| reading.rate()).fold(0.0, f64::max);
    (best > 0.0).then_some(best)
}

/// An array that threads read, each its share of it.
pub struct Reading {
    shares: Vec<Vec<f64>>,
    /// How often it is read in a run: small arrays several times, so that threads have something to do.
    passes: u64,
}

impl Reading {
    /// Of so many bytes; nothing where there is no memory for it.
    pub fn new(bytes: usize, threads: usize) -> Option<Self> {
        let numbers = (bytes / 8 / threads.max(1)).next_multiple_of(LINE).max(LINE);
        let mut shares = Vec::new();
        for _ in 0..threads.max(1) {
            let mut share = Vec::new();
            share.try_reserve_exact(numbers).ok()?;
            share.resize(numbers, 1.0);
            shares.push(share);
        }
        Some(Self { shares, passes: (BYTES / bytes.max(1)).clamp(1, 10_000) as u64 })
    }

    /// Reads it; bytes a second, from the first thread that begins to the last that ends.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn rate(&mut self) -> f64 {
        let (passes, threads) = (self.passes, self.shares.len());
        let bytes = self.shares[0].len() * 8 * threads;
        let ready = std::sync::Barrier::new(threads);
        let timed: Vec<_> = thread::scope(|scope| {
            let ready = &ready;
            let read = |share: &mut Vec<f64>| {
                ready.wait();
                let began = Instant::now();
                std::hint::black_box(passes::run(Operation::Read, share, passes));
                (began, Instant::now())
            };
            let hands: Vec<_> =
                self.shares.iter_mut().map(|share| scope.spawn(move || read(share))).collect();
            hands.into_iter().filter_map(|hand| hand.join().ok()).collect()
        });
        let began = timed.iter().map(|(began, _)| *began).min();
        let ended = timed.iter().map(|(_, ended)| *ended).max();
        let seconds = began.zip(ended).map_or(f64::NAN, |(began, ended)| (ended - began).as_secs_f64());
        bytes as f64 * passes as f64 / seconds
    }
}
