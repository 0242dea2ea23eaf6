//! What goes wrong around a cache: panics in what it calls, threads that die, handles that go first.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use holdings_support::Yard;
use plimsoll::holding::cached::{Cached, CachedError, TryCachedError};
use plimsoll::{Bytes, Place};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_panicking_hook_loses_no_memory_and_no_holder() {
    let yard = Yard::of(Bytes::kib(10));
    let cache: Cached<u32, ()> = Cached::open(&yard.work(), "cache").on_evict(|_, ()| panic!("hook"));
    for key in 0..30 {
        drop(cache.insert(key, (), Bytes::kib(1), SECOND).unwrap());
    }
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.evictions, stats.hook_panics), (10, 20, 20));
    assert_eq!(yard.charged("work"), Bytes::kib(10));
    drop(cache);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_value_whose_drop_panics_releases_its_bytes() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "bomb");
        }
    }
    let yard = Yard::of(Bytes::kib(2));
    let cache: Cached<u32, Bomb> = Cached::open(&yard.work(), "cache");
    drop(cache.insert(0, Bomb(true), Bytes::kib(2), SECOND).unwrap());
    drop(cache.insert(1, Bomb(false), Bytes::kib(2), SECOND).unwrap());
    assert_eq!(cache.stats().hook_panics, 1);
    drop(cache);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_panicking_computation_frees_those_who_wait() {
    let yard = Yard::of(Bytes::mib(1));
    let cache: Cached<u32, Vec<u8>> = Cached::open(&yard.work(), "cache");
    let computed = AtomicU32::new(0);
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                let made = catch_unwind(AssertUnwindSafe(|| {
                    cache.get_or_insert_with(&1, || {
                        assert!(computed.fetch_add(1, Ordering::SeqCst) != 0, "the first one fails");
                        vec![7; 100]
                    })
                }));
                if let Ok(hit) = made {
                    assert_eq!(hit.unwrap()[0], 7);
                }
            });
        }
    });
    assert_eq!(computed.load(Ordering::SeqCst), 2, "one failed, one computed, the rest waited");
    drop(cache);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_failed_computation_keeps_nothing() {
    let yard = Yard::of(Bytes::kib(10));
    let cache: Cached<u32, Vec<u8>> = Cached::open(&yard.work(), "cache");
    let failed = cache.try_get_or_insert_sized(&1, Bytes::kib(5), || {
        assert_eq!(yard.charged("work"), Bytes::kib(5), "granted before it begins");
        Err("no")
    });
    assert!(matches!(failed, Err(TryCachedError::Failed("no"))));
    assert_eq!(yard.charged("work"), Bytes::ZERO);
    assert!(cache.get(&1).is_none());
    let ran = AtomicU32::new(0);
    let refused = cache.get_or_insert_sized(&1, Bytes::kib(50), || {
        ran.fetch_add(1, Ordering::SeqCst);
        Vec::new()
    });
    assert!(matches!(refused, Err(CachedError::Refused { value: None, .. })));
    assert_eq!(ran.load(Ordering::SeqCst), 0, "refused before it was computed");
}

#[test]
fn a_computation_may_use_the_cache_but_not_wait_for_itself() {
    let yard = Yard::of(Bytes::mib(1));
    let cache: Cached<u32, Vec<u8>> = Cached::open(&yard.work(), "cache");
    let outer = cache.get_or_insert_with(&1, || {
        let itself = cache.get_or_insert_with(&1, Vec::new);
        assert!(matches!(itself, Err(CachedError::Circle)));
        cache.get_or_insert_with(&2, || vec![2]).unwrap().to_vec()
    });
    assert_eq!(*outer.unwrap(), [2]);
}

#[test]
fn two_computations_that_need_each_other_are_told_so() {
    let yard = Yard::of(Bytes::mib(1));
    let cache: Cached<u32, Vec<u8>> = Cached::open(&yard.work(), "cache");
    let both_began = Barrier::new(2);
    let circles = AtomicU32::new(0);
    let compute = |mine: u32, other: u32| {
        cache.get_or_insert_with(&mine, || {
            both_began.wait();
            match cache.get_or_insert_with(&other, || unreachable!("the other computes it")) {
                Ok(hit) => hit.to_vec(),
                Err(CachedError::Circle) => {
                    circles.fetch_add(1, Ordering::SeqCst);
                    vec![9]
                }
                Err(error) => panic!("{error}"),
            }
        })
    };
    thread::scope(|scope| {
        scope.spawn(|| compute(1, 2).unwrap());
        scope.spawn(|| compute(2, 1).unwrap());
    });
    assert_eq!(circles.load(Ordering::SeqCst), 1);
    assert_eq!((*cache.get(&1).unwrap()).clone(), [9]);
}

