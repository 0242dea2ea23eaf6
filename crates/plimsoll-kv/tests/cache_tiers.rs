//! Blocks through the tiers: shared, evicted, brought back, and right whatever happens to the store.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use plimsoll_kv::codec::Precision;
use plimsoll_kv::engine::Pages;
use plimsoll_kv::gate::{Limits, Verdicts};
use plimsoll_kv::store::{Store, Tandem};
use plimsoll_kv::tree::Tier;
use support::{MemoryStore, layout, root, tokens, world};

#[test]
fn a_hot_prefix_is_used_in_place() {
    let world = world(65536, &layout(), None, |_| {});
    let (restored, first) = world.serve(root(), &tokens(0, 40));
    assert_eq!((restored, first.len()), (0, 10));
    let (restored, second) = world.serve(root(), &tokens(0, 42));
    assert_eq!((restored, second.len()), (10, 10));
    for (one, other) in first.iter().zip(&second) {
        assert_eq!(one.page().lease().address(), other.page().lease().address());
    }
    world.holds();
}

#[test]
fn the_same_block_twice_is_kept_once_and_counted() {
    let world = world(65536, &layout(), None, |_| {});
    let fill = || {
        let mut filling = world.cache.fill().unwrap();
        world
            .cache
            .pages()
            .write(filling.page_mut(), 0, &support::content(&layout(), &tokens(0, 4)))
            .unwrap();
        filling.push(&tokens(0, 4)).unwrap();
        filling.complete(Duration::ZERO).unwrap()
    };
    let (one, other) = (fill(), fill());
    let one = one.share(&root(), None);
    let other = other.share(&root(), None);
    assert_eq!(one.page().lease().address(), other.page().lease().address());
    assert_eq!(world.cache.stats().deduplicated.get(), layout().block_bytes() as u64);
}

#[test]
fn who_goes_another_way_gets_a_copy() {
    let world = world(65536, &layout(), None, |_| {});
    let (_, blocks) = world.serve(root(), &tokens(0, 8));
    let mut fork = blocks[1].fork(2).unwrap();
    assert_eq!(fork.tokens(), &[4, 5]);
    assert_eq!(
        world.cache.pages().bytes(fork.page()).unwrap(),
        world.cache.pages().bytes(blocks[1].page()).unwrap()
    );
    world.cache.pages().write(fork.page_mut(), 0, &[0xff; 64]).unwrap();
    world.check(&blocks[1], &tokens(0, 8));
    assert!(fork.push(&[1, 2, 3]).is_err());
    fork.push(&[1]).unwrap();
    let again = fork.complete(Duration::ZERO).unwrap_err();
    assert_eq!(again.room(), 1);
}

#[test]
fn what_leaves_the_hot_tier_comes_back_from_the_warm_one() {
    // 60% of 8 MiB are 76 pages of 64 KiB.
    let world = world(8192, &layout(), None, |_| {});
    drop(world.serve(root(), &tokens(0, 200)));
    drop(world.serve(root(), &tokens(10_000, 200)));
    world.tend();
    world.holds();
    let stats = world.cache.stats();
    assert!(stats.tiers[Tier::Warm].blocks > 0, "{stats:?}");
    let (one, _) = world.serve(root(), &tokens(0, 200));
    let (other, _) = world.serve(root(), &tokens(10_000, 200));
    assert!(one + other > 60, "{one} and {other} of 100 blocks came back");
    assert!(world.cache.stats().tiers[Tier::Warm].hits > 0);
    world.holds();
}

#[test]
fn a_cache_that_is_opened_again_has_what_the_store_has() {
    let store = MemoryStore::new(16 << 20);
    let first = world(32768, &layout(), Some(store.clone()), |_| {});
    drop(first.serve(root(), &tokens(0, 80)));
    assert_eq!(first.cache.flush(), 20);
    drop(first);
    let again = world(32768, &layout(), Some(store), |_| {});
    let (restored, _) = again.serve(root(), &tokens(0, 80));
    assert_eq!(restored, 20);
    assert_eq!(again.cache.stats().tiers[Tier::Cold].hits, 20);
}

#[test]
fn a_full_store_gives_up_what_is_worth_less_and_stays_below_its_line() {
    let store = MemoryStore::new(40 << 16);
    let world = world(8192, &layout(), Some(store.clone()), |_| {});
    for prompt in 0..8 {
        drop(world.serve(root(), &tokens(prompt * 1_000, 60)));
        world.cache.flush();
        world.tend();
        assert!(store.room().used <= store.room().capacity);
        world.holds();
    }
    assert!(world.cache.stats().tiers[Tier::Cold].evicted > 0);
}

