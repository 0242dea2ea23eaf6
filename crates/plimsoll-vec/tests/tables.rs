//! Parquet and Arrow files as vectors: every kind of list, packed in every way, chosen by name, within a budget, and what is
//! wrong with them.
#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, ListBuilder};
use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int8Type, UInt8Type};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Int64Array, LargeListArray, ListArray, PrimitiveArray, RecordBatch,
    StringArray, UInt32Array,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{DataType, Field};
use bed::{account, npy, vectors};
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use plimsoll::{Bytes, Engine};
use plimsoll_vec::index::{Index, Lists, Probe, Search, Shape, VecError};
use plimsoll_vec::input::{Input, InputError, Origin};
use plimsoll_vec::{Codec, Metric};

const ROWS: usize = 50;
const DIMENSION: usize = 4;

/// Whole numbers, which any kind of number can be.
fn whole() -> Vec<f32> {
    (0_u8..200).map(|n| f32::from(n % 120)).collect()
}

#[derive(Clone, Copy, Debug)]
enum List {
    Fixed,
    Small,
    Large,
}

/// Numbers as a column of lists of a kind.
fn lists(list: List, numbers: ArrayRef) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(numbers.data_type().clone(), true));
    let rows = numbers.len() / DIMENSION;
    match list {
        List::Fixed => Arc::new(FixedSizeListArray::new(field, 4, numbers, None)),
        List::Small => {
            let offsets = arrow_buffer::OffsetBuffer::from_lengths(std::iter::repeat_n(DIMENSION, rows));
            Arc::new(ListArray::new(field, offsets, numbers, None))
        }
        List::Large => {
            let offsets = arrow_buffer::OffsetBuffer::from_lengths(std::iter::repeat_n(DIMENSION, rows));
            Arc::new(LargeListArray::new(field, offsets, numbers, None))
        }
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A Parquet file in row groups of 20 and pages of 7 rows.
fn parquet(path: &Path, batch: &RecordBatch, compression: Compression) {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(20))
        .set_data_page_row_count_limit(7)
        .set_write_batch_size(7)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// An Arrow file in batches of 20 rows.
fn arrow(path: &Path, batch: &RecordBatch, compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer =
        FileWriter::try_new_with_options(File::create(path).unwrap(), &batch.schema(), options).unwrap();
    for from in (0..batch.num_rows()).step_by(20) {
        writer.write(&batch.slice(from, 20.min(batch.num_rows() - from))).unwrap();
    }
    writer.finish().unwrap();
}

fn all<'o>(origin: impl Into<Origin<'o>>, chunk: u64) -> Result<(Vec<f32>, Vec<u64>), InputError> {
    let engine = Engine::in_memory(Bytes::mib(16), "vec").unwrap();
    let streaming = engine.streaming("vec").unwrap();
    let mut input = Input::open(origin, &streaming, Bytes::new(chunk))?;
    let dimension = input.facts().dimension;
    let (mut vectors, mut ids) = (Vec::new(), Vec::new());
    let mut part = vec![0.0; dimension * 3];
    loop {
        let count = input.read(&mut part, &mut ids)?;
        if count == 0 {
            assert_eq!(input.facts().rows, Some((vectors.len() / dimension) as u64));
            return Ok((vectors, ids));
        }
        vectors.extend_from_slice(&part[..count * dimension]);
    }
}

fn of<T: arrow_array::ArrowPrimitiveType>(numbers: impl Iterator<Item = T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values(numbers))
}

#[test]
fn every_kind_of_list_gives_the_same_vectors_however_it_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    let floats = whole();
    let bytes = || (0_u8..200).map(|n| n % 120);
    let kinds: [ArrayRef; 5] = [
        of::<Float32Type>(floats.iter().copied()),
        of::<Float64Type>(floats.iter().map(|n| f64::from(*n))),
        of::<Float16Type>(floats.iter().map(|n| f16::from_f32(*n))),
        of::<UInt8Type>(bytes()),
        of::<Int8Type>(bytes().map(u8::cast_signed)),
    ];
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|n| format!("document {n}"))));
    let ids: ArrayRef = Arc::new(UInt32Array::from_iter_values((0..).take(ROWS).map(|n| n * 3 + 1)));
    let wanted: Vec<u64> = (0..ROWS as u64).map(|n| n * 3 + 1).collect();
    for list in [List::Fixed, List::Small, List::Large] {
        for numbers in &kinds {
            let vectors = lists(list, Arc::clone(numbers));
            let what = format!("{list:?} of {}", numbers.data_type());
            let with = batch(vec![("text", text.clone()), ("vector", vectors.clone()), ("id", ids.clone())]);
            let without = batch(vec![("v", vectors), ("text", text.clone())]);
            let mut files: Vec<(PathBuf, bool)> = Vec::new();
            let zstd = Compression::ZSTD(ZstdLevel::default());
            for (at, packed) in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW, zstd]
                .into_iter()
                .enumerate()
            {
                for (batch, ids) in [(&with, true), (&without, false)] {
                    let path = folder.path().join(format!("{at}{ids}.parquet"));
                    parquet(&path, batch, packed);
                    files.push((path, ids));
                }
            }
            for (at, packed) in
                [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)].into_iter().enumerate()
            {
                for (batch, ids) in [(&with, true), (&without, false)] {
                    let path = folder.path().join(format!("{at}{ids}.arrow"));
                    arrow(&path, batch, packed);
                    files.push((path, ids));
                }
            }
            for (path, ids) in &files {
                for chunk in [1, 100, 1 << 20] {
                    let found = all(path, chunk).unwrap();
                    assert_eq!(found.0, floats, "{what} in {} by {chunk}", path.display());
                    assert_eq!(found.1, if *ids { wanted.clone() } else { Vec::new() }, "{what}");
                }
            }
        }
    }
}

