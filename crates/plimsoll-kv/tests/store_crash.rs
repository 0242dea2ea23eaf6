//! A scripted run that dies at each of its operations in turn, by a kill and by a loss of power.
//!
//! Each operation dies once, torn at one of several bytes in turns. With `PLIMSOLL_CRASH_ALL=1` in the environment it dies
//! once for each of them.
#![cfg(unix)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::needless_for_each,
    clippy::unwrap_used,
    reason = "numbers are small, and what fails fails the test"
)]

mod support_store;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use plimsoll::Bytes;
use plimsoll_kv::store::Store as _;
use plimsoll_kv::store::folder::sim::{Fault, SimDisk};
use plimsoll_kv::store::folder::{Folder, FolderSettings, Sync};
use support_store::{Sample, put_all};

const MAX_BYTES: Bytes = Bytes::kib(640);
/// Where writes are torn: before their first byte, in a header, behind the first block.
const TORN: [usize; 3] = [0, 700, 5_000];
/// No script puts a block of this number or above.
const NUMBERS: u64 = 320;

fn settings(sync: Sync) -> FolderSettings {
    FolderSettings { sync, segment_bytes: Bytes::kib(64), ..FolderSettings::new("unused", MAX_BYTES) }
}

/// What a run had done when it ended: what must be there, and what may be.
#[derive(Default)]
struct Done {
    published: BTreeSet<u64>,
    doubtful: BTreeSet<u64>,
}

/// Made once: the scripts run hundreds of times, and each run reads all of them.
fn samples() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    let bytes = |number: u64| 1_500 + (number as usize * 701) % 4_000;
    SAMPLES.get_or_init(|| (0..NUMBERS).map(|number| Sample::new(number, bytes(number))).collect())
}

fn sample(number: u64) -> &'static Sample {
    &samples()[number as usize]
}

/// Puts, removes, closes and opens again, until something fails.
fn script(disk: &SimDisk, sync: Sync) -> Done {
    let mut done = Done::default();
    let _ = run(disk, sync, &mut done);
    done
}

fn run(disk: &SimDisk, sync: Sync, done: &mut Done) -> Result<(), Box<dyn std::error::Error>> {
    for round in 0..3_u64 {
        let (folder, _) = Folder::open_on(Arc::new(disk.clone()), &settings(sync))?;
        for step in 0..6 {
            let numbers: Vec<u64> = (0..3).map(|one| round * 100 + step * 3 + one).collect();
            let samples: Vec<Sample> = numbers.iter().map(|&number| sample(number).clone()).collect();
            done.doubtful.extend(&numbers);
            put_all(&folder, &samples)?;
            numbers.iter().for_each(|number| {
                done.doubtful.remove(number);
                done.published.insert(*number);
            });
            if step % 2 == 1 {
                let gone: Vec<u64> = done.published.iter().copied().filter(|one| one % 5 != round).collect();
                let gone: Vec<u64> = gone.into_iter().step_by(2).collect();
                let ids: Vec<_> = gone.iter().map(|&one| Sample::id_of(one)).collect();
                gone.iter().for_each(|one| {
                    done.published.remove(one);
                    done.doubtful.insert(*one);
                });
                folder.remove(&ids)?;
            }
            assert!(disk.allocated() <= folder.room().used.get());
            assert!(folder.room().used <= MAX_BYTES);
        }
        if round == 1 {
            folder.compact()?;
        }
    }
    Ok(())
}

/// Every record is right or a miss; those that were published are there, if they must be.
fn check(disk: &SimDisk, sync: Sync, done: &Done, all: bool, what: &str) {
    let (folder, report) = Folder::open_on(Arc::new(disk.clone()), &settings(sync))
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(disk.allocated() <= MAX_BYTES.get(), "{what}: {}", disk.allocated());
    assert!(disk.allocated() <= folder.room().used.get(), "{what}");
    for number in 0..NUMBERS {
        let there = sample(number).is_in(&folder).unwrap();
        assert!(there || !all || !done.published.contains(&number), "{what}: {number} is lost; {report:?}");
        let ever = done.published.contains(&number) || done.doubtful.contains(&number);
        assert!(!there || ever, "{what}: {number} was never put");
    }
    // And it goes on.
    let more = Sample::new(1_000, 3_000);
    more.put(&folder).unwrap();
    assert!(more.is_in(&folder).unwrap());
    drop(folder);
    let found = plimsoll_kv::store::folder::verify_on(disk).unwrap();
    assert_eq!(found.damaged, [], "{what}");
}

fn operations(make: impl Fn() -> SimDisk, sync: Sync) -> u64 {
    let disk = make();
    let done = script(&disk, sync);
    assert!(done.published.len() > 10, "the script runs to its end");
    disk.operations()
}

fn die_everywhere(make: impl Fn() -> SimDisk, sync: Sync, power: bool, step: usize) {
    let all = operations(&make, sync);
    let all_torn = std::env::var_os("PLIMSOLL_CRASH_ALL").is_some();
    for at in (1..=all).step_by(step) {
        let turn = at as usize / step % TORN.len();
        for &torn in if all_torn { &TORN[..] } else { &TORN[turn..=turn] } {
            let disk = make();
            disk.fail_in(at, Fault::Die(torn));
            let done = script(&disk, sync);
            let (disk, must) = if power {
                (disk.lose_power(at * 31 + torn as u64), sync == Sync::Power)
            } else {
                (disk.kill(), true)
            };
            check(&disk, sync, &done, must, &format!("operation {at} of {all}, torn at {torn}"));
        }
    }
}

#[test]
fn killed_at_every_operation() {
    die_everywhere(SimDisk::default, Sync::Process, false, 1);
}

#[test]
fn killed_at_operations_of_a_disk_without_holes() {
    die_everywhere(|| SimDisk::default().without_holes(), Sync::Process, false, 3);
}

#[test]
fn a_loss_of_power_at_every_operation_loses_nothing_that_was_synced() {
    die_everywhere(SimDisk::default, Sync::Power, true, 1);
}

#[test]
fn a_loss_of_power_without_syncs_is_never_wrong() {
    die_everywhere(SimDisk::default, Sync::Process, true, 3);
}

#[test]
fn every_operation_may_fail_and_the_store_goes_on() {
    for fault in [Fault::Io(0), Fault::Io(900), Fault::NoSpace(0), Fault::NoSpace(4_500)] {
        let all = operations(SimDisk::default, Sync::Process);
        for at in (1..=all).step_by(2) {
            let disk = SimDisk::default();
            disk.fail_in(at, fault);
            // The script ends at the first error, as an orderly end does; what was published is there.
            let done = script(&disk, Sync::Process);
            check(&disk, Sync::Process, &done, true, &format!("{fault:?} at {at} of {all}"));
        }
    }
}
