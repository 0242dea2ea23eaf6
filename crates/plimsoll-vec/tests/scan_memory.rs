//! Queries and lists take what was said before, to the byte, and a scan takes nothing; decoding a table takes no more than was
//! said.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

use std::alloc::{GlobalAlloc, Layout as Wanted, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use plimsoll_vec::{BLOCK_ROWS, Codebooks, Codec, Coder, Layout, Metric, Queries, Tops, scan};

/// Counts what the thread that asks has allocated, and the most of it.
struct Counting;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

/// The same of all threads.
static ALL: AtomicI64 = AtomicI64::new(0);
static ALL_MOST: AtomicI64 = AtomicI64::new(0);
/// One test at a time, so that what all threads have is its own.
static TURN: Mutex<()> = Mutex::new(());

fn add(bytes: i64) {
    NOW.set(NOW.get() + bytes);
    MOST.set(MOST.get().max(NOW.get()));
    let all = ALL.fetch_add(bytes, Ordering::Relaxed) + bytes;
    ALL_MOST.fetch_max(all, Ordering::Relaxed);
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
    let _turn = TURN.lock();
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

#[cfg(feature = "arrow")]
#[test]
fn decoding_a_table_takes_no_more_than_was_said() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, ListArray, RecordBatch};
    use arrow_schema::{DataType, Field};
    use plimsoll::{Bytes, Engine};
    use plimsoll_vec::input::Input;

    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    let (rows, dimension) = (20_000, 96);
    let number = |at: usize| f32::from(u16::try_from(at * 7919 % 40_009).unwrap()) - 500.5;
    let field = Arc::new(Field::new_list_field(DataType::Float32, true));
    for (fixed, page, packed, dictionary) in
        [(true, 1 << 20, false, false), (false, 1 << 20, true, true), (false, 1 << 18, true, false)]
    {
        let path = folder.path().join("rows.parquet");
        let numbers: ArrayRef = Arc::new(Float32Array::from_iter_values((0..rows * dimension).map(number)));
        let vectors: ArrayRef = if fixed {
            Arc::new(FixedSizeListArray::new(Arc::clone(&field), 96, numbers, None))
        } else {
            let lengths = std::iter::repeat_n(dimension, rows);
            Arc::new(ListArray::new(
                Arc::clone(&field),
                arrow_buffer::OffsetBuffer::from_lengths(lengths),
                numbers,
                None,
            ))
        };
        let table = RecordBatch::try_from_iter([("vector", vectors)]).unwrap();
        let packing = parquet::basic::Compression::SNAPPY;
        let properties = parquet::file::properties::WriterProperties::builder()
            .set_compression(if packed { packing } else { parquet::basic::Compression::UNCOMPRESSED })
            .set_dictionary_enabled(dictionary)
            .set_data_page_size_limit(page)
            .build();
        let file = std::fs::File::create(&path).unwrap();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(file, table.schema(), Some(properties)).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
        drop(table);

        let engine = Engine::in_memory(Bytes::mib(64), "vec").unwrap();
        let streaming = engine.streaming("vec").unwrap();
        let mut part = vec![0.0; 64 * dimension];
        let before = ALL.load(Ordering::Relaxed);
        ALL_MOST.store(before, Ordering::Relaxed);
        let chunk = 64 << 10;
        let mut input = Input::open(&path, &streaming, Bytes::new(chunk)).unwrap();
        while input.read(&mut part, &mut Vec::new()).unwrap() > 0 {}
        let took = ALL_MOST.load(Ordering::Relaxed) - before;
        let beside = input.facts().beside.get();
        let said = i64::try_from(beside + chunk * 4 + (64 << 10)).unwrap();
        assert!(took <= said, "{took} taken and {said} said: fixed {fixed}, page {page}, {dictionary}");
        // And it is no wild guess.
        assert!(took * 4 > said, "{took} taken and {said} said: fixed {fixed}, page {page}, {dictionary}");
    }
}
