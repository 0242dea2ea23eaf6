//! The whole cache against what blocks must hold: random prompts, pressure, failures and restarts. Every block that is
//! given out is compared with what its tokens say, and no account is ever over its share.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]
#![allow(clippy::cast_possible_truncation, reason = "small numbers")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use plimsoll_kv::block::Token;
use plimsoll_kv::cache::Shared;
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::store::Store;
use proptest::collection::vec;
use proptest::prelude::*;
use support::{MemoryStore, World, layout, root, world};

#[derive(Clone, Debug)]
enum Op {
    /// A prompt that branches off where these say.
    Serve {
        turns: Vec<u8>,
        weak: bool,
    },
    /// The oldest prompt that is held ends.
    End,
    Tend,
    Flush,
    Reopen,
    /// Others want this much of the hot tier's memory, for a moment.
    Press {
        kib: u64,
    },
    Puts {
        fail: bool,
    },
    Reads {
        fail: bool,
    },
    Damage {
        on: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (vec(0_u8..3, 1..6), prop::bool::weighted(0.2)).prop_map(|(turns, weak)| Op::Serve { turns, weak }),
        4 => Just(Op::End),
        3 => Just(Op::Tend),
        2 => Just(Op::Flush),
        1 => Just(Op::Reopen),
        1 => (64_u64..2048).prop_map(|kib| Op::Press { kib }),
        1 => any::<bool>().prop_map(|fail| Op::Puts { fail }),
        1 => any::<bool>().prop_map(|fail| Op::Reads { fail }),
        1 => any::<bool>().prop_map(|on| Op::Damage { on }),
    ]
}

/// Turns of eight tokens each, which follow from the choices so far.
fn prompt(turns: &[u8]) -> Vec<Token> {
    turns
        .iter()
        .enumerate()
        .flat_map(|(at, &turn)| (0..8).map(move |token| u32::from(turn) * 100 + token + at as u32 * 10))
        .collect()
}

fn small(store: &Arc<MemoryStore>) -> World {
    world(4 * 1024, &layout(), Some(Arc::clone(store) as Arc<dyn Store>), |_| {})
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_is_wrong_and_no_account_is_over(ops in vec(op(), 1..40), roomy in any::<bool>()) {
        let store = MemoryStore::new(if roomy { 4_000 << 16 } else { 24 << 16 });
        let mut cache = small(&store);
        let mut held: Vec<Vec<Shared<LeasedPages>>> = Vec::new();
        for op in ops {
            match op {
                Op::Serve { turns, weak } => {
                    let root = if weak { root().weak(4) } else { root() };
                    held.push(cache.serve(root, &prompt(&turns)).1);
                    // A prompt of the right content, held as long as it likes, never stops the next.
                    if held.len() > 4 {
                        held.remove(0);
                    }
                }
                Op::End => if !held.is_empty() { held.remove(0); },
                Op::Tend => cache.tend(),
                Op::Flush => { cache.cache.flush(); }
                Op::Reopen => {
                    held.clear();
                    drop(cache);
                    cache = small(&store);
                }
                Op::Press { kib } => {
                    let wanted = plimsoll::Bytes::kib(kib);
                    drop(cache.engine.account("kv/hot").unwrap().reserve(plimsoll::Place::Host, wanted).now());
                }
                Op::Puts { fail } => store.faults.put_fails.store(fail, Ordering::Relaxed),
                Op::Reads { fail } => store.faults.read_fails.store(fail, Ordering::Relaxed),
                Op::Damage { on } => store.faults.damaged.store(on, Ordering::Relaxed),
            }
            cache.holds();
            prop_assert!(store.room().used <= store.room().capacity);
        }
        // With nothing in the way, what was flushed is there after a restart.
        held.clear();
        store.faults.put_fails.store(false, Ordering::Relaxed);
        store.faults.read_fails.store(false, Ordering::Relaxed);
        store.faults.damaged.store(false, Ordering::Relaxed);
        let last = prompt(&[9, 9, 9]);
        drop(cache.serve(root(), &last));
        cache.cache.flush();
        let engine = cache.engine.clone();
        drop(cache);
        prop_assert!(engine.snapshot().is_clear());
        let again = small(&store);
        // A full store may hold what is worth more.
        if roomy {
            prop_assert_eq!(again.serve(root(), &last).0, 6);
        }
    }
}

#[test]
fn many_threads_under_pressure_read_nothing_wrong() {
    let store = MemoryStore::new(64 << 16);
    let world = world(6 * 1024, &layout(), Some(store.clone()), |settings| {
        settings.threads = true;
        settings.cold.as_mut().unwrap().settle = Some(Duration::from_millis(5));
    });
    thread::scope(|scope| {
        for worker in 0..4_u32 {
            let world = &world;
            scope.spawn(move || {
                for round in 0..60_u32 {
                    let turns: Vec<u8> =
                        (0..4).map(|at| ((worker * 7 + round * 3) >> at) as u8 % 3).collect();
                    let (_, blocks) = world.serve(root(), &prompt(&turns));
                    for (index, block) in blocks.iter().enumerate() {
                        world.check(block, &prompt(&turns)[..(index + 1) * support::BLOCK_TOKENS]);
                    }
                    world.holds();
                }
            });
        }
    });
    let engine = world.engine.clone();
    drop(world);
    assert!(engine.snapshot().is_clear());
}
