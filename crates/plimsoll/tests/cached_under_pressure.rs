//! A cache lives within its account: it makes room by price, never gives up what is in use, and loses nothing.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdings_support::Yard;
use plimsoll::governor::{Charge, Why};
use plimsoll::holding::cached::{Cached, CachedError};
use plimsoll::holding::{ManualClock, Weigh};
use plimsoll::{Bytes, Place};

const SECOND: Duration = Duration::from_secs(1);
const KIB: Bytes = Bytes::kib(1);

#[test]
fn the_cheapest_per_byte_goes_first() {
    let yard = Yard::of(Bytes::kib(10));
    let evicted = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&evicted);
    let cache: Cached<&str, u8> =
        Cached::open(&yard.work(), "cache").on_evict(move |key, _| log.lock().unwrap().push(*key));
    drop(cache.insert("dear", 0, Bytes::kib(5), 10 * SECOND).unwrap());
    drop(cache.insert("cheap", 0, KIB, SECOND / 100).unwrap());
    drop(cache.insert("fair", 0, Bytes::kib(4), SECOND).unwrap());
    drop(cache.insert("new", 0, Bytes::kib(3), SECOND).unwrap());
    assert_eq!(*evicted.lock().unwrap(), ["cheap", "fair"]);
    assert!(cache.get(&"dear").is_some());
    assert_eq!(cache.stats().bytes, Bytes::kib(8));
    assert_eq!(yard.charged("work"), Bytes::kib(8));
    drop(cache);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn what_is_in_use_stays_and_the_value_comes_back() {
    let yard = Yard::of(Bytes::kib(10));
    let cache: Cached<u32, String> = Cached::open(&yard.work(), "cache");
    let held = cache.insert(1, "held".into(), Bytes::kib(8), Duration::ZERO).unwrap();
    let refused = cache.insert(2, "mine".into(), Bytes::kib(4), 100 * SECOND).unwrap_err();
    let CachedError::Refused { value, refusal } = refused else {
        panic!("{refused}");
    };
    assert_eq!(value.as_deref(), Some("mine"));
    assert_eq!(refusal.fits_now, Bytes::kib(2));
    assert_eq!(&*held, "held");
    assert_eq!(cache.stats().refusals, 1);
    drop(held);
    drop(cache.insert(2, "mine".into(), Bytes::kib(4), 100 * SECOND).unwrap());
    assert!(cache.get(&1).is_none(), "it was free to go once nobody used it");
    drop(cache);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_refusal_that_eviction_could_not_help_evicts_nothing() {
    let yard = Yard::of(Bytes::kib(10));
    let cache: Cached<u32, ()> = Cached::open(&yard.work(), "cache");
    drop(cache.insert(1, (), Bytes::kib(6), SECOND).unwrap());
    let refused = cache.insert(2, (), Bytes::kib(11), SECOND).unwrap_err();
    assert!(
        matches!(&refused, CachedError::Refused { refusal, .. } if matches!(refusal.why, Why::Never { .. }))
    );
    assert!(cache.get(&1).is_some());
    assert_eq!(cache.stats().evictions, 0);
}

#[test]
fn another_account_gets_its_guarantee_back() {
    let yard = Yard::with(
        Bytes::kib(100),
        &[("features", Bytes::kib(20), Bytes::kib(100)), ("kv", Bytes::kib(60), Bytes::kib(60))],
    );
    let cache: Cached<u32, ()> = Cached::open(&yard.site("features"), "features");
    for key in 0..100 {
        drop(cache.insert(key, (), KIB, SECOND).unwrap());
    }
    assert_eq!(yard.charged("features"), Bytes::kib(100));
    let kv = yard.governor.account("kv").unwrap();
    let seat = kv.reserve(Place::Host, Bytes::kib(60)).now().unwrap();
    assert!(yard.charged("features") <= Bytes::kib(40));
    assert_eq!(cache.stats().bytes, yard.charged("features"), "the book and the ledger agree");
    // At its guarantee, with the line full, the cache still works by making room among its own.
    for key in 1_000..1_100 {
        drop(cache.insert(key, (), KIB, SECOND).unwrap());
    }
    assert!(yard.charged("features") >= Bytes::kib(20));
    drop((seat, cache));
    yard.balances_to_zero(&["features", "kv"]);
}

#[test]
fn removed_while_in_use_stays_charged_until_the_last_hit() {
    let yard = Yard::of(Bytes::kib(10));
    let cache: Cached<u32, ()> = Cached::open(&yard.work(), "cache");
    let hit = cache.insert(1, (), KIB, SECOND).unwrap();
    let again = hit.clone();
    assert!(cache.remove(&1));
    assert!(cache.get(&1).is_none());
    assert_eq!(cache.stats().withdrawn, KIB);
    drop(hit);
    assert_eq!(yard.charged("work"), KIB);
    drop(again);
    assert_eq!(yard.charged("work"), Bytes::ZERO);
}

#[test]
fn cost_is_measured_around_the_computation() {
    struct Value(u64);
    impl Weigh for Value {
        fn weigh(&self) -> Bytes {
            Bytes::new(self.0)
        }
    }
    let yard = Yard::of(Bytes::kib(3));
    let clock = Arc::new(ManualClock::default());
    let cache: Cached<u32, Value> = Cached::with_clock(&yard.work(), "cache", clock.clone());
    let fill = |key: u32, seconds: u32| {
        let made = cache.get_or_insert_with(&key, || {
            clock.advance(seconds * SECOND);
            Value(1024)
        });
        assert_eq!(made.unwrap().bytes(), KIB);
    };
    for (key, seconds) in [(1, 5), (2, 1), (3, 9), (4, 7)] {
        fill(key, seconds);
    }
    assert!(cache.get(&2).is_none(), "one second was the least");
    fill(5, 1);
    assert!(cache.get(&1).is_none(), "five seconds were the least then");
    assert!(cache.get(&3).is_some() && cache.get(&4).is_some());
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.evictions), (2, 7, 2));
}

/// A pool in miniature: what is dropped is kept, and charged, until it is trimmed.
struct Lease(Option<Charge>, Arc<Mutex<Vec<Charge>>>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.1.lock().unwrap().extend(self.0.take());
    }
}

#[test]
fn values_over_leases_are_not_charged_twice() {
    let yard = Yard::of(Bytes::kib(10));
    let account = yard.governor.account("work").unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let lease = || {
        account.reserve(Place::Host, Bytes::kib(5)).now().map(|r| Lease(Some(r.back()), Arc::clone(&kept)))
    };
    let trimmed = Arc::clone(&kept);
    let site = yard.work().over_leases(move || trimmed.lock().unwrap().clear());
    let cache: Cached<u32, Lease> = Cached::open(&site, "blocks");
    for key in 0..6 {
        drop(cache.insert(key, lease().unwrap(), Bytes::kib(5), SECOND).unwrap());
        assert!(yard.charged("work") <= Bytes::kib(10));
    }
    assert_eq!(cache.stats().entries, 2);
    assert_eq!(cache.stats().evictions, 4);
    drop(cache);
    kept.lock().unwrap().clear();
    yard.balances_to_zero(&["work"]);
}
