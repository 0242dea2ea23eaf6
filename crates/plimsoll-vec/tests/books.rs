//! An index whose codec is learnt: at its first build, once, and kept beside the codes.
#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

mod bed;

use std::path::{Path, PathBuf};

use bed::{account, npy, vectors};
use plimsoll::Bytes;
use plimsoll_vec::column::ColumnError;
use plimsoll_vec::index::{Index, Lists, Probe, Search, Shape, VecError};
use plimsoll_vec::{CodeError, Codec, Metric};

const DIMENSION: usize = 48;

fn shape(codec: Codec) -> Shape {
    Shape { dimension: DIMENSION, metric: Metric::Cosine, codec, originals: true, lists: None, reduced: None }
}

fn books(home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "books")).collect()
}

#[test]
fn books_are_learnt_once_and_serve_whatever_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(1, 3000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let home = folder.path().join("index");
    let index = Index::create(&home, shape(Codec::Pq2), &account(Bytes::mib(32))).unwrap();
    // Rows are found as soon as they are added, so there must be a code for them.
    let refused = index.add(&rows[..DIMENSION], None).unwrap_err();
    assert!(matches!(refused, VecError::Code(CodeError::Untrained { codec: Codec::Pq2 })), "{refused}");
    assert_eq!(index.facts().disk, Bytes::ZERO, "what was refused is not in the log");
    let report = index.build(&file, None, |_| {}).unwrap();
    assert!(report.peak <= report.predicted, "{} and {} predicted", report.peak, report.predicted);
    let kept = std::fs::read(&books(&home)[0]).unwrap();
    assert_eq!(kept.len(), 4096 + 64 * DIMENSION + 8);
    index.add(&rows[..2 * DIMENSION], None).unwrap();
    index.build(&file, None, |_| {}).unwrap();
    let search = Search { again: 40, ..Search::nearest(2) };
    let before = index.search(&rows[7 * DIMENSION..8 * DIMENSION], &search).unwrap();
    assert_eq!(before.ids, [7, 3009], "a vector and its twin of the second build");
    drop(index);
    let index = Index::open_to_write(&home, &account(Bytes::mib(32))).unwrap();
    assert_eq!(index.search(&rows[7 * DIMENSION..8 * DIMENSION], &search).unwrap().ids, before.ids);
    index.add(&rows[..DIMENSION], None).unwrap();
    drop(index);
    // What is young is coded anew from the log.
    let index = Index::open(&home, &account(Bytes::mib(32))).unwrap();
    assert_eq!(index.facts().vectors, 6003);
    assert_eq!(books(&home).len(), 1);
    assert_eq!(std::fs::read(&books(&home)[0]).unwrap(), kept, "the same books ever after");
}

#[test]
fn books_that_are_damaged_cut_or_gone_are_told_and_those_of_nobody_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let file = npy(folder.path(), "rows.npy", &vectors(2, 700 * DIMENSION), DIMENSION);
    let home = folder.path().join("index");
    let index = Index::create(&home, shape(Codec::Pq4), &account(Bytes::mib(32))).unwrap();
    index.build(&file, None, |_| {}).unwrap();
    drop(index);
    let path = books(&home).remove(0);
    let kept = std::fs::read(&path).unwrap();
    let open = || Index::open(&home, &account(Bytes::mib(32))).unwrap_err();
    let mut bytes = kept.clone();
    bytes[4096 + 100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(), VecError::Column(ColumnError::Damaged { unit: 0, .. })));
    std::fs::write(&path, &kept[..kept.len() - 1]).unwrap();
    assert!(matches!(open(), VecError::Column(ColumnError::Cut { .. })));
    std::fs::remove_file(&path).unwrap();
    let error = open().to_string();
    assert!(error.contains(".books could not be read"), "{error}");
    std::fs::write(&path, &kept).unwrap();
    let left = home.join("0000000099.books");
    std::fs::write(&left, b"half").unwrap();
    drop(Index::open_to_write(&home, &account(Bytes::mib(32))).unwrap());
    assert!(!left.exists() && path.exists());
}

