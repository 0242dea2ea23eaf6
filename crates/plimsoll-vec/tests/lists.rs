//! An index that is divided into lists, in use: built in little memory, searched in few and in all of its lists, added to,
//! deleted from, filtered, damaged, and left behind by who was killed.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::path::{Path, PathBuf};

use bed::{account, distance, nearest, npy, vectors};
use plimsoll::Bytes;
use plimsoll_vec::index::{Answer, Index, Lists, NO_ID, Probe, Search, Shape, VecError};
use plimsoll_vec::{Codec, Metric};

const DIMENSION: usize = 24;

fn shape(codec: Codec, metric: Metric, lists: Option<Lists>) -> Shape {
    Shape { dimension: DIMENSION, metric, codec, originals: codec != Codec::F32, lists, reduced: None }
}

/// Vectors near one of so many corners.
fn grouped(seed: u64, rows: usize) -> Vec<f32> {
    bed::grouped(seed, rows, DIMENSION)
}

struct Built {
    _folder: tempfile::TempDir,
    home: PathBuf,
    rows: Vec<f32>,
}

/// An index of so many vectors that is closed again.
fn built(shape: Shape, rows: usize, memory: Bytes) -> Built {
    let folder = tempfile::tempdir().unwrap();
    let rows = grouped(1, rows * shape.dimension / DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, shape.dimension);
    let home = folder.path().join("index");
    let index = Index::create(&home, shape, &account(memory)).unwrap();
    let report = index.build(&file, None, |_| {}).unwrap();
    assert!(report.peak <= memory && report.peak <= report.predicted, "{report:?} in {memory}");
    Built { _folder: folder, home, rows }
}

fn search(k: usize, probe: Probe) -> Search {
    Search { probe, ..Search::nearest(k) }
}

fn bits(answer: &Answer) -> Vec<u32> {
    answer.distances.iter().map(|far| far.to_bits()).collect()
}

fn file_of(home: &Path, end: &str) -> PathBuf {
    let files = std::fs::read_dir(home).unwrap().flatten().map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|found| found == end)).unwrap()
}

#[test]
fn all_lists_have_the_flat_answer_to_the_bit() {
    let queries = grouped(2, 40);
    let codecs = [Codec::F32, Codec::F16, Codec::Int8, Codec::Int4, Codec::Planes, Codec::Binary];
    for (codec, metric) in codecs
        .map(|codec| (codec, Metric::L2))
        .into_iter()
        .chain([(Codec::F32, Metric::Ip), (Codec::Int8, Metric::Cosine)])
    {
        let flat = built(shape(codec, metric, None), 4000, Bytes::mib(64));
        let lists = built(shape(codec, metric, Some(Lists::Count(50))), 4000, Bytes::mib(64));
        let flat = Index::open(&flat.home, &account(Bytes::mib(64))).unwrap();
        let lists = Index::open(&lists.home, &account(Bytes::mib(64))).unwrap();
        let expected = flat.search(&queries, &search(10, Probe::Lists(3))).unwrap();
        assert_eq!(expected.forecast.lists, None, "a flat index has none to look into");
        for probe in [Probe::All, Probe::Lists(50), Probe::Recall(1.0)] {
            let found = lists.search(&queries, &search(10, probe)).unwrap();
            assert_eq!(
                (&found.ids, bits(&found)),
                (&expected.ids, bits(&expected)),
                "{codec} {metric} {probe:?}"
            );
        }
        // But for one list, whose vectors nobody here is near to, it is looked for list by list.
        let most = lists.search(&queries, &search(10, Probe::Lists(49))).unwrap();
        assert_eq!(most.forecast.lists.unwrap().lists, 49);
        assert_eq!((&most.ids, bits(&most)), (&expected.ids, bits(&expected)), "{codec} {metric}");
    }
}

#[test]
fn signs_are_divided_too() {
    let shape = shape(Codec::Binary, Metric::Hamming, Some(Lists::Count(16)));
    let built = built(shape, 3000, Bytes::mib(64));
    let index = Index::open(&built.home, &account(Bytes::mib(64))).unwrap();
    let found = index.search(&built.rows[..DIMENSION * 50], &search(1, Probe::Lists(2))).unwrap();
    assert!(found.distances.iter().all(|far| *far == 0.0), "each has itself or its like");
}

