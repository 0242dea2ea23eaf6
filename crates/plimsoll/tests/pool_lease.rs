//! Leases as a user meets them: odd sizes, other threads, threads that end or die, pools that are closed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use std::sync::mpsc;

use common::{Bench, PLACE};
use plimsoll::Bytes;
use plimsoll::pool::{LeaseError, LeaseRequest, PoolSettings, Tag};
use plimsoll_device::DeviceError;

#[test]
fn what_is_leased_can_be_written_and_read_and_comes_back() {
    for bench in [Bench::new(Bytes::mib(64)), Bench::slabs(Bytes::mib(64))] {
        let pool = bench.pool();
        for size in [1_u64, 255, 256, 257, 4096, 100_000, 1 << 20, (10 << 20) + 1, 33 << 20] {
            let mut lease = pool.lease(Bytes::new(size)).unwrap();
            assert_eq!(lease.bytes(), Bytes::new(size));
            lease.write(size - 1, &[7]).unwrap();
            assert_eq!(lease.as_slice().unwrap().len() as u64, size);
            assert_eq!(lease.as_slice().unwrap().last(), Some(&7));
            assert_eq!(bench.charged(), pool.stats().backed, "what is backed is what is charged");
        }
        assert_eq!(pool.stats().live, Bytes::ZERO);
        drop(pool);
        bench.assert_balanced();
    }
}

#[test]
fn zero_over_sized_and_over_aligned_requests_are_defined() {
    let bench = Bench::new(Bytes::mib(64));
    let pool = bench.pool();
    let mut nothing = pool.lease(Bytes::ZERO).unwrap();
    assert_eq!((nothing.bytes(), nothing.as_mut_slice().unwrap().len()), (Bytes::ZERO, 0));
    nothing.write(0, &[]).unwrap();
    assert!(matches!(nothing.write(0, &[1]), Err(LeaseError::Device(_))));
    assert_eq!(bench.charged(), Bytes::ZERO, "no bytes are not charged");

    for size in [u64::MAX, u64::MAX - 255, u64::MAX - 256, 1 << 60] {
        let error = pool.lease(Bytes::new(size)).unwrap_err();
        assert!(matches!(error, LeaseError::TooLarge { .. }), "{size}: {error}");
    }
    let refused = pool.lease(Bytes::mib(65)).unwrap_err();
    assert!(matches!(refused, LeaseError::Refused { .. }), "{refused}");

    for align in [512, 4096, 1 << 16, 1 << 20, 1 << 21] {
        let lease = pool.lease_with(LeaseRequest::new(Bytes::new(100)).align(align)).unwrap();
        assert_eq!(lease.address() % align, 0);
    }
    for align in [0, 3, 1 << 63] {
        let request = LeaseRequest::new(Bytes::new(100)).align(align);
        assert!(matches!(pool.lease_with(request), Err(LeaseError::BadAlignment { .. })), "{align}");
    }
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn a_refusal_says_what_is_held_and_loses_nothing() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let kept = pool.lease(Bytes::mib(10)).unwrap();
    let error = pool.lease(Bytes::mib(10)).unwrap_err();
    let LeaseError::Refused { asked, pending, .. } = &error else { panic!("{error}") };
    assert_eq!((*asked, *pending), (Bytes::mib(10), Bytes::ZERO));
    let text = error.to_string();
    for part in ["10.00 MiB", "work", "largest free run"] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    drop(kept);
    let _fits_now = pool.lease(Bytes::mib(10)).unwrap();
}

#[test]
fn reading_outside_a_lease_is_an_error() {
    let bench = Bench::new(Bytes::mib(4));
    let pool = bench.pool();
    let mut lease = pool.lease(Bytes::new(100)).unwrap();
    let mut two = [0; 2];
    for offset in [99, 100, u64::MAX] {
        assert!(lease.read(offset, &mut two).is_err());
        assert!(lease.write(offset, &two).is_err());
    }
}

#[test]
fn the_host_cannot_look_into_private_memory() {
    let bench = Bench::with(Bytes::mib(4), plimsoll_device::sim::SimSettings::default());
    let pool = bench.pool();
    let mut lease = pool.lease(Bytes::new(4096)).unwrap();
    for error in [lease.as_slice().map(drop), lease.write(0, &[1])] {
        let Err(LeaseError::Device(error)) = error else { panic!("private memory was readable") };
        assert!(matches!(*error, DeviceError::NotHostVisible { .. }));
    }
    lease.upload(plimsoll_device::Stream(0), 0, b"through a copy").unwrap();
    let mut back = [0; 14];
    lease.download(plimsoll_device::Stream(0), 0, &mut back).unwrap();
    assert_eq!(&back, b"through a copy");
}

