//! Long prefixes on their way up: brought by several threads, through less memory than they take, with gaps, and beside
//! blocks of other models.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use plimsoll::{Bytes, Place};
use plimsoll_kv::block::{BlockId, Root};
use plimsoll_kv::codec::Precision;
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_kv::store::{Listed, Store};
use plimsoll_kv::tree::Tier;
use support::{BLOCK_TOKENS, MemoryStore, World, layout, root, tokens, world};

/// 19 MiB of pages: two threads at least have enough to do.
const BLOCKS: usize = 300;
/// The hot tier has room for all of them, the warm one for less than two thirds.
const TOTAL_KIB: u64 = 40 << 10;

/// A store that has a long prompt, and a cache over it that has nothing else.
fn stored() -> (Arc<MemoryStore>, World) {
    let store = MemoryStore::new(64 << 20);
    let first = world(TOTAL_KIB, &layout(), Some(store.clone()), |_| {});
    drop(first.serve(root(), &tokens(0, BLOCKS * BLOCK_TOKENS)));
    assert_eq!(first.cache.flush(), BLOCKS as u64);
    drop(first);
    let again = world(TOTAL_KIB, &layout(), Some(store.clone()), |settings| {
        settings.threads = true;
        settings.cold.as_mut().unwrap().patience = Duration::from_mins(1);
    });
    (store, again)
}

#[test]
fn a_long_prefix_comes_back_through_less_memory_than_it_takes() {
    let (_store, world) = stored();
    let (restored, blocks) = world.serve(root(), &tokens(0, BLOCKS * BLOCK_TOKENS));
    assert_eq!((restored, blocks.len()), (BLOCKS, BLOCKS));
    assert_eq!(world.cache.stats().tiers[Tier::Cold].hits, BLOCKS as u64);
    world.holds();
    let engine = world.engine.clone();
    drop((blocks, world));
    assert!(engine.snapshot().is_clear(), "{:?}", engine.snapshot());
}

/// Records that are read in parts, and no memory for all parts of any: what cannot come ends the prefix, and is computed.
#[test]
fn a_prefix_whose_records_do_not_fit_is_computed_and_never_taken_as_read() {
    const FEW: usize = 8;
    // 2 MiB a block, in four parts.
    let layout = Layout::uniform(16, 2, 4096, Element::F16, 4);
    let root = Root::of(b"a model", &layout).build();
    let store = MemoryStore::new(64 << 20);
    let first = world(TOTAL_KIB, &layout, Some(store.clone()), |_| {});
    drop(first.serve(root, &tokens(0, FEW * BLOCK_TOKENS)));
    assert_eq!(first.cache.flush(), FEW as u64);
    drop(first);
    for threads in [false, true] {
        let world = world(TOTAL_KIB, &layout, Some(store.clone()), |settings| {
            settings.threads = threads;
            settings.cold.as_mut().unwrap().patience = Duration::from_mins(1);
        });
        // Of the warm tier's 12 MiB others leave two and a half: enough for the first parts, and for no record.
        let pool = world.engine.account("kv/warm").unwrap().scratch(Place::Host).unwrap();
        let others = pool.lease(Bytes::kib(9_728)).unwrap();
        let (restored, blocks) = world.serve(root, &tokens(0, FEW * BLOCK_TOKENS));
        assert!(restored < FEW, "{restored} of {FEW} through memory for none");
        assert_eq!(blocks.len(), FEW);
        world.holds();
        drop((blocks, others));
        let (restored, _) = world.serve(root, &tokens(0, FEW * BLOCK_TOKENS));
        assert_eq!(restored, FEW);
    }
}

#[test]
fn a_long_prefix_ends_before_the_first_block_that_is_lost() {
    let (store, world) = stored();
    let all = tokens(0, BLOCKS * BLOCK_TOKENS);
    let chain = world.chain(root(), &all);
    store.remove(&[chain.ids()[200], chain.ids()[203], chain.ids()[290]]).unwrap();
    let (restored, blocks) = world.serve(root(), &all);
    assert_eq!((restored, blocks.len()), (200, BLOCKS));
    drop(blocks);
    let (restored, _) = world.serve(root(), &all);
    assert_eq!(restored, BLOCKS, "what was lost was computed again");
}

#[test]
fn what_is_warm_comes_back_by_several_threads_as_it_was() {
    let all = tokens(0, BLOCKS * BLOCK_TOKENS);
    for precision in [Precision::Native, Precision::Eight] {
        // Two prompts of which the hot tier holds one, and the warm tier the other.
        let world = world(2 * TOTAL_KIB, &layout(), None, |settings| {
            settings.warm.precision = precision;
            settings.threads = true;
        });
        let chain = world.chain(root(), &all);
        drop(world.serve(root(), &all));
        for turn in 1..3 {
            drop(world.serve(root(), &tokens(turn * 100_000, BLOCKS * BLOCK_TOKENS)));
        }
        let prefix = world.cache.seek(&chain).unwrap();
        let found = prefix.blocks();
        assert_eq!(prefix.restore(&chain).finish().blocks.len(), found);
        if precision == Precision::Native {
            drop(world.serve(root(), &all));
        }
        world.holds();
    }
}

fn listed(store: &MemoryStore) -> Vec<Listed> {
    let mut all = Vec::new();
    store.list(&mut |one| all.push(one)).unwrap();
    all
}

#[test]
fn how_often_a_block_was_used_is_written_with_it() {
    let store = MemoryStore::new(16 << 20);
    let world = world(32768, &layout(), Some(store.clone()), |_| {});
    let (often, once) = (tokens(0, 40), tokens(5_000, 40));
    for _ in 0..3 {
        drop(world.serve(root(), &often));
    }
    drop(world.serve(root(), &once));
    world.cache.flush();
    let ids = |tokens: &[u32]| -> Vec<BlockId> { world.chain(root(), tokens).ids().to_vec() };
    let (often, once) = (ids(&often), ids(&once));
    for one in listed(&store) {
        let uses = if often.contains(&one.id) { 3 } else { 1 };
        assert!(often.contains(&one.id) || once.contains(&one.id));
        assert_eq!(one.worth.uses, uses, "{}", one.id);
    }
}

#[test]
fn blocks_of_another_model_give_way_when_the_store_is_full() {
    let other = Root::of(b"another model", &layout()).build();
    let store = MemoryStore::new(40 << 16);
    let before = world(8192, &layout(), Some(store.clone()), |_| {});
    for prompt in 0..4 {
        drop(before.serve(other, &tokens(prompt * 1_000, 40)));
        before.cache.flush();
    }
    drop(before);
    assert!(listed(&store).iter().all(|one| one.root == other));
    let world = world(8192, &layout(), Some(store.clone()), |_| {});
    for prompt in 0..6 {
        drop(world.serve(root(), &tokens(prompt * 1_000, 40)));
        world.cache.flush();
        assert!(store.room().used <= store.room().capacity);
    }
    let ours = listed(&store).iter().filter(|one| one.root == root()).count();
    assert!(ours >= 20, "{ours} of {} are of the model that is used", listed(&store).len());
}