#[test]
fn few_lists_find_what_was_expected_of_them() {
    for (codec, metric, again) in
        [(Codec::F32, Metric::L2, 1), (Codec::Int4, Metric::Cosine, 4), (Codec::Int8, Metric::Ip, 2)]
    {
        let built = built(shape(codec, metric, Some(Lists::Auto)), 20_000, Bytes::mib(64));
        let index = Index::open(&built.home, &account(Bytes::mib(64))).unwrap();
        let facts = index.facts().lists.unwrap();
        assert_eq!(facts.count, 512);
        let queries = grouped(3, 200);
        let exact = index.search(&queries, &Search { again: 8, ..search(10, Probe::All) }).unwrap();
        let mut last = 0.0;
        for wanted in [0.5, 0.8, 0.95] {
            let how = Search { again, ..search(10, Probe::Recall(wanted)) };
            let found = index.search(&queries, &how).unwrap();
            let probed = found.forecast.lists.unwrap();
            let pairs = found.ids.chunks(10).zip(exact.ids.chunks(10));
            let right: usize =
                pairs.map(|(found, exact)| found.iter().filter(|id| exact.contains(id)).count()).sum();
            let recall = f64::from(u32::try_from(right).unwrap()) / 2000.0;
            let said = probed.recall().unwrap();
            assert!(said >= wanted && probed.lists < 512, "{codec} {metric}: {probed:?}");
            assert!(
                (recall - said).abs() < 0.08,
                "{codec} {metric}: {recall} of {said} with {}",
                probed.lists
            );
            assert!(recall >= last, "more lists find more");
            last = recall;
        }
    }
}

#[test]
fn threads_budgets_and_company_change_nothing() {
    for codec in [Codec::F32, Codec::Int4, Codec::Planes] {
        let built = built(shape(codec, Metric::L2, Some(Lists::Count(64))), 12_000, Bytes::mib(64));
        let queries = grouped(4, 60);
        let whole = Index::open(&built.home, &account(Bytes::mib(64))).unwrap();
        let how = |threads| Search { threads, ..search(10, Probe::Lists(6)) };
        let expected = whole.search(&queries, &how(1)).unwrap();
        assert_eq!(expected.forecast.passes, 0);
        let same = |found: &Answer, what: &str| {
            assert_eq!((&found.ids, bits(found)), (&expected.ids, bits(&expected)), "{codec}: {what}");
        };
        same(&whole.search(&queries, &how(3)).unwrap(), "threads");
        for (query, vector) in queries.chunks(DIMENSION).enumerate() {
            let alone = whole.search(vector, &how(2)).unwrap();
            assert_eq!(alone.ids, expected.ids[query * 10..][..10], "{codec}: query {query} alone");
        }
        let fixed = whole.facts().memory.get() - expected.forecast.kept.get();
        let codes = (12_000 * codec.row_bytes(DIMENSION)) as u64;
        let budget = Bytes::new(fixed + codes / 3 + (2 << 20));
        let index = Index::open(&built.home, &account(budget)).unwrap();
        let found = index.search(&queries, &how(2)).unwrap();
        assert!(found.measured.peak <= budget, "{codec}: {} of {budget}", found.measured.peak);
        same(&found, "a small budget");
        same(&index.search(&queries, &how(2)).unwrap(), "a small budget again");
    }
}

#[test]
fn lists_stream_in_and_each_is_read_once() {
    let built = built(shape(Codec::F32, Metric::L2, Some(Lists::Count(64))), 60_000, Bytes::mib(64));
    let whole = Index::open(&built.home, &account(Bytes::mib(64))).unwrap();
    let queries = grouped(5, 8);
    let how = Search { threads: 2, ..search(10, Probe::Lists(2)) };
    let expected = whole.search(&queries, &how).unwrap();
    // What one query takes, and a little for pieces that stay.
    let refused =
        Index::open(&built.home, &account(Bytes::kib(64))).unwrap().search(&queries, &how).unwrap_err();
    let VecError::Budget { needed, .. } = refused else { panic!("{refused}") };
    let budget = Bytes::new(needed.get() + (1 << 20));
    let index = Index::open(&built.home, &account(budget)).unwrap();
    for turn in 0..3 {
        let found = index.search(&queries, &how).unwrap();
        assert!(found.forecast.passes > 0 && found.forecast.streamed > Bytes::ZERO, "{:?}", found.forecast);
        assert_eq!((&found.ids, bits(&found)), (&expected.ids, bits(&expected)), "turn {turn}");
        assert!(found.measured.peak <= budget, "{} of {budget}", found.measured.peak);
        let all = 60_000 * DIMENSION as u64 * 4;
        assert!(found.measured.read.get() < all / 2, "{} read", found.measured.read);
    }
}