#[test]
fn identities_that_collide_are_misses() {
    let store = MemoryStore::new(16 << 20);
    let weak = root().weak(3);
    let world = world(16384, &layout(), Some(store), |_| {});
    for round in 0..3 {
        for prompt in 0..12 {
            // `serve` checks every byte that it is given.
            drop(world.serve(weak, &tokens(prompt * 64, 24)));
            world.cache.flush();
        }
        world.tend();
        assert!(world.cache.stats().doubts > 0, "round {round}: eight identities for 72 blocks");
    }
    world.holds();
}

#[test]
fn a_damaged_record_is_computed_again_and_kept_again() {
    let store = MemoryStore::new(16 << 20);
    drop(world(32768, &layout(), Some(store.clone()), |_| {}).serve(root(), &tokens(0, 40)));
    let world = world(32768, &layout(), Some(store.clone()), |_| {});
    store.faults.damaged.store(true, Ordering::Relaxed);
    let (restored, blocks) = world.serve(root(), &tokens(0, 40));
    assert_eq!((restored, blocks.len()), (0, 10));
    store.faults.damaged.store(false, Ordering::Relaxed);
    assert_eq!(world.serve(root(), &tokens(0, 40)).0, 10);
    assert_eq!(world.cache.stats().doubts, 1);
    drop(blocks);
    world.cache.flush();
    assert_eq!(store.room().blocks, 10);
}

#[test]
fn a_slow_store_is_waited_for_no_longer_than_agreed() {
    let store = MemoryStore::new(16 << 20);
    drop(world(32768, &layout(), Some(store.clone()), |_| {}).serve(root(), &tokens(0, 40)));
    let world = world(32768, &layout(), Some(store.clone()), |settings| {
        settings.threads = true;
        settings.cold.as_mut().unwrap().patience = Duration::from_millis(50);
    });
    store.faults.read_waits_ms.store(2_000, Ordering::Relaxed);
    let began = Instant::now();
    let (restored, blocks) = world.serve(root(), &tokens(0, 40));
    assert!(began.elapsed() < Duration::from_millis(1_900), "it waited for the store");
    assert_eq!((restored, blocks.len()), (0, 10));
}

#[test]
fn a_store_that_fails_or_panics_loses_nothing_but_its_own_copies() {
    let store = MemoryStore::new(16 << 20);
    let world = world(32768, &layout(), Some(store.clone()), |settings| {
        settings.threads = true;
        settings.cold.as_mut().unwrap().settle = Some(Duration::ZERO);
    });
    store.faults.put_panics.store(true, Ordering::Relaxed);
    let (_, blocks) = world.serve(root(), &tokens(0, 40));
    let until = Instant::now() + Duration::from_secs(20);
    while world.cache.stats().restarts == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(world.cache.stats().restarts > 0, "the thread did not come back");
    store.faults.put_panics.store(false, Ordering::Relaxed);
    store.faults.put_fails.store(true, Ordering::Relaxed);
    drop(world.serve(root(), &tokens(500, 40)));
    world.cache.flush();
    store.faults.put_fails.store(false, Ordering::Relaxed);
    // What was lost to the failures is written with what comes after it.
    let (restored, more) = world.serve(root(), &tokens(0, 48));
    assert_eq!(restored, 10);
    world.cache.flush();
    assert!(store.room().blocks >= 12);
    drop((blocks, more));
    let engine = world.engine.clone();
    drop(world);
    assert!(engine.snapshot().is_clear(), "{:?}", engine.snapshot());
}

#[test]
fn readers_that_panic_are_answered_with_a_miss() {
    let store = MemoryStore::new(16 << 20);
    drop(world(32768, &layout(), Some(store.clone()), |_| {}).serve(root(), &tokens(0, 40)));
    let world = world(32768, &layout(), Some(store.clone()), |settings| settings.threads = true);
    store.faults.read_panics.store(true, Ordering::Relaxed);
    assert_eq!(world.serve(root(), &tokens(0, 40)).0, 0);
    store.faults.read_panics.store(false, Ordering::Relaxed);
    store.faults.read_fails.store(true, Ordering::Relaxed);
    assert_eq!(world.serve(root(), &tokens(400, 40)).0, 0);
}

