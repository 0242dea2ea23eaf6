//! Leases that the device still uses when they are dropped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use common::Bench;
use plimsoll::Bytes;
use plimsoll::pool::LeaseError;
use plimsoll_device::{Device, Stream};

#[test]
fn a_dropped_lease_is_charged_until_its_fence_signals() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    bench.device.hold_fences();
    let mut lease = pool.lease(Bytes::mib(8)).unwrap();
    let fence = lease.fill(Stream(0), 1).unwrap().unwrap();
    assert!(matches!(lease.as_slice(), Err(LeaseError::InUse(f)) if f == fence));
    drop(lease);
    let stats = pool.stats();
    assert_eq!((stats.live, stats.pending), (Bytes::ZERO, Bytes::mib(8)));
    assert!(bench.charged() >= Bytes::mib(8));
    bench.device.signal(fence).unwrap();
    assert_eq!(pool.stats().pending, Bytes::ZERO);
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn pending_memory_is_searched_again_before_a_refusal() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    bench.device.hold_fences();
    let mut lease = pool.lease(Bytes::mib(12)).unwrap();
    let fence = lease.fill(Stream(0), 1).unwrap().unwrap();
    drop(lease);
    let refused = pool.lease(Bytes::mib(12)).unwrap_err();
    let LeaseError::Refused { pending, .. } = refused else { panic!("{refused}") };
    assert_eq!(pending, Bytes::mib(12), "the refusal says what waits for the device");
    bench.device.signal(fence).unwrap();
    drop(pool.lease(Bytes::mib(12)).expect("a fence that signalled frees its block"));
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn a_fence_that_never_signals_poisons_its_lease_until_it_does() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    bench.device.hold_fences();
    let mut lease = pool.lease(Bytes::mib(4)).unwrap();
    let fence = lease.fill(Stream(0), 1).unwrap().unwrap();
    drop(lease);
    let error = pool.settle().unwrap_err();
    assert!(matches!(error, LeaseError::Poisoned { bytes, .. } if bytes == Bytes::mib(4)), "{error}");
    assert_eq!(pool.stats().poisoned, Bytes::mib(4));
    assert!(bench.charged() >= Bytes::mib(4), "poisoned memory stays charged");
    bench.device.signal(fence).unwrap();
    pool.settle().unwrap();
    assert_eq!((pool.stats().poisoned, pool.stats().pending), (Bytes::ZERO, Bytes::ZERO));
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn a_poisoned_lease_stays_charged_after_its_pool_is_gone() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    bench.device.hold_fences();
    let mut lease = pool.lease(Bytes::mib(4)).unwrap();
    lease.fill(Stream(0), 1).unwrap();
    drop((lease, pool));
    assert!(bench.charged() >= Bytes::mib(4), "the device may still write there");
}

#[test]
fn a_lease_used_on_two_streams_waits_for_both() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    bench.device.hold_fences();
    let second = bench.device.stream().unwrap();
    let mut lease = pool.lease(Bytes::mib(4)).unwrap();
    let one = lease.fill(Stream(0), 1).unwrap().unwrap();
    let two = lease.fill(second, 2).unwrap().unwrap();
    drop(lease);
    for (fence, pending) in [(two, Bytes::mib(4)), (one, Bytes::ZERO)] {
        bench.device.signal(fence).unwrap();
        assert_eq!(pool.stats().pending, pending);
    }
}

#[test]
fn what_waits_on_a_lost_device_is_released() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    bench.device.hold_fences();
    let mut lease = pool.lease(Bytes::mib(4)).unwrap();
    lease.fill(Stream(0), 1).unwrap();
    let alive = pool.lease(Bytes::mib(1)).unwrap();
    drop(lease);
    bench.device.lose();
    assert!(matches!(pool.lease(Bytes::mib(15)), Err(LeaseError::Device(_) | LeaseError::Refused { .. })));
    drop(alive);
    pool.settle().unwrap();
    assert_eq!(pool.stats().pending, Bytes::ZERO);
    drop(pool);
    assert_eq!(bench.charged(), Bytes::ZERO, "the ledger balances though the device is gone");
}

#[test]
fn copies_between_leases_keep_both() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let mut from = pool.lease(Bytes::new(1000)).unwrap();
    let mut to = pool.lease(Bytes::new(1000)).unwrap();
    from.write(10, b"payload").unwrap();
    bench.device.hold_fences();
    let fence = to.copy_from(Stream(0), 20, &mut from, 10, Bytes::new(7)).unwrap().unwrap();
    assert!(matches!(from.write(0, b"x"), Err(LeaseError::InUse(_))), "the source is still being read");
    bench.device.signal(fence).unwrap();
    let mut seven = [0; 7];
    to.read(20, &mut seven).unwrap();
    assert_eq!(&seven, b"payload");
    from.write(0, b"x").unwrap();
}