#[test]
fn a_tenth_of_the_raw_data_is_enough_to_build_in() {
    for codec in [Codec::F32, Codec::Int4] {
        // Of 192 numbers: what a vector takes beside them does not shrink with them.
        let (rows, wide) = (10_000, DIMENSION * 8);
        let shape = Shape { dimension: wide, ..shape(codec, Metric::L2, Some(Lists::Count(16))) };
        let memory = Bytes::new((rows * wide * 4) as u64 / 10);
        let small = built(shape, rows, memory);
        // The same with all in memory: another sample, so other lists, and the same vectors.
        let large = built(shape, rows, Bytes::mib(64));
        let queries = grouped(6, 40);
        let answers = [&small, &large].map(|built| {
            let index = Index::open(&built.home, &account(Bytes::mib(64))).unwrap();
            assert_eq!(index.facts().vectors, rows as u64);
            index.search(&queries, &search(10, Probe::All)).unwrap()
        });
        assert_eq!((&answers[0].ids, bits(&answers[0])), (&answers[1].ids, bits(&answers[1])), "{codec}");
        let parts = std::fs::read_dir(&small.home).unwrap().flatten();
        let left = parts.filter(|entry| entry.path().extension().is_some_and(|end| end == "part"));
        assert_eq!(left.count(), 0, "no vectors wait any more");
    }
}

#[test]
fn what_is_added_and_deleted_counts_at_once_and_after_a_restart() {
    let memory = || account(Bytes::mib(64));
    let built = built(shape(Codec::Int8, Metric::L2, Some(Lists::Count(32))), 3000, Bytes::mib(64));
    let index = Index::open_to_write(&built.home, &memory()).unwrap();
    let more = grouped(7, 500);
    let one = search(1, Probe::Lists(2));
    let ids = index.add(&more, None).unwrap();
    assert_eq!(ids, (3000..3500).collect::<Vec<u64>>());
    let own = |index: &Index, from: usize| {
        let found = index.search(&more[from * DIMENSION..], &one).unwrap();
        found.ids.iter().zip(&ids[from..]).filter(|(found, id)| found == id).count()
    };
    assert_eq!(own(&index, 0), 500, "young rows are always looked at");
    index.publish().unwrap();
    assert_eq!(own(&index, 0), 500, "each lies where it is looked for");
    assert_eq!(index.delete(&ids[..100]).unwrap(), 100);
    assert_eq!((own(&index, 0), own(&index, 100)), (400, 400));
    drop(index);
    let index = Index::open(&built.home, &memory()).unwrap();
    assert_eq!((own(&index, 0), own(&index, 100)), (400, 400));
    let facts = index.facts();
    assert_eq!((facts.vectors, facts.segments.len(), facts.dead), (3400, 2, 100));
    // Everything is where a search of all finds it.
    let among: Vec<(u64, Vec<f32>)> = (0..)
        .zip(built.rows.chunks(DIMENSION).chain(more.chunks(DIMENSION)).map(<[f32]>::to_vec))
        .filter(|(id, _)| !(3000..3100).contains(id))
        .collect();
    let query = grouped(8, 1);
    let exact: Vec<u64> = nearest(Metric::L2, &query, &among, 10).iter().map(|one| one.0).collect();
    let found = index.search(&query, &Search { again: 8, ..search(10, Probe::All) }).unwrap();
    assert_eq!(found.ids, exact);
}