#[test]
fn columns_are_chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let a = lists(List::Small, Arc::new(arrow_array::Float32Array::from(whole())));
    let b = lists(List::Fixed, Arc::new(arrow_array::Float32Array::from(vec![7.0; 200])));
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((0..).take(ROWS).map(|n| n + 500)));
    let table = batch(vec![("key", keys), ("a", a), ("b", b)]);
    for path in ["t.parquet", "t.feather"].map(|name| folder.path().join(name)) {
        if path.extension().unwrap() == "parquet" {
            parquet(&path, &table, Compression::SNAPPY);
        } else {
            arrow(&path, &table, None);
        }
        let origin = Origin::from(&path);
        let (vectors, ids) = all(Origin { vector: Some("b"), id: Some("key"), ..origin }, 64).unwrap();
        assert_eq!((vectors, ids), (vec![7.0; 200], (500..550).collect()));
        let (vectors, ids) = all(Origin { vector: Some("a"), ..origin }, 64).unwrap();
        assert_eq!((vectors, ids), (whole(), Vec::new()));
        let said = all(origin, 64).unwrap_err().to_string();
        assert!(said.contains("several") && said.contains("key (Int64)") && said.contains("b ("), "{said}");
        let said = all(Origin { vector: Some("c"), ..origin }, 64).unwrap_err().to_string();
        assert!(said.contains("no column \"c\"") && said.contains("--vector-column"), "{said}");
    }
    let path = npy(folder.path(), "a.npy", &whole(), DIMENSION);
    let said = all(Origin { vector: Some("a"), ..Origin::from(&path) }, 64).unwrap_err().to_string();
    assert!(said.contains("no columns"), "{said}");
}

#[test]
fn what_is_wrong_with_a_row_is_said_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    // Row 30 has what is wrong.
    let list = |odd: Option<Vec<Option<f32>>>| -> ArrayRef {
        let mut rows = ListBuilder::new(Float32Builder::new());
        for row in 0..ROWS {
            match &odd {
                _ if row != 30 => rows.append_value([Some(1.0); DIMENSION]),
                Some(odd) => rows.append_value(odd.clone()),
                None => rows.append_null(),
            }
        }
        Arc::new(rows.finish())
    };
    let mut fixed = FixedSizeListBuilder::new(Float32Builder::new(), 4);
    for row in 0..ROWS {
        fixed.values().append_slice(&[1.0; DIMENSION]);
        fixed.append(row != 30);
    }
    let ids = |odd: Option<i64>| -> ArrayRef {
        let ids = (0..50).map(|row| if row == 30 { odd } else { Some(row) });
        Arc::new(ids.collect::<Int64Array>())
    };
    let good = || list(Some(vec![Some(1.0); DIMENSION]));
    let lacking = vec![Some(1.0), None, Some(1.0), Some(1.0)];
    // Five and three, so that the sum is that of equal lengths.
    let mut ragged = ListBuilder::new(Float32Builder::new());
    for row in 0..ROWS {
        let length = match row {
            30 => 5,
            31 => 3,
            _ => 4,
        };
        ragged.append_value(vec![Some(1.0); length]);
    }
    for (number, (columns, said)) in [
        (vec![("vector", list(None))], "row 30"),
        (vec![("vector", Arc::new(fixed.finish()) as ArrayRef)], "row 30"),
        (vec![("vector", list(Some(lacking)))], "lacks a number"),
        (vec![("vector", Arc::new(ragged.finish()) as ArrayRef)], "vector 30"),
        (vec![("vector", list(Some(vec![Some(1.0); 3])))], "not equally long"),
        (vec![("vector", good()), ("id", ids(Some(-1)))], "no id"),
        (vec![("vector", good()), ("id", ids(None))], "row 30"),
    ]
    .into_iter()
    .enumerate()
    {
        let table = batch(columns);
        let path = folder.path().join("t.parquet");
        parquet(&path, &table, Compression::SNAPPY);
        let error = all(&path, 256).err().map(|error| error.to_string()).unwrap_or_default();
        // A null list is no number less in Parquet: its place is counted.
        assert!(error.contains(said) || number == 4 && error.contains("vector 30"), "{number}: {error}");
        let path = folder.path().join("t.arrow");
        arrow(&path, &table, None);
        let error = all(&path, 256).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(said) || matches!(number, 0 | 4) && error.contains('3'), "{number}: {error}");
    }
    let table = batch(vec![("n", ids(Some(5)))]);
    let path = folder.path().join("t.parquet");
    parquet(&path, &table, Compression::SNAPPY);
    assert!(all(&path, 256).unwrap_err().to_string().contains("n (Int64)"));
}

