//! Movable leases are moved together when the line carries no more, and only those that nobody has pinned.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use common::Bench;
use plimsoll::Bytes;
use plimsoll::pool::{LeaseError, Movable, Pool};
use plimsoll_device::sim::Call;

/// A full line (one slab) of 1 MiB pieces of which every other one is dropped: half is free, in no long run.
fn checkered(pool: &Pool) -> Vec<Movable> {
    let mut all: Vec<Movable> = Vec::new();
    while let Ok(movable) = pool.movable(Bytes::mib(1)) {
        let mark = u8::try_from(all.len()).unwrap();
        movable.pin_mut().as_mut_slice().unwrap().fill(mark);
        all.push(movable);
    }
    let mut index = 0;
    all.retain(|_| {
        index += 1;
        index % 2 == 1
    });
    all
}

fn assert_intact(kept: &[Movable]) {
    for (index, movable) in kept.iter().enumerate() {
        let mark = u8::try_from(index * 2).unwrap();
        assert!(movable.pin().as_slice().unwrap().iter().all(|byte| *byte == mark), "lease {index} changed");
    }
}

#[test]
fn a_large_lease_is_served_by_moving_small_ones_together() {
    let bench = Bench::slabs(Bytes::mib(20));
    let pool = bench.pool();
    let kept = checkered(&pool);
    let large = pool.lease(Bytes::mib(2)).expect("half of the line is free");
    assert!(pool.stats().moved > 0, "that took moving");
    assert_intact(&kept);
    drop((large, kept, pool));
    bench.assert_balanced();
}

#[test]
fn what_is_pinned_stays_where_it_is() {
    let bench = Bench::slabs(Bytes::mib(20));
    let pool = bench.pool();
    let kept = checkered(&pool);
    let pins: Vec<_> = kept.iter().map(Movable::pin).collect();
    let before: Vec<u64> = pins.iter().map(|pin| pin.address()).collect();
    let refused = pool.lease(Bytes::mib(2)).unwrap_err();
    assert!(matches!(refused, LeaseError::Refused { .. }), "{refused}");
    assert_eq!(pins.iter().map(|pin| pin.address()).collect::<Vec<_>>(), before);
    assert_eq!(pool.stats().moved, 0);
    drop(pins);
    drop(pool.lease(Bytes::mib(2)).expect("nothing is pinned any more"));
    assert_intact(&kept);
}

#[test]
fn a_copy_that_fails_moves_nothing() {
    let bench = Bench::slabs(Bytes::mib(20));
    let pool = bench.pool();
    let kept = checkered(&pool);
    bench.device.fail_nth(Call::Copy, 1);
    assert!(matches!(pool.lease(Bytes::mib(2)), Err(LeaseError::Device(_))));
    bench.device.heal();
    assert_eq!(pool.stats().moved, 0);
    assert_intact(&kept);
    drop(pool.lease(Bytes::mib(2)).expect("the device copies again"));
    assert_intact(&kept);
    drop((kept, pool));
    bench.assert_balanced();
}

#[test]
fn a_lease_the_device_works_on_does_not_move() {
    let bench = Bench::slabs(Bytes::mib(20));
    let pool = bench.pool();
    let kept = checkered(&pool);
    bench.device.hold_fences();
    let mut fences = Vec::new();
    for movable in &kept {
        let mut pin = movable.pin_mut();
        let mark = pin.as_slice().unwrap()[0];
        fences.extend(pin.fill(plimsoll_device::Stream(0), mark).unwrap());
    }
    assert!(pool.lease(Bytes::mib(2)).is_err());
    assert_eq!(pool.stats().moved, 0);
    bench.device.release_fences();
    bench.device.signal_all();
    drop(pool.lease(Bytes::mib(2)).expect("the device is done"));
    assert_intact(&kept);
}