#[test]
fn what_was_published_before_there_were_lists_is_always_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let shape = shape(Codec::F32, Metric::L2, Some(Lists::Count(8)));
    let index = Index::create(&home, shape, &account(Bytes::mib(64))).unwrap();
    let early = grouped(9, 100);
    index.add(&early, None).unwrap();
    index.publish().unwrap();
    assert_eq!(
        index.search(&early, &search(1, Probe::Lists(1))).unwrap().ids,
        (0..100).collect::<Vec<u64>>()
    );
    let file = npy(folder.path(), "rows.npy", &grouped(10, 900), DIMENSION);
    let report = index.build(&file, None, |_| {}).unwrap();
    assert_eq!((report.vectors, report.lists), (900, 8));
    assert_eq!(
        index.search(&early, &search(1, Probe::Lists(1))).unwrap().ids,
        (0..100).collect::<Vec<u64>>()
    );
    // A second file goes into the same lists.
    let file = npy(folder.path(), "rows.npy", &early, DIMENSION);
    let ids: Vec<u64> = (5000..5100).rev().collect();
    assert_eq!(index.build(&file, Some(ids.clone()), |_| {}).unwrap().lists, 8);
    assert_eq!(index.delete(&(0..100).collect::<Vec<u64>>()).unwrap(), 100);
    assert_eq!(index.search(&early, &search(1, Probe::Lists(1))).unwrap().ids, ids);
    assert!(matches!(index.build(&file, Some(ids), |_| {}), Err(VecError::Duplicate { .. })));
}

#[test]
fn a_filter_finds_what_it_allows_wherever_that_lies() {
    let built = built(shape(Codec::F32, Metric::L2, Some(Lists::Count(64))), 6000, Bytes::mib(64));
    let index = Index::open(&built.home, &account(Bytes::mib(64))).unwrap();
    let query = &built.rows[..DIMENSION];
    // Far away, in lists that nobody would look into.
    let among: Vec<(u64, Vec<f32>)> = (0..).zip(built.rows.chunks(DIMENSION).map(<[f32]>::to_vec)).collect();
    let far = nearest(Metric::L2, query, &among, 6000);
    let allow: Vec<u64> = far[5990..].iter().map(|one| one.0).collect();
    let how = Search { allow: Some(allow.clone()), ..search(3, Probe::Lists(5)) };
    let found = index.search(query, &how).unwrap();
    assert!(found.of(0).count() > 0, "lists without what is allowed are passed over");
    assert!(found.of(0).all(|(id, _)| allow.contains(&id)));
    let how = Search { allow: Some(allow.clone()), ..search(3, Probe::Lists(63)) };
    assert_eq!(index.search(query, &how).unwrap().ids, allow[..3]);
    let none = Search { allow: Some(vec![99_999]), ..search(2, Probe::Lists(5)) };
    assert_eq!(index.search(query, &none).unwrap().ids, [NO_ID, NO_ID]);
}

#[test]
fn one_vector_again_and_again_leaves_lists_empty_and_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let row = vectors(11, DIMENSION);
    for metric in [Metric::L2, Metric::Cosine] {
        let file = npy(folder.path(), "rows.npy", &row.repeat(700), DIMENSION);
        let home = folder.path().join(metric.name());
        let shape = shape(Codec::Int8, metric, Some(Lists::Count(9)));
        let index = Index::create(&home, shape, &account(Bytes::mib(16))).unwrap();
        index.build(&file, None, |_| {}).unwrap();
        let facts = index.facts().lists.unwrap();
        assert_eq!((facts.count, facts.empty, facts.largest), (9, 8, 700));
        // Ties go to the vector that came first.
        let found = index.search(&row, &search(5, Probe::Lists(1))).unwrap();
        assert_eq!(found.ids, [0, 1, 2, 3, 4], "{metric}");
    }
}

