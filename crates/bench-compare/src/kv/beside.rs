//! Taking turns at a disk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::blocks::{Blocks, Keeper};
use super::{disk, folder, opening, plain};
use crate::gpu::Row;

/// How many blocks are asked for at once: one, and as many as a prefix's next ones.
const IN_FLIGHT: [usize; 2] = [1, IN_FLIGHT_MOST];
/// The most of them.
pub(super) const IN_FLIGHT_MOST: usize = 8;

/// How much, how large, how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What each of them keeps.
    pub total_bytes: u64,
    /// Sizes of a block.
    pub block_bytes: [usize; 2],
    /// Turns of reading.
    pub turns: usize,
    /// How many small blocks there are when stores are opened, to see what each costs in time and memory.
    pub opened: usize,
    /// The program that opens them, which is this one; nothing is opened without it. A process of their own, because what
    /// a process has freed hides what it takes next.
    pub program: Option<PathBuf>,
}

impl Plan {
    /// Enough that caches of controllers do not decide.
    pub fn full(total_bytes: u64) -> Self {
        let program = std::env::current_exe().ok();
        Self { total_bytes, block_bytes: [2 << 20, 256 << 10], turns: 5, opened: 50_000, program }
    }

    /// So many GiB.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "such a cast saturates")]
    pub fn bytes(gib: f64) -> u64 {
        (gib * f64::from(1 << 30)) as u64
    }

    /// Whether everything works, not how fast.
    pub fn smoke() -> Self {
        let program = std::env::current_exe().ok();
        Self { total_bytes: 4 << 20, block_bytes: [1 << 20, 64 << 10], turns: 1, opened: 200, program }
    }
}

/// Measures all of them in a folder of their own under `within`; each row is handed to `row` as soon as it is there.
pub fn measure(within: &Path, plan: &Plan, row: &mut dyn FnMut(Row)) -> io::Result<()> {
    for bytes in plan.block_bytes {
        let folder = tempfile::Builder::new().prefix("plimsoll-compare-").tempdir_in(within)?;
        let blocks = Blocks::within(plan.total_bytes, bytes);
        let mut keepers = keepers(folder.path(), blocks)?;
        write(blocks, &mut keepers, row)?;
        read(blocks, plan.turns, &mut keepers, row)?;
    }
    let folder = tempfile::Builder::new().prefix("plimsoll-compare-").tempdir_in(within)?;
    opening::measure(folder.path(), plan, row)
}

fn keepers(folder: &Path, blocks: Blocks) -> io::Result<Vec<Box<dyn Keeper>>> {
    let all: Vec<Box<dyn Keeper>> = vec![
        // The first is what the others are held against.
        Box::new(disk::Direct::new(folder)),
        Box::new(disk::Cached::new(folder)),
        Box::new(plain::Files::new(folder)?),
        Box::new(folder::Kept::new(folder, blocks)?),
        #[cfg(feature = "foyer")]
        Box::new(super::foyer::Foyer::new(folder, blocks, super::foyer::Way::Calls)?),
        #[cfg(feature = "foyer")]
        Box::new(super::foyer::Foyer::new(folder, blocks, super::foyer::Way::Uring)?),
    ];
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "gigabytes a second are given to two digits")]
fn write(blocks: Blocks, keepers: &mut [Box<dyn Keeper>], row: &mut dyn FnMut(Row)) -> io::Result<()> {
    for keeper in keepers {
        let began = Instant::now();
        keeper.write(&blocks)?;
        row(Row {
            what: format!("write {} blocks of {} KiB", blocks.count, blocks.bytes >> 10),
            who: keeper.name(),
            value: (blocks.count * blocks.bytes) as f64 / began.elapsed().as_secs_f64() / 1e9,
            unit: "GB/s",
        });
    }
    Ok(())
}

