//! Promotion, eviction and reading of one block at once, explored by shuttle over the real book:
//! `RUSTFLAGS="--cfg shuttle" cargo test -p plimsoll-kv --lib races`.

#[path = "state.rs"]
mod state;
#[path = "worth.rs"]
mod worth;

use std::num::NonZeroU32;
use std::sync::Arc;

use shuttle::sync::Mutex;
use shuttle::{check_pct, check_random, thread};

use crate::block::BlockId;
use crate::tree::{NodeId, Tier};
use state::{ColdCopy, Source, State};

const RUNS: usize = 1_500;

/// A copy that says which block's it is.
type Book = Mutex<State<u128, u128>>;

fn explore(scenario: fn()) {
    check_random(scenario, RUNS);
    check_pct(scenario, RUNS, 3);
}

fn share(book: &Book, parent: Option<NodeId>, number: u128) -> NodeId {
    let mut state = book.lock().unwrap();
    let node = state.place(parent, BlockId::new(number));
    drop(state.put_hot(node, Arc::new(number), 10));
    node
}

/// The way of `Core::give_up_hot`: choose, copy without the lock, put, and let go only of what is still nobody's.
fn demote(book: &Book) {
    let chosen = {
        let mut state = book.lock().unwrap();
        let Some(node) = state.victim(Tier::Hot, 1.0) else { return };
        let hot = Arc::clone(state.hot(node).unwrap());
        state.pin(node);
        (node, hot)
    };
    let (node, hot) = chosen;
    thread::yield_now();
    let copy = Arc::new(*hot);
    drop(hot);
    let mut state = book.lock().unwrap();
    drop(state.put_warm(node, copy, 5));
    state.unpin(node);
    if state.tree().is_live(node) && state.tree().is_leaf(node, Tier::Hot) {
        state.drop_copy(node, Tier::Hot, 10).forget();
    }
}

/// The way of a restore: find, hold, read what is dearest without the lock, and put it into the hot tier.
fn promote(book: &Book, ids: &[BlockId]) {
    let found = {
        let mut state = book.lock().unwrap();
        let Some((length, node)) = state.tree().longest(ids) else { return };
        state.pin(node);
        (length, node, state.source(node))
    };
    let (length, node, source) = found;
    let held = match source {
        Some(Source::Hot(copy) | Source::Warm(copy)) => Some(copy),
        Some(Source::Cold { .. }) | None => None,
    };
    thread::yield_now();
    if let Some(held) = held {
        assert_eq!(*held, ids[length - 1].get(), "a reader has another block's bytes");
        let mut state = book.lock().unwrap();
        if state.hot(node).is_none() {
            drop(state.put_hot(node, Arc::new(*held), 10));
        }
    }
    book.lock().unwrap().unpin(node);
}

fn evict(book: &Book, tier: Tier, bytes: u64) {
    let mut state = book.lock().unwrap();
    if let Some(node) = state.victim(tier, 1.0) {
        let dropped = state.drop_copy(node, tier, bytes);
        drop(state);
        dropped.forget();
    }
}

#[test]
fn races_of_promotion_eviction_and_reading() {
    explore(|| {
        let book: Arc<Book> = Arc::new(Mutex::new(State::new(64)));
        let ids: Vec<BlockId> = (1..=3).map(BlockId::new).collect();
        let first = share(&book, None, 1);
        let second = share(&book, Some(first), 2);
        let third = share(&book, Some(second), 3);
        {
            let mut state = book.lock().unwrap();
            state.put_cold(second, ColdCopy { stored: 1, form: NonZeroU32::MIN, sections: None });
            for node in [first, second, third] {
                state.unpin(node);
            }
        }
        let mut threads = Vec::new();
        for worker in 0..4 {
            let (book, ids) = (Arc::clone(&book), ids.clone());
            threads.push(thread::spawn(move || match worker {
                0 => (0..3).for_each(|_| demote(&book)),
                1 => (0..3).for_each(|_| promote(&book, &ids)),
                2 => (0..2).for_each(|_| evict(&book, Tier::Warm, 5)),
                _ => promote(&book, &ids),
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
        let mut state = book.lock().unwrap();
        state.check();
        for (tier, bytes) in Tier::ALL.into_iter().zip([10, 5, 1]) {
            while let Some(node) = state.victim(tier, 2.0) {
                state.drop_copy(node, tier, bytes).forget();
            }
        }
        assert_eq!(state.tree().len(), 0, "a block is held by nobody and cannot go");
    });
}