#[test]
fn what_cannot_be_is_said_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = grouped(12, 300);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let create = |name: &str, metric, lists, memory| {
        let shape = shape(Codec::Int8, metric, Some(lists));
        Index::create(&folder.path().join(name), shape, &account(memory))
    };
    let none = create("none", Metric::L2, Lists::Count(0), Bytes::mib(16));
    assert!(matches!(none, Err(VecError::NoLists(_))), "{none:?}");
    let index = create("many", Metric::L2, Lists::Count(301), Bytes::mib(16)).unwrap();
    let error = index.build(&file, None, |_| {}).unwrap_err();
    assert!(matches!(error, VecError::Lists { lists: 301, vectors: 300 }), "{error}");
    assert_eq!(index.facts().vectors, 0);
    drop(index);
    let index = create("all", Metric::L2, Lists::Count(300), Bytes::mib(16)).unwrap();
    assert_eq!(index.build(&file, None, |_| {}).unwrap().lists, 300);
    for probes in [0, 301] {
        let error = index.search(&rows[..DIMENSION], &search(1, Probe::Lists(probes))).unwrap_err();
        assert!(matches!(error, VecError::Probe { lists: 300, .. }), "{error}");
    }
    let error = index.search(&rows[..DIMENSION], &search(1, Probe::Recall(1.5))).unwrap_err();
    assert!(matches!(error, VecError::Recall { .. }), "{error}");

    // A vector of zeros, and one that is no number, among those that nobody drew.
    for (metric, bad) in [(Metric::Cosine, 0.0), (Metric::L2, f32::NAN)] {
        let mut rows = rows.clone();
        rows[DIMENSION * 123..][..DIMENSION].fill(bad);
        let file = npy(folder.path(), "bad.npy", &rows, DIMENSION);
        let index = create(&format!("{metric} {bad}"), metric, Lists::Count(4), Bytes::mib(16)).unwrap();
        let said = index.build(&file, None, |_| {}).unwrap_err().to_string();
        assert!(said.contains("vector 123"), "{said}");
        assert_eq!(index.facts().vectors, 0);
        let row = vec![bad; DIMENSION];
        let good = npy(folder.path(), "good.npy", &grouped(13, 300), DIMENSION);
        index.build(&good, None, |_| {}).unwrap();
        assert!(index.search(&row, &search(1, Probe::Lists(1))).is_err());
    }
}

#[test]
fn a_budget_too_small_to_learn_in_is_refused_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = npy(folder.path(), "rows.npy", &grouped(14, 20_000), DIMENSION);
    let home = folder.path().join("index");
    let shape = shape(Codec::Int8, Metric::L2, Some(Lists::Count(256)));
    let index = Index::create(&home, shape, &account(Bytes::kib(64))).unwrap();
    let mut refused = index.build(&file, None, |_| {}).unwrap_err();
    drop(index);
    // Learning is refused first, and dividing then.
    for _ in 0..3 {
        let VecError::Budget { needed, .. } = refused else { panic!("{refused}") };
        let index = Index::open_to_write(&home, &account(needed)).unwrap();
        match index.build(&file, None, |_| {}) {
            Ok(report) => {
                assert!(report.peak <= needed, "{report:?} in {needed}");
                assert_eq!(index.facts().vectors, 20_000);
                return;
            }
            Err(error) => refused = error,
        }
    }
    panic!("what was asked for does not do: {refused}");
}

#[test]
fn damage_of_middles_and_of_lists_is_seen() {
    let built = built(shape(Codec::Int8, Metric::L2, Some(Lists::Count(16))), 1000, Bytes::mib(16));
    for end in ["centroids", "lists"] {
        let path = file_of(&built.home, end);
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let at = bytes.len() - 5;
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let said = Index::open(&built.home, &account(Bytes::mib(16))).unwrap_err().to_string();
        assert!(said.contains("damaged") && said.contains(end), "{said}");
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let said = Index::open(&built.home, &account(Bytes::mib(16))).unwrap_err().to_string();
        assert!(said.contains("is cut"), "{said}");
        std::fs::remove_file(&path).unwrap();
        assert!(Index::open(&built.home, &account(Bytes::mib(16))).is_err());
        std::fs::write(&path, &whole).unwrap();
    }
    let index = Index::open(&built.home, &account(Bytes::mib(16))).unwrap();
    assert_eq!(index.facts().vectors, 1000);
}

#[test]
fn what_the_killed_left_behind_is_swept() {
    let built = built(shape(Codec::Int8, Metric::L2, Some(Lists::Count(16))), 1000, Bytes::mib(16));
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(&built.home).unwrap().flatten().map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for left in ["0000000077.part", "0000000078.centroids", "0000000079.lists", "0000000079.codes"] {
        std::fs::write(built.home.join(left), b"half").unwrap();
    }
    let index = Index::open(&built.home, &account(Bytes::mib(16))).unwrap();
    assert_eq!(index.facts().vectors, 1000, "who reads is not in the way of them");
    drop(index);
    let index = Index::open_to_write(&built.home, &account(Bytes::mib(16))).unwrap();
    assert_eq!(names(), before);
    let query = &built.rows[..DIMENSION];
    let found = index.search(query, &search(1, Probe::Lists(1))).unwrap();
    assert_eq!(found.ids, [0]);
    assert!((f64::from(found.distances[0]) - distance(Metric::L2, query, query)).abs() < 0.1);
}