#[test]
fn a_thread_that_dies_with_hits_unpins_them() {
    let yard = Yard::of(Bytes::kib(10));
    let cache: Cached<u32, ()> = Cached::open(&yard.work(), "cache");
    drop(cache.insert(1, (), Bytes::kib(1), SECOND).unwrap());
    let theirs = cache.clone();
    let died = thread::spawn(move || {
        let _hit = theirs.get(&1).unwrap();
        panic!("with a hit in hand");
    });
    assert!(died.join().is_err());
    assert_eq!(cache.stats().pinned, Bytes::ZERO);
    assert_eq!(cache.evict(Bytes::kib(1)), Bytes::kib(1));
    yard.balances_to_zero(&["work"]);
}

#[test]
fn hits_outlive_the_cache_and_nothing_else_does() {
    let yard = Yard::of(Bytes::kib(10));
    let cache: Cached<u32, u32> = Cached::open(&yard.work(), "cache");
    for key in 0..10 {
        drop(cache.insert(key, key, Bytes::kib(1), SECOND).unwrap());
    }
    let hit = cache.get(&3).unwrap();
    drop(cache);
    assert_eq!(yard.charged("work"), Bytes::kib(1));
    assert_eq!(*hit, 3);
    drop(hit);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_hook_may_use_the_cache() {
    let yard = Yard::of(Bytes::kib(4));
    let lower: Cached<u32, u32> = Cached::open(&yard.work(), "lower");
    let seen = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&seen);
    let probe = lower.clone();
    let upper: Cached<u32, u32> = Cached::open(&yard.work(), "upper").on_evict(move |key, _| {
        assert!(probe.get(key).is_none());
        count.fetch_add(1, Ordering::SeqCst);
    });
    for key in 0..20 {
        drop(upper.insert(key, key, Bytes::kib(1), SECOND).unwrap());
    }
    assert_eq!(seen.load(Ordering::SeqCst), 16);
    assert_eq!(upper.stats().hook_panics, 0);
}

/// Threads that insert, look up, remove, hold and drop, under an account that is always too small, while another
/// account takes memory and gives it back.
#[test]
fn under_many_threads_the_book_and_the_ledger_agree() {
    const LINE: Bytes = Bytes::kib(64);
    let yard = Yard::with(LINE, &[("work", Bytes::ZERO, LINE), ("other", Bytes::kib(32), LINE)]);
    let cache: Cached<u32, Vec<u8>> = Cached::open(&yard.work(), "cache");
    let other = yard.governor.account("other").unwrap();
    thread::scope(|scope| {
        for worker in 0..6_u32 {
            let (cache, yard) = (&cache, &yard);
            scope.spawn(move || {
                let mut state = worker + 1;
                let mut held = Vec::new();
                for _ in 0..2_000 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let key = (state >> 16) % 48;
                    match (state >> 8) % 8 {
                        0..4 => {
                            let made =
                                cache.get_or_insert_with(&key, || vec![u8::try_from(key).unwrap(); 2048]);
                            if let Ok(hit) = made {
                                assert_eq!(u32::from(hit[2047]), key, "never another key's value");
                                held.push(hit);
                            }
                        }
                        4 => drop(cache.get(&key)),
                        5 => drop(cache.remove(&key)),
                        _ => held.clear(),
                    }
                    held.truncate(3);
                    assert!(yard.charged("work") <= LINE);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..300 {
                drop(other.reserve(Place::Host, Bytes::kib(24)).now());
                thread::yield_now();
            }
        });
    });
    let stats = cache.stats();
    assert_eq!(stats.pinned, Bytes::ZERO);
    assert_eq!(stats.bytes, yard.charged("work"));
    assert!(stats.evictions > 0 && stats.hits > 0, "{stats:?}");
    drop(cache);
    yard.balances_to_zero(&["work", "other"]);
}
