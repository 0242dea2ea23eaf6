//! One figure in a fraction of a second: how fast all cores together read memory.

use std::thread;
use std::time::Instant;

use super::passes::{self, LINE, Operation};

/// So much is read in all: more than most caches hold, and little enough to be had at once.
const BYTES: usize = 512 << 20;
const RUNS: usize = 3;

/// Bytes a second of the best of three passes; `None` where it could not be measured.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
pub fn read_rate(threads: usize) -> Option<f64> {
    let threads = threads.clamp(1, 64);
    let numbers = (BYTES / 8 / threads).next_multiple_of(LINE);
    let mut shares: Vec<Vec<f64>> = (0..threads).map(|_| vec![1.0; numbers]).collect();
    let pass = |shares: &mut Vec<Vec<f64>>| {
        let began = Instant::now();
        thread::scope(|scope| {
            for share in shares {
                scope.spawn(|| std::hint::black_box(passes::run(Operation::Read, share, 1)));
            }
        });
        began.elapsed().as_secs_f64()
    };
    let best = (0..RUNS).map(|_| pass(&mut shares)).fold(f64::INFINITY, f64::min);
    (best > 0.0).then(|| (numbers * 8 * threads) as f64 / best)
}
