//! Leases of bytes that one stream still uses: at once for that stream, for nobody else before its work is done.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use std::time::Duration;

use common::Bench;
use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, LeaseRequest, Pool};
use plimsoll_device::sim::{Call, SimSettings};
use plimsoll_device::{Device, Fence, Stream};

const MIB: Bytes = Bytes::mib(1);

/// A line of 8 MiB, two streams whose fences are signalled by hand.
fn held() -> (Bench, Pool, [Stream; 2]) {
    let bench = Bench::new(Bytes::mib(8));
    let streams = [0, 1].map(|_| bench.device.stream().unwrap());
    bench.device.hold_fences();
    let pool = bench.pool();
    (bench, pool, streams)
}

/// Drops a lease under work on a stream.
fn used_on(stream: Stream, mut lease: Lease) -> (u64, Fence) {
    let fence = lease.fill(stream, 1).unwrap().unwrap();
    (lease.address(), fence)
}

fn refuses<T: std::fmt::Debug>(result: &Result<T, LeaseError>, until: Fence) {
    assert!(matches!(result, Err(LeaseError::InUse(fence)) if *fence == until), "{result:?}");
}

#[test]
fn only_the_stream_that_uses_the_bytes_gets_them_early() {
    let (bench, pool, [one, two]) = held();
    let (address, fence) = used_on(one, pool.lease(MIB).unwrap());
    let apart = [pool.lease(MIB).unwrap(), pool.lease_on(two, MIB).unwrap()];
    assert!(apart.iter().all(|lease| lease.address() != address && lease.carried().is_none()));
    let mut lease = pool.lease_on(one, MIB).unwrap();
    assert_eq!((lease.address(), lease.carried()), (address, Some(fence)));
    assert_eq!((pool.stats().pending, pool.stats().reused), (Bytes::ZERO, 1));

    let mut other = pool.lease(MIB).unwrap();
    refuses(&lease.as_slice(), fence);
    refuses(&lease.read(0, &mut [0]), fence);
    refuses(&lease.write(0, &[1]), fence);
    refuses(&lease.as_mut_slice(), fence);
    refuses(&lease.fill(two, 3), fence);
    refuses(&lease.upload(two, 0, &[3]), fence);
    refuses(&lease.download(two, 0, &mut [0]), fence);
    refuses(&lease.copy_from(two, 0, &mut other, 0, MIB), fence);
    refuses(&other.copy_from(two, 0, &mut lease, 0, MIB), fence);
    let own = lease.fill(one, 2).unwrap().unwrap();
    refuses(&lease.fill(two, 3), fence);

    bench.device.signal(fence).unwrap();
    refuses(&lease.as_slice(), own);
    lease
        .fill(two, 3)
        .expect("the earlier lease's work is done; what this one's own streams do is its own affair");
    bench.device.signal_all();
    assert_eq!(lease.as_slice().unwrap()[0], 3);
    drop((lease, other, apart, pool));
    bench.assert_balanced();
}

#[test]
fn work_of_the_old_lease_comes_before_that_of_the_new_one() {
    let slow = SimSettings { unified: true, latency: Duration::from_millis(1), ..SimSettings::default() };
    let bench = Bench::with(Bytes::mib(8), slow);
    let (pool, stream) = (bench.pool(), bench.device.stream().unwrap());
    let mut old = pool.lease(MIB).unwrap();
    old.as_mut_slice().unwrap().fill(0);
    old.fill(stream, 1).unwrap();
    drop(old);
    let mut new = pool.lease_on(stream, MIB).unwrap();
    let earlier = new.carried().unwrap();
    new.upload(stream, 0, &[2; 100]).unwrap();
    assert!(new.as_slice().is_err(), "neither's work is done");
    bench.device.wait(earlier, Duration::from_secs(1)).unwrap();
    assert!(new.as_slice().is_err(), "its own is not done");
    bench.device.advance(Duration::from_millis(1));
    let bytes = new.as_slice().unwrap();
    assert_eq!((bytes[99], bytes[100]), (2, 1));
}

#[test]
fn a_lease_that_is_dropped_unused_waits_for_what_it_carried() {
    let (bench, pool, [one, _]) = held();
    let (address, fence) = used_on(one, pool.lease(MIB).unwrap());
    drop(pool.lease_on(one, MIB).unwrap());
    assert_eq!(pool.stats().pending, MIB);
    assert_ne!(pool.lease(MIB).unwrap().address(), address);
    bench.device.signal(fence).unwrap();
    assert_eq!(pool.stats().pending, Bytes::ZERO);
}

#[test]
fn what_is_cut_off_goes_on_waiting() {
    let (bench, pool, [one, _]) = held();
    let (address, fence) = used_on(one, pool.lease(Bytes::mib(8)).unwrap());
    let part = pool.lease_on(one, Bytes::mib(3)).unwrap();
    assert_eq!((part.address(), part.carried()), (address, Some(fence)));
    assert_eq!((pool.stats().live, pool.stats().pending), (Bytes::mib(3), Bytes::mib(5)));
    assert!(pool.lease(Bytes::mib(5)).is_err(), "the line is full, and the rest waits");
    bench.device.signal(fence).unwrap();
    let rest = pool.lease(Bytes::mib(5)).unwrap();
    assert_eq!(rest.address(), address + Bytes::mib(3).get());
    drop((part, rest, pool));
    bench.assert_balanced();
}