#[test]
fn learning_stays_within_a_tenth_of_the_raw_data_or_says_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(3, 20_000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let budget = Bytes::new((rows.len() * 4) as u64 / 10);
    let index = Index::create(&folder.path().join("a"), shape(Codec::Pq8), &account(budget)).unwrap();
    let report = index.build(&file, None, |_| {}).unwrap();
    assert_eq!(report.vectors, 20_000);
    assert!(report.peak <= budget && report.peak <= report.predicted, "{report:?} in {budget}");
    let home = folder.path().join("b");
    let index = Index::create(&home, shape(Codec::Pq8), &account(Bytes::kib(40))).unwrap();
    let refused = index.build(&file, None, |_| {}).unwrap_err();
    let VecError::Budget { needed, .. } = refused else { panic!("{refused}") };
    drop(index);
    let index = Index::open_to_write(&home, &account(needed)).unwrap();
    assert!(index.build(&file, None, |_| {}).unwrap().peak <= needed);
}

#[test]
fn a_build_that_fails_teaches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(4, 2000 * DIMENSION);
    let good = npy(folder.path(), "good.npy", &rows, DIMENSION);
    let bad = npy(folder.path(), "bad.npy", &vectors(5, 2000 * DIMENSION), DIMENSION);
    let built = |first: Option<&Path>, name: &str| {
        let home = folder.path().join(name);
        let index = Index::create(&home, shape(Codec::Pq2), &account(Bytes::mib(32))).unwrap();
        if let Some(first) = first {
            // Ids are looked at when everything is learnt and coded.
            let error = index.build(first, Some(vec![7; 2000]), |_| {}).unwrap_err();
            assert!(matches!(error, VecError::Duplicate { id: 7 }), "{error}");
            assert!(books(&home).is_empty() && index.facts().vectors == 0);
        }
        index.build(&good, None, |_| {}).unwrap();
        std::fs::read(&books(&home)[0]).unwrap()
    };
    assert!(built(Some(&bad), "a") == built(None, "b"), "words of a file that was refused");
}

#[test]
fn lists_of_words_find_what_a_flat_index_finds() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(6, 4000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let asked = vectors(7, 20 * DIMENSION);
    let mut found = Vec::new();
    for lists in [None, Some(Lists::Count(40))] {
        let home = folder.path().join(format!("{}", lists.is_some()));
        let shape = Shape { lists, ..shape(Codec::Pq2) };
        let index = Index::create(&home, shape, &account(Bytes::mib(32))).unwrap();
        let report = index.build(&file, None, |_| {}).unwrap();
        assert!(report.peak <= report.predicted, "{} and {} predicted", report.peak, report.predicted);
        drop(index);
        let index = Index::open_to_write(&home, &account(Bytes::mib(32))).unwrap();
        index.add(&rows[..DIMENSION], None).unwrap();
        index.publish().unwrap();
        let search = Search { again: 60, probe: Probe::All, ..Search::nearest(5) };
        found.push(index.search(&asked, &search).unwrap().ids);
        // One query, and many, in a few lists.
        let few = Search { again: 60, probe: Probe::Lists(lists.map_or(1, |_| 20)), ..Search::nearest(5) };
        let all = index.search(&asked, &few).unwrap();
        for (query, vector) in asked.chunks(DIMENSION).enumerate() {
            let alone = index.search(vector, &few).unwrap();
            assert_eq!(alone.ids, all.ids[query * 5..(query + 1) * 5], "query {query}");
        }
    }
    assert_eq!(found[0], found[1]);
}

/// A code tells the square of a distance as a sum of three parts, which may come out below zero for a row next to its query.
#[test]
fn no_distance_is_told_below_zero() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(8, 900 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    for codec in [Codec::Pq2, Codec::Pq4, Codec::Planes, Codec::Int4] {
        let home = folder.path().join(codec.name());
        let shape = Shape { metric: Metric::L2, ..shape(codec) };
        let index = Index::create(&home, shape, &account(Bytes::mib(32))).unwrap();
        index.build(&file, None, |_| {}).unwrap();
        let answer = index.search(&rows, &Search::nearest(1)).unwrap();
        let told = &answer.distances;
        assert!(told.iter().all(|far| *far >= 0.0), "{codec}: {:?}", told.iter().find(|far| **far < 0.0));
        // Of many that are next to their query some would be.
        assert!(codec == Codec::Int4 || told.contains(&0.0), "{codec}");
    }
}
