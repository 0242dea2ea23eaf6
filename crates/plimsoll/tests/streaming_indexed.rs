//! Chunks in any order: the order is learnt, read ahead while it holds, and never guessed.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdings_support::Yard;
use plimsoll::holding::Streaming;
use plimsoll::holding::streaming::{Indexed, Source, StreamError};
use plimsoll::{Bytes, Place};

const CHUNK: Bytes = Bytes::kib(4);
const CHUNKS: u64 = 200;

/// Chunk `i` is filled with `i`; reads are counted, and one chunk may be bad.
#[derive(Default)]
struct Numbers {
    reads: AtomicU64,
    bad: Option<u64>,
    panics: bool,
}

impl Source for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }
    fn bytes_now(&self) -> io::Result<u64> {
        Ok(CHUNKS * CHUNK.get() - 100)
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let index = offset / CHUNK.get();
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.bad == Some(index) {
            assert!(!self.panics, "bad chunk");
            return Err(io::Error::other("bad chunk"));
        }
        into.fill(index.to_le_bytes()[0]);
        Ok(into.len())
    }
}

fn open(yard: &Yard, slots: usize, source: Arc<Numbers>) -> Indexed {
    let streaming = Streaming::open(&yard.work(), "i").slots(slots).stall(Duration::from_millis(20));
    streaming.source(source).unwrap().indexed(CHUNK).unwrap()
}

#[track_caller]
fn check(indexed: &Indexed, index: u64) {
    let page = indexed.at(index).unwrap();
    let expected = if index == CHUNKS - 1 { CHUNK.get() - 100 } else { CHUNK.get() };
    assert_eq!(page.len() as u64, expected);
    assert!(page.iter().all(|&byte| byte == index.to_le_bytes()[0]), "chunk {index} holds another's bytes");
}

fn run(
    accesses: impl Iterator<Item = u64>,
    slots: usize,
) -> (plimsoll::holding::streaming::IndexedStats, u64) {
    let yard = Yard::of(Bytes::mib(1));
    let source = Arc::new(Numbers::default());
    let indexed = open(&yard, slots, Arc::clone(&source));
    for index in accesses {
        check(&indexed, index);
        assert!(yard.charged("work").get() <= slots as u64 * CHUNK.get());
    }
    let stats = indexed.stats();
    drop(indexed);
    yard.balances_to_zero(&["work"]);
    (stats, source.reads.load(Ordering::SeqCst))
}

#[test]
fn scans_and_strides_are_read_ahead() {
    let orders: [Box<dyn Iterator<Item = u64>>; 3] =
        [Box::new(0..CHUNKS), Box::new((0..CHUNKS).rev()), Box::new((0..CHUNKS).step_by(3))];
    for order in orders {
        let (stats, reads) = run(order, 6);
        assert_eq!(stats.mispredicted, 0, "{stats:?}");
        assert!(stats.predicted > 60, "{stats:?}");
        // How often the reader is quick enough is a matter of time; that nothing is read twice is not.
        assert_eq!(stats.hits + stats.waits + stats.misses, stats.predicted + 4);
        assert!(reads <= stats.predicted + 4 + 6, "{reads} reads, {stats:?}");
    }
}

#[test]
fn a_cycle_is_kept_as_far_as_it_fits() {
    let round = [3, 90, 14, 2, 77, 41, 5, 60];
    let (stats, reads) = run(round.into_iter().cycle().take(8 * 50), 8);
    assert_eq!(stats.mispredicted, 0);
    assert_eq!(reads, 8, "what fits is read once: {stats:?}");
}

#[test]
fn a_cycle_read_one_ahead_keeps_all_but_two_slots() {
    let yard = Yard::of(Bytes::mib(1));
    let source = Arc::new(Numbers::default());
    let streaming = Streaming::open(&yard.work(), "i").slots(12).ahead(1);
    let indexed = streaming.source(Arc::clone(&source) as Arc<dyn Source>).unwrap().indexed(CHUNK).unwrap();
    let rounds = |count: u64| (0..count * 20).for_each(|at| check(&indexed, at % 20));
    rounds(3);
    let before = source.reads.load(Ordering::SeqCst);
    rounds(10);
    // One slot is in use and one is read into: ten chunks stay, and the other ten are read in every round. Where the reader
    // was not quick enough, nothing is read ahead, and one or two more stay.
    let each = (source.reads.load(Ordering::SeqCst) - before) / 10;
    assert!((8..=11).contains(&each), "{each} of 20, {:?}", indexed.stats());
}

#[test]
fn a_random_order_reads_only_what_was_asked_for() {
    let mut seed = 5_u64;
    let random = std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % CHUNKS
    });
    let (stats, reads) = run(random.take(2_000), 6);
    assert!(stats.read_ahead < 40, "{stats:?}");
    assert!(reads <= stats.misses + stats.read_ahead);
}

#[test]
fn a_page_stays_while_it_is_held() {
    let yard = Yard::of(Bytes::kib(16));
    let indexed = open(&yard, 4, Arc::default());
    let first = indexed.at(7).unwrap();
    for index in 100..150 {
        check(&indexed, index);
    }
    assert!(first.iter().all(|&byte| byte == 7));
    let held: Vec<_> = [8, 9, 10].map(|index| indexed.at(index).unwrap()).into();
    let error = indexed.at(11).unwrap_err();
    assert!(matches!(error, StreamError::AllHeld { slots: 4, .. }), "{error}");
    drop(held);
    check(&indexed, 11);
    drop(indexed);
    assert_eq!(yard.charged("work"), CHUNK, "the page outlives the reader");
    assert!(first.iter().all(|&byte| byte == 7));
    drop(first);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn it_shrinks_to_two_chunks_and_works_on() {
    let yard = Yard::of(Bytes::kib(32));
    let indexed = open(&yard, 8, Arc::default());
    for index in 0..20 {
        check(&indexed, index);
    }
    let account = yard.governor.account("work").unwrap();
    let seat = account.reserve(Place::Host, Bytes::kib(24)).now().unwrap();
    for index in (20..60).chain([7, 150, 3]) {
        check(&indexed, index);
    }
    drop((seat, indexed));
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_bad_chunk_is_told_to_whoever_asks_for_it() {
    let yard = Yard::of(Bytes::kib(64));
    let source = Numbers { bad: Some(12), ..Numbers::default() };
    let indexed = open(&yard, 4, Arc::new(source));
    for index in 0..30 {
        if index == 12 {
            assert!(matches!(indexed.at(12), Err(StreamError::Read { .. })));
        } else {
            check(&indexed, index);
        }
    }
    assert!(matches!(indexed.at(CHUNKS), Err(StreamError::NoSuchChunk { .. })));
    drop(indexed);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_panicking_source_leaves_nobody_waiting() {
    let yard = Yard::of(Bytes::kib(64));
    let source = Numbers { bad: Some(12), panics: true, ..Numbers::default() };
    let indexed = open(&yard, 4, Arc::new(source));
    for index in 0..12 {
        check(&indexed, index);
    }
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| indexed.at(12).map(drop)));
    assert!(asked.is_err(), "a panic in the source is the caller's");
    for index in 13..30 {
        check(&indexed, index);
    }
    drop(indexed);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn several_threads_may_share_it() {
    let yard = Yard::of(Bytes::kib(64));
    let indexed = open(&yard, 8, Arc::default());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let indexed = &indexed;
            scope.spawn(move || {
                for step in 0..300 {
                    check(indexed, (thread * 37 + step * (thread + 1)) % CHUNKS);
                }
            });
        }
    });
    drop(indexed);
    yard.balances_to_zero(&["work"]);
}
