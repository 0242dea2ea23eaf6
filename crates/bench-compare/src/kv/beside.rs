//! Taking turns at a disk.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::blocks::{Blocks, Keeper};
use super::{folder, plain};
use crate::gpu::Row;

/// How much, how large, how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What each of them keeps.
    pub total_bytes: u64,
    /// Sizes of a block.
    pub block_bytes: [usize; 2],
    /// Turns of reading.
    pub turns: usize,
}

impl Plan {
    /// Enough that caches of controllers do not decide.
    pub const fn full(total_bytes: u64) -> Self {
        Self { total_bytes, block_bytes: [2 << 20, 256 << 10], turns: 5 }
    }

    /// Whether everything works, not how fast.
    pub const fn smoke() -> Self {
        Self { total_bytes: 4 << 20, block_bytes: [1 << 20, 64 << 10], turns: 1 }
    }
}

/// Measures all of them in a folder of their own under `within`; each row is handed to `row` as soon as it is there.
pub fn measure(within: &Path, plan: Plan, row: &mut dyn FnMut(Row)) -> io::Result<()> {
    for bytes in plan.block_bytes {
        let folder = tempfile::Builder::new().prefix("plimsoll-compare-").tempdir_in(within)?;
        let count = usize::try_from(plan.total_bytes).unwrap_or(usize::MAX) / bytes;
        let blocks = Blocks { count: count.max(1), bytes };
        let mut keepers = keepers(folder.path(), blocks)?;
        one_size(blocks, plan.turns, &mut keepers, row)?;
    }
    Ok(())
}

fn keepers(folder: &Path, blocks: Blocks) -> io::Result<Vec<Box<dyn Keeper>>> {
    let all: Vec<Box<dyn Keeper>> = vec![
        Box::new(plain::Disk::new(folder, false)),
        Box::new(plain::Disk::new(folder, true)),
        Box::new(plain::Files::new(folder)?),
        Box::new(folder::Kept::new(folder, blocks)?),
        #[cfg(feature = "foyer")]
        Box::new(super::foyer::Foyer::new(folder, blocks)?),
    ];
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "gigabytes a second are given to two digits")]
fn one_size(
    blocks: Blocks,
    turns: usize,
    keepers: &mut [Box<dyn Keeper>],
    row: &mut dyn FnMut(Row),
) -> io::Result<()> {
    let total = (blocks.count * blocks.bytes) as f64;
    let kib = blocks.bytes >> 10;
    let speed = |took: Duration| total / took.as_secs_f64() / 1e9;
    for keeper in &mut *keepers {
        let began = Instant::now();
        keeper.write(&blocks)?;
        let took = began.elapsed();
        row(Row {
            what: format!("write {} blocks of {kib} KiB", blocks.count),
            who: keeper.name(),
            value: speed(took),
            unit: "GB/s",
        });
    }
    let mut times = vec![Vec::new(); keepers.len()];
    let mut into = vec![0; RUN * blocks.bytes];
    for turn in 0..turns {
        for (keeper, times) in keepers.iter_mut().zip(&mut times) {
            keeper.forget()?;
            let began = Instant::now();
            let there = read_all(keeper.as_mut(), blocks, turn, &mut into)?;
            times.push(began.elapsed());
            if there < blocks.count {
                let name = keeper.name();
                eprintln!("note: {name} had {there} of {} blocks; its figure counts them all", blocks.count);
            }
        }
    }
    for (keeper, times) in keepers.iter().zip(&mut times) {
        times.sort_unstable();
        row(Row {
            what: format!("read cold, blocks of {kib} KiB, {}", keeper.cache()),
            who: keeper.name(),
            value: speed(times[times.len() / 2]),
            unit: "GB/s",
        });
    }
    Ok(())
}

/// Blocks that are read one after the other, as a prefix's are.
const RUN: usize = 8;

/// Reads each block once, in strides, so that an order of writing is of no help; the disk itself is read in order.
fn read_all(keeper: &mut dyn Keeper, blocks: Blocks, turn: usize, into: &mut [u8]) -> io::Result<usize> {
    let mut there = 0;
    let runs = blocks.count.div_ceil(RUN);
    for at in 0..runs {
        // Runs of blocks follow each other as a prefix's do; the runs come in another order each turn.
        let run = if keeper.name() == plain::DISK { at } else { shuffled(at, runs, turn) };
        let indices = run * RUN..((run + 1) * RUN).min(blocks.count);
        let into = &mut into[..indices.len() * blocks.bytes];
        let found = keeper.run(indices.clone(), into)?;
        there += found;
        if found == indices.len() {
            for (index, block) in indices.zip(into.chunks(blocks.bytes)) {
                check(index, block)?;
            }
        }
    }
    Ok(there)
}

/// A stride that has no part in common with the count visits all.
fn shuffled(at: usize, count: usize, turn: usize) -> usize {
    let common = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let stride =
        (count / 3 + turn + 1..=2 * count + turn + 2).find(|stride| common(*stride, count) == 1).unwrap_or(1);
    (at * stride) % count
}

/// The first and the last bytes are enough to see that a block is the one that was asked for.
fn check(index: usize, block: &[u8]) -> io::Result<()> {
    let mut first = [0; 8];
    Blocks::fill(index, &mut first);
    if block.starts_with(&first) {
        Ok(())
    } else {
        Err(io::Error::other(format!("block {index} is another")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_visited_once() {
        for count in [1, 2, 3, 8, 64, 100, 1_024] {
            for turn in 0..5 {
                let mut seen: Vec<_> = (0..count).map(|at| shuffled(at, count, turn)).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..count).collect::<Vec<_>>(), "{count} {turn}");
            }
        }
    }

    #[test]
    fn all_keep_what_they_are_given() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let mut rows = Vec::new();
        let measured = measure(folder.path(), Plan::smoke(), &mut |row| rows.push(row));
        assert!(measured.is_ok(), "{measured:?}");
        assert!(rows.len() >= 12 && rows.iter().all(|row| row.value > 0.0), "{rows:?}");
    }
}