#[test]
fn a_lease_may_be_dropped_on_any_thread() {
    let bench = Bench::new(Bytes::mib(64));
    let pool = bench.pool();
    let (sender, receiver) = mpsc::channel();
    let consumer = std::thread::spawn(move || receiver.into_iter().count());
    for _ in 0..2_000 {
        sender.send(pool.lease(Bytes::kib(16)).unwrap()).unwrap();
    }
    drop(sender);
    assert_eq!(consumer.join().unwrap(), 2_000);
    let stats = pool.stats();
    assert_eq!((stats.live, stats.leases), (Bytes::ZERO, 2_000));
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn a_thread_that_dies_gives_back_its_leases_and_its_cache() {
    let bench = Bench::new(Bytes::mib(64));
    let pool = bench.pool();
    let theirs = pool.clone();
    let died = std::thread::spawn(move || {
        let _held = theirs.lease(Bytes::mib(3)).unwrap();
        drop(theirs.lease(Bytes::mib(5)).unwrap());
        panic!("this thread dies holding a lease");
    });
    assert!(died.join().is_err());
    let stats = pool.stats();
    assert_eq!((stats.live, stats.thread_cached), (Bytes::ZERO, Bytes::ZERO));
    pool.trim(Bytes::ZERO).unwrap();
    bench.assert_balanced();
}

/// The reason for caches that others can empty: memory that idles with one thread must not be an
/// out-of-memory for another.
#[test]
fn memory_that_idles_with_another_thread_is_called_in_before_a_refusal() {
    let bench = Bench::new(Bytes::mib(16));
    let settings = PoolSettings { thread_cache: Some(Bytes::mib(64)), ..Bench::settings() };
    let pool = bench.pool_with(settings);
    let (parked, release) = (mpsc::channel(), mpsc::channel::<()>());
    let theirs = pool.clone();
    let idle = std::thread::spawn(move || {
        drop(theirs.lease(Bytes::mib(12)).unwrap());
        parked.0.send(()).unwrap();
        let _: Result<(), _> = release.1.recv();
    });
    parked.1.recv().unwrap();
    assert_eq!(pool.stats().thread_cached, Bytes::mib(12));
    let lease = pool.lease(Bytes::mib(14)).expect("the idle thread's cache is called in");
    assert_eq!(pool.stats().thread_cached, Bytes::ZERO);
    drop((lease, release.0));
    idle.join().unwrap();
    drop(pool);
    bench.assert_balanced();
}

/// The same across pools: the governor calls one pool's idle memory in for another account.
#[test]
fn idle_memory_of_one_pool_serves_another_account() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    drop(pool.lease(Bytes::mib(12)).unwrap());
    assert!(bench.charged() >= Bytes::mib(12));
    let other = bench.governor.account("other").unwrap();
    let taken = other.reserve(PLACE, Bytes::mib(15)).now().expect("idle memory goes back first");
    assert_eq!(bench.charged(), Bytes::ZERO);
    drop(taken);
}

#[test]
fn leases_outlive_the_pools_last_handle() {
    // Without growable ranges what cannot be split goes back when its last lease does.
    let slab = Bytes::mib(20 + 2);
    for (bench, most) in [(Bench::new(Bytes::mib(64)), Bytes::mib(4)), (Bench::slabs(Bytes::mib(64)), slab)] {
        let pool = bench.pool();
        let mut lease = pool.lease(Bytes::mib(1)).unwrap();
        drop(pool.lease(Bytes::mib(30)).unwrap());
        let elsewhere = pool.lease(Bytes::kib(4)).unwrap();
        drop(pool);
        assert!(bench.charged() >= Bytes::mib(1), "a live lease stays charged");
        assert!(bench.charged() <= most, "idle memory went back");
        lease.write(0, b"still mine").unwrap();
        std::thread::spawn(move || drop(elsewhere)).join().unwrap();
        drop(lease);
        bench.assert_balanced();
    }
}

#[test]
fn statistics_tell_live_cached_and_tags_apart() {
    let bench = Bench::new(Bytes::mib(64));
    let pool = bench.pool();
    let tag = Tag::new("attention");
    let tagged = pool.lease_with(LeaseRequest::new(Bytes::new(1000)).tag(tag)).unwrap();
    let plain = pool.lease(Bytes::mib(2)).unwrap();
    let stats = pool.stats();
    assert_eq!(stats.live, Bytes::mib(2) + Bytes::new(1024));
    assert_eq!(stats.requested, Bytes::mib(2) + Bytes::new(1000));
    assert!(stats.internal_fragmentation() > 0.0 && stats.internal_fragmentation() < 0.001);
    assert_eq!(stats.live + stats.cached + stats.pending, stats.backed);
    let of = |tag| pool.stats().tags.iter().find(|t| t.tag == tag).map(|t| (t.live, t.leases));
    assert_eq!(of(tag), Some((Bytes::new(1024), 1)));
    assert_eq!(of(Tag::NONE), Some((Bytes::mib(2), 1)));
    drop((tagged, plain));
    assert_eq!(of(tag), Some((Bytes::ZERO, 1)));
    let again = pool.lease(Bytes::mib(2)).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.leases, stats.hits), (3, 1), "the same size comes from the thread's cache");
    assert_eq!(stats.peak_live, Bytes::mib(2) + Bytes::new(1024));
    drop(again);
}

/// A thread's cache follows what the program uses: sizes that it has stopped asking for make way.
#[test]
fn a_cache_full_of_old_sizes_takes_up_new_ones() {
    let bench = Bench::new(Bytes::mib(64));
    let settings = PoolSettings { thread_cache: Some(Bytes::mib(4)), ..Bench::settings() };
    let pool = bench.pool_with(settings);
    for size in 1..=64_u64 {
        drop(pool.lease(Bytes::kib(64) + Bytes::new(size * 256)).unwrap());
    }
    let misses = |pool: &plimsoll::pool::Pool| pool.stats().leases - pool.stats().hits;
    for _ in 0..300 {
        drop(pool.lease(Bytes::mib(1)).unwrap());
    }
    let before = misses(&pool);
    for _ in 0..100 {
        drop(pool.lease(Bytes::mib(1)).unwrap());
    }
    assert_eq!(misses(&pool), before, "the size in use is served from the cache");
}