#[test]
fn who_holds_blocks_for_ever_holds_up_nobody() {
    let world = world(8192, &layout(), None, |_| {});
    let (_, held) = world.serve(root(), &tokens(0, 80));
    for prompt in 1..20 {
        let (_, blocks) = world.serve(root(), &tokens(prompt * 1_000, 120));
        assert_eq!(blocks.len(), 30);
        world.holds();
    }
    for (index, block) in held.iter().enumerate() {
        world.check(block, &tokens(0, (index + 1) * 4));
    }
}

#[test]
fn a_model_with_state_goes_on_only_from_where_its_state_was_kept() {
    let layout = plimsoll_kv::layout::Layout { snapshot_bytes: 600, ..layout() };
    let store = MemoryStore::new(16 << 20);
    let root = plimsoll_kv::block::Root::of(b"a model", &layout).build();
    let first = world(32768, &layout, Some(store.clone()), |_| {});
    // Every second block has its state; five blocks can be gone on from after the fourth.
    let (_, blocks) = first.serve(root, &tokens(0, 20));
    assert_eq!(blocks.len(), 5);
    assert_eq!(first.serve(root, &tokens(0, 20)).0, 4);
    drop(blocks);
    first.cache.flush();
    drop(first);
    let again = world(32768, &layout, Some(store), |_| {});
    let (restored, blocks) = again.serve(root, &tokens(0, 20));
    assert_eq!(restored, 4);
    assert!(blocks[3].snapshot().is_some() && blocks[1].snapshot().is_some());
    again.holds();
}

#[test]
fn nothing_is_charged_when_all_is_over() {
    let store: Arc<MemoryStore> = MemoryStore::new(16 << 20);
    let world = world(16384, &layout(), Some(store), |settings| settings.threads = true);
    for prompt in 0..5 {
        drop(world.serve(root(), &tokens(prompt * 100, 100)));
    }
    let engine = world.engine.clone();
    drop(world);
    assert!(engine.snapshot().is_clear(), "{:?}", engine.snapshot());
}

#[test]
fn a_far_store_has_what_the_near_one_gave_up_and_what_other_machines_wrote() {
    let (near, far) = (MemoryStore::new(20 << 16), MemoryStore::new(64 << 20));
    near.faults.any_order.store(true, Ordering::Relaxed);
    let both = || Arc::new(Tandem::open(near.clone(), far.clone()).unwrap());
    let first = world(32_768, &layout(), Some(both()), |_| {});
    for prompt in 0..4 {
        drop(first.serve(root(), &tokens(prompt * 1_000, 60)));
    }
    first.cache.flush();
    assert!(near.room().used <= near.room().capacity);
    assert_eq!(far.room().blocks, 60);
    drop(first);
    let again = world(32_768, &layout(), Some(both()), |_| {});
    for prompt in 0..4 {
        assert_eq!(again.serve(root(), &tokens(prompt * 1_000, 60)).0, 15);
    }
    // Another machine, with an empty folder of its own.
    let other = Arc::new(Tandem::open(MemoryStore::new(20 << 16), far.clone()).unwrap());
    let other = world(32_768, &layout(), Some(other), |_| {});
    assert_eq!(other.serve(root(), &tokens(0, 60)).0, 15);
}

#[test]
fn a_far_store_that_fails_leaves_the_near_one_as_it_is() {
    let (near, far) = (MemoryStore::new(16 << 20), MemoryStore::new(16 << 20));
    far.faults.put_fails.store(true, Ordering::Relaxed);
    let both = Arc::new(Tandem::open(near.clone(), far.clone()).unwrap());
    let first = world(32_768, &layout(), Some(both), |_| {});
    drop(first.serve(root(), &tokens(0, 40)));
    assert_eq!(first.cache.flush(), 10);
    assert_eq!((near.room().blocks, far.room().blocks), (10, 0));
    drop(first);
    far.faults.read_fails.store(true, Ordering::Relaxed);
    let both = Arc::new(Tandem::open(near, far).unwrap());
    let again = world(32_768, &layout(), Some(both), |_| {});
    assert_eq!(again.serve(root(), &tokens(0, 40)).0, 10);
}

#[test]
fn a_precision_that_was_not_measured_for_a_model_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let verdicts = Verdicts::open(folder.path().join("gate.json"));
    let world = world(4_096, &layout(), Some(MemoryStore::new(1 << 20)), |settings| {
        settings.warm.precision = Precision::Eight;
        *settings = settings.clone().gated(&verdicts, &root(), &Limits::default());
        assert_eq!(settings.warm.precision, Precision::Native);
        assert_eq!(settings.cold.as_ref().unwrap().precision, Precision::Native);
    });
    drop(world.serve(root(), &tokens(0, 40)));
}