/// Every turn each of them reads all blocks twice, with one in flight and with several. What is told is the median of the
/// turns, and of its share of the most that the disk itself gave in the same turn.
fn read(
    blocks: Blocks,
    turns: usize,
    keepers: &mut [Box<dyn Keeper>],
    row: &mut dyn FnMut(Row),
) -> io::Result<()> {
    let mut speeds = vec![[Vec::new(), Vec::new()]; keepers.len()];
    let mut into = vec![0; IN_FLIGHT_MOST * blocks.bytes];
    for turn in 0..turns {
        for (keeper, speeds) in keepers.iter_mut().zip(&mut speeds) {
            for (in_flight, speeds) in IN_FLIGHT.into_iter().zip(speeds) {
                keeper.forget()?;
                speeds.push(read_all(keeper.as_mut(), blocks, in_flight, turn, &mut into)?);
            }
            keeper.rest()?;
        }
    }
    let best = |[one, several]: &[Vec<f64>; 2]| -> Vec<f64> {
        one.iter().zip(several).map(|(one, several)| one.max(*several)).collect()
    };
    let disk = speeds.first().map(best).unwrap_or_default();
    for (keeper, speeds) in keepers.iter().zip(&speeds) {
        for (in_flight, speeds) in IN_FLIGHT.iter().zip(speeds) {
            let what =
                format!("read cold, {} KiB, {in_flight} in flight, {}", blocks.bytes >> 10, keeper.cache());
            let shares: Vec<_> = speeds.iter().zip(&disk).map(|(one, disk)| one / disk * 100.0).collect();
            let (value, share) = (median(speeds), median(&shares));
            row(Row { what: what.clone(), who: keeper.name(), value, unit: "GB/s" });
            row(Row { what, who: keeper.name(), value: share, unit: "% of the disk" });
        }
    }
    Ok(())
}

/// The middle one.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Reads each block once; the disk itself is read in order. Gigabytes a second.
#[expect(clippy::cast_precision_loss, reason = "gigabytes a second are given to two digits")]
fn read_all(
    keeper: &mut dyn Keeper,
    blocks: Blocks,
    in_flight: usize,
    turn: usize,
    into: &mut [u8],
) -> io::Result<f64> {
    let mut there = 0;
    // Runs of blocks follow each other as a prefix's do; the runs come in another order each turn, which is not the order
    // of writing. With one in flight they are the same runs, block after block.
    let runs = blocks.count.div_ceil(IN_FLIGHT_MOST);
    let began = Instant::now();
    for at in 0..runs {
        let run = if keeper.name() == disk::DISK { at } else { shuffled(at, runs, turn) };
        let end = ((run + 1) * IN_FLIGHT_MOST).min(blocks.count);
        for start in (run * IN_FLIGHT_MOST..end).step_by(in_flight) {
            let indices = start..(start + in_flight).min(end);
            let into = &mut into[..indices.len() * blocks.bytes];
            let found = keeper.read(indices.clone(), into)?;
            there += found;
            if found == indices.len() {
                indices
                    .zip(into.chunks(blocks.bytes))
                    .try_for_each(|(at, block)| Blocks::check(at, block))?;
            }
        }
    }
    let took = began.elapsed();
    if there < blocks.count {
        let name = keeper.name();
        eprintln!("note: {name} had {there} of {} blocks; its figure counts those", blocks.count);
    }
    Ok((there * blocks.bytes) as f64 / took.as_secs_f64() / 1e9)
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
        for bytes in Plan::smoke().block_bytes {
            // Not a whole number of runs.
            let blocks = Blocks { count: 19, bytes };
            let folder = folder.path().join(bytes.to_string());
            std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
            let mut keepers = keepers(&folder, blocks).unwrap_or_else(|error| panic!("{error}"));
            write(blocks, &mut keepers, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
            let mut into = vec![0; 3 * bytes];
            for keeper in &mut keepers {
                keeper.forget().unwrap_or_else(|error| panic!("{error}"));
                for start in [0, 16] {
                    into.fill(0);
                    let found = keeper.read(start..start + 3, &mut into);
                    assert!(matches!(found, Ok(3)), "{}: {found:?}", keeper.name());
                    for (index, block) in (start..).zip(into.chunks(bytes)) {
                        assert!(Blocks::check(index, block).is_ok(), "{} {index}", keeper.name());
                    }
                }
                keeper.rest().unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}