#[test]
fn a_file_that_is_cut_or_something_else_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = lists(List::Fixed, Arc::new(arrow_array::Float32Array::from(whole())));
    let table = batch(vec![("vector", vectors)]);
    for name in ["t.parquet", "t.arrow"] {
        let path = folder.path().join(name);
        if name.ends_with("parquet") {
            parquet(&path, &table, Compression::SNAPPY);
        } else {
            arrow(&path, &table, Some(CompressionType::LZ4_FRAME));
        }
        let whole = std::fs::read(&path).unwrap();
        for cut in (0..whole.len()).step_by(37).chain([whole.len() - 1]) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(all(&path, 256), Err(InputError::Table { .. })), "{name} cut at {cut}");
        }
        // What is changed is an error or other numbers, and never a panic.
        for at in (0..whole.len()).step_by(11) {
            let mut other = whole.clone();
            other[at] ^= 0x55;
            std::fs::write(&path, &other).unwrap();
            let _ = all(&path, 256);
        }
        std::fs::write(&path, b"hello, this is something else").unwrap();
        assert!(matches!(all(&path, 256), Err(InputError::Table { .. })));
    }
    assert!(matches!(all(&folder.path().join("none.parquet"), 64), Err(InputError::Read { .. })));
}

/// A Parquet file of one row group with small pages.
fn large(folder: &Path, rows: &[f32], dimension: usize) -> PathBuf {
    let path = folder.join("rows.parquet");
    let numbers: ArrayRef = Arc::new(arrow_array::Float32Array::from(rows.to_vec()));
    let field = Arc::new(Field::new_list_field(DataType::Float32, true));
    let size = i32::try_from(dimension).unwrap();
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(field, size, numbers, None));
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(64 << 10)
        .set_write_batch_size(1024)
        .build();
    let table = batch(vec![("vector", vectors)]);
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), table.schema(), Some(properties)).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    path
}

#[test]
fn a_row_group_larger_than_the_budget_is_built_from_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let dimension = 48;
    let rows = vectors(9, 40_000 * dimension);
    let (table, plain) =
        (large(folder.path(), &rows, dimension), npy(folder.path(), "rows.npy", &rows, dimension));
    // The row group has 7.7 MB.
    let budget = Bytes::mib(3);
    for lists in [None, Some(Lists::Count(8))] {
        let shape = Shape {
            dimension,
            metric: Metric::L2,
            codec: Codec::Int8,
            originals: true,
            lists,
            reduced: None,
        };
        let answers = [&table, &plain].map(|file| {
            let home = folder.path().join("index");
            let index = Index::create(&home, shape, &account(budget)).unwrap();
            let report = index.build(file, None, |_| {}).unwrap();
            assert!(report.peak <= budget && report.peak <= report.predicted, "{report:?} in {budget}");
            let wanted = Search { probe: Probe::All, ..Search::nearest(5) };
            let answer = index.search(&rows[..dimension * 20], &wanted).unwrap();
            drop(index);
            std::fs::remove_dir_all(&home).unwrap();
            (answer.ids, answer.distances)
        });
        assert_eq!(answers[0], answers[1], "{lists:?}");
    }
    let shape = Shape {
        dimension,
        metric: Metric::L2,
        codec: Codec::Int8,
        originals: true,
        lists: None,
        reduced: None,
    };
    let home = folder.path().join("index");
    drop(Index::create(&home, shape, &account(budget)).unwrap());
    let mut memory = Bytes::kib(300);
    let mut refused = 0;
    loop {
        let index = Index::open_to_write(&home, &account(memory)).unwrap();
        match index.build(&table, None, |_| {}) {
            // First what decoding takes, then what building takes with it.
            Err(VecError::Budget { needed, .. }) if refused < 2 && needed > memory => memory = needed,
            built => {
                assert!(built.unwrap().peak <= memory);
                break;
            }
        }
        refused += 1;
    }
    assert!(refused > 0);
}