#[test]
fn neighbours_are_merged_and_wait_for_the_last_of_them() {
    let (bench, pool, [one, two]) = held();
    // The whole line in one piece.
    drop(pool.lease(Bytes::mib(8)).unwrap());
    let mut leases: Vec<Lease> = (0..4).map(|_| pool.lease(Bytes::mib(2)).unwrap()).collect();
    leases.sort_by_key(Lease::address);
    let start = leases[0].address();
    let last = leases.pop().unwrap();
    // The middle one is used last, and the fourth by another stream.
    used_on(one, leases.pop().unwrap());
    let (_, second) = used_on(one, leases.remove(0));
    let (_, middle) = used_on(one, leases.pop().unwrap());
    let (_, apart) = used_on(two, last);
    assert!(pool.lease_on(one, Bytes::mib(8)).is_err() && pool.lease_on(two, Bytes::mib(4)).is_err());
    let mut merged = pool.lease_on(one, Bytes::mib(5)).unwrap();
    assert_eq!((merged.address(), merged.carried()), (start, Some(middle)));
    assert_eq!(pool.stats().pending, Bytes::mib(3));
    bench.device.signal(second).unwrap();
    refuses(&merged.as_slice(), middle);
    merged.fill(one, 5).unwrap();
    bench.device.signal(apart).unwrap();
    assert_eq!(pool.stats().pending, Bytes::mib(1), "the rest waits for the last as well");
    drop(merged);
    bench.device.signal_all();
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn what_two_streams_use_is_for_neither_until_one_is_done() {
    let (bench, pool, [one, two]) = held();
    let mut lease = pool.lease(Bytes::mib(6)).unwrap();
    let fences = [one, two].map(|stream| lease.fill(stream, 1).unwrap().unwrap());
    drop(lease);
    for stream in [one, two] {
        assert!(pool.lease_on(stream, Bytes::mib(6)).is_err());
    }
    bench.device.signal(fences[1]).unwrap();
    assert!(pool.lease_on(two, Bytes::mib(6)).is_err());
    let lease = pool.lease_on(one, Bytes::mib(6)).unwrap();
    assert_eq!(lease.carried(), Some(fences[0]));
}

#[test]
fn work_without_a_fence_gets_one_before_its_bytes_are_lent() {
    let (bench, pool, [one, _]) = held();
    let mut lease = pool.lease(Bytes::mib(8)).unwrap();
    bench.device.fail_nth(Call::Fence, 1);
    assert!(lease.fill(one, 1).is_err());
    drop(lease);
    let lease = pool.lease_on(one, Bytes::mib(8)).unwrap();
    let fence = lease.carried().unwrap();
    refuses(&lease.as_slice(), fence);
    bench.device.signal(fence).unwrap();
    assert_eq!(lease.as_slice().unwrap()[0], 1);
}

#[test]
fn poisoned_bytes_still_serve_their_own_stream() {
    let (bench, pool, [one, _]) = held();
    let (_, fence) = used_on(one, pool.lease(Bytes::mib(8)).unwrap());
    pool.settle().unwrap_err();
    let lease = pool.lease_on(one, Bytes::mib(6)).unwrap();
    assert_eq!((pool.stats().poisoned, pool.stats().pending), (Bytes::mib(2), Bytes::mib(2)));
    drop(lease);
    assert_eq!(pool.stats().poisoned, Bytes::mib(8));
    bench.device.signal(fence).unwrap();
    assert_eq!((pool.stats().poisoned, pool.stats().pending), (Bytes::ZERO, Bytes::ZERO));
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn a_stricter_alignment_is_kept() {
    let (_bench, pool, [one, _]) = held();
    for _ in 0..8 {
        used_on(one, pool.lease(Bytes::new(300_000)).unwrap());
    }
    let aligned = LeaseRequest::new(Bytes::new(300_000)).align(1 << 16).on(one);
    assert_eq!(pool.lease_with(aligned).unwrap().address() % (1 << 16), 0);
}

#[test]
fn slabs_are_not_merged_across_their_ends() {
    let bench = Bench::slabs(Bytes::mib(8));
    let one = bench.device.stream().unwrap();
    bench.device.hold_fences();
    let pool = bench.pool();
    let leases: Vec<Lease> = std::iter::from_fn(|| pool.lease(Bytes::kib(512)).ok()).collect();
    assert_eq!(leases.len(), 16, "the line is full");
    for lease in leases {
        used_on(one, lease);
    }
    assert!(pool.lease_on(one, Bytes::mib(3)).is_err(), "no slab is so large");
    let lease = pool.lease_on(one, Bytes::kib(700)).expect("two of a slab");
    assert!(lease.carried().is_some());
    drop(lease);
    bench.device.signal_all();
    drop(pool);
    bench.assert_balanced();
}