#[test]
fn what_a_search_takes_beside_codes_is_charged() {
    let built = built(shape(Codec::Int8, Metric::L2, Some(Lists::Count(64))), 20_000, Bytes::mib(64));
    let index = Index::open(&built.home, &account(Bytes::mib(24))).unwrap();
    let (count, k) = (1000, 100);
    let queries = grouped(5, count);
    let few = search(k, Probe::Lists(8));
    // Codes come into memory, and the pool has taken what it takes.
    index.search(&queries[..200 * DIMENSION], &few).unwrap();
    let before = index.search(&queries[..DIMENSION], &few).unwrap().measured.peak;
    let answer = index.search(&queries, &few).unwrap();
    let best = (count * k * 16) as u64;
    assert!(answer.measured.peak.get() >= before.get() + best, "{before}, then {}", answer.measured.peak);
    assert!(answer.measured.peak <= Bytes::mib(24));
}

#[test]
fn originals_that_were_looked_at_stay_while_there_is_room() {
    for metric in [Metric::L2, Metric::Cosine] {
        let built = built(shape(Codec::Int4, metric, Some(Lists::Count(64))), 12_000, Bytes::mib(64));
        let queries = grouped(4, 60);
        let how = Search { again: 4, threads: 2, ..search(10, Probe::Lists(6)) };
        let index = Index::open(&built.home, &account(Bytes::mib(64))).unwrap();
        let first = index.search(&queries, &how).unwrap();
        assert!(first.measured.again > Bytes::ZERO);
        let second = index.search(&queries, &how).unwrap();
        assert_eq!(second.measured.again, Bytes::ZERO, "all of it is there");
        assert_eq!((&second.ids, bits(&second)), (&first.ids, bits(&first)));
        let before = index.facts().memory;
        index.forget();
        let left = before.get() - index.facts().memory.get();
        let codes = (12_000 * Codec::Int4.row_bytes(DIMENSION)) as u64;
        assert!(
            left > first.measured.again.get() + codes,
            "{left} were charged for codes, originals and ids"
        );
        // One by one, and in a budget that has no room for groups: nothing else is found.
        let budget = Bytes::new(index.facts().memory.get() + codes + (1 << 20));
        let small = Index::open(&built.home, &account(budget)).unwrap();
        for _ in 0..2 {
            for (query, vector) in queries.chunks(DIMENSION).enumerate() {
                let alone = small.search(vector, &how).unwrap();
                assert_eq!(alone.ids, first.ids[query * 10..][..10], "{metric}: query {query}");
                assert_eq!(bits(&alone), bits(&first)[query * 10..][..10], "{metric}: query {query}");
                assert!(alone.measured.peak <= budget, "{} of {budget}", alone.measured.peak);
            }
        }
    }
}

#[test]
fn damage_of_an_original_or_an_id_is_told_to_who_wants_it_and_to_nobody_else() {
    let built = built(shape(Codec::Int8, Metric::L2, Some(Lists::Count(16))), 1000, Bytes::mib(16));
    let how = Search { again: 4, threads: 1, ..search(1, Probe::Lists(1)) };
    let whole = Index::open(&built.home, &account(Bytes::mib(16))).unwrap();
    let own = |index: &Index, row: usize| index.search(&built.rows[row * DIMENSION..][..DIMENSION], &how);
    let expected: Vec<u64> = (0..1000).map(|row| own(&whole, row).unwrap().ids[0]).collect();
    drop(whole);
    for end in ["originals", "ids"] {
        let path = file_of(&built.home, end);
        let bytes = std::fs::read(&path).unwrap();
        let mut damaged = bytes.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let index = Index::open(&built.home, &account(Bytes::mib(16))).unwrap();
        let mut told = 0;
        for (row, expected) in expected.iter().enumerate() {
            match own(&index, row) {
                Ok(found) => assert_eq!(found.ids[0], *expected, "{end}: row {row}"),
                Err(error) => {
                    assert!(error.to_string().contains(end), "{error}");
                    told += 1;
                }
            }
        }
        // Whoever lies near the last row is told, those of other lists and groups are not.
        assert!((1..500).contains(&told), "{end}: {told}");
        std::fs::write(&path, bytes).unwrap();
    }
}
