//! Queries and lists take what was said before, to the byte, and a scan takes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

use std::alloc::{GlobalAlloc, Layout as Wanted, System};
use std::cell::Cell;
use std::sync::Arc;

use plimsoll_vec::{BLOCK_ROWS, Codebooks, Codec, Coder, Layout, Metric, Queries, Tops, scan};

/// Counts what the thread that asks has allocated, and the most of it.
struct Counting;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn add(bytes: i64) {
    NOW.set(NOW.get() + bytes);
    MOST.set(MOST.get().max(NOW.get()));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches two numbers of the thread, which need no
// allocation and no end.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, wanted: Wanted) -> *mut u8 {
        add(wanted.size().cast_signed() as i64);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(wanted) }
    }

    unsafe fn dealloc(&self, at: *mut u8, wanted: Wanted) {
        add(-(wanted.size().cast_signed() as i64));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, wanted) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What it held at most on the way.
fn most<T>(run: impl FnOnce() -> T) -> (T, i64) {
    let before = NOW.get();
    MOST.set(before);
    let result = run();
    (result, MOST.get() - before)
}

#[test]
fn what_is_taken_was_said_before() {
    for codec in Codec::ALL {
        for metric in Metric::ALL.into_iter().filter(|metric| codec.serves(*metric)) {
            for (dimension, count, k) in [(1, 1, 1), (17, 5, 3), (100, 6, 10), (769, 33, 100)] {
                let rows = 130;
                let number = |at: usize| f32::from(u16::try_from(at * 7919 % 1000).unwrap()) - 500.5;
                let vectors: Vec<f32> = (0..rows * dimension).map(number).collect();
                let asked: Vec<f32> = (0..count * dimension).map(|at| number(at + 3)).collect();
                let mut blocks =
                    vec![0; rows.div_ceil(BLOCK_ROWS) * Layout::new(codec, dimension).block_bytes()];
                let books = codec
                    .group()
                    .map(|_| Arc::new(Codebooks::train(codec, metric, dimension, vectors.clone()).unwrap()));
                let coder = Coder::with_books(codec, metric, dimension, books.clone()).unwrap();
                coder.encode(&vectors, 0, &mut blocks).unwrap();
                let made =
                    || Queries::with_books(codec, metric, dimension, books.as_deref(), &asked).unwrap();
                let what = format!("{codec} {metric} {dimension} {count} {k}");
                let said = |bytes: plimsoll_device::Bytes| i64::try_from(bytes.get()).unwrap();
                let (queries, held) = most(made);
                assert_eq!(
                    held,
                    said(Queries::bytes_for(codec, metric, dimension, count)),
                    "{what}: queries"
                );
                let (mut tops, held) = most(|| Tops::new(&queries, k).unwrap());
                assert_eq!(held, said(Tops::bytes_for(codec, metric, dimension, count, k)), "{what}: lists");
                let ((), held) = most(|| scan(&queries, &blocks, rows, 0, None, &mut tops));
                assert_eq!(held, 0, "{what}: scan");
                assert_eq!(tops.hits(0).len(), k.min(rows), "{what}");
            }
        }
    }
}
