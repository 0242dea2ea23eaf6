//! An index in use: built, opened again, searched whole and in passes, added to, deleted from.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use bed::{account, distance, nearest, npy, vectors};
use plimsoll::Bytes;
use plimsoll_vec::index::{Index, Lists, NO_ID, Search, Shape, VecError};
use plimsoll_vec::{Codec, Metric};

const DIMENSION: usize = 48;

fn shape(codec: Codec, metric: Metric) -> Shape {
    Shape { dimension: DIMENSION, metric, codec, originals: codec != Codec::F32, lists: None, reduced: None }
}

#[test]
fn what_is_found_is_what_is_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(1, 1000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let among: Vec<(u64, Vec<f32>)> = (0..).zip(rows.chunks(DIMENSION).map(<[f32]>::to_vec)).collect();
    let queries = vectors(2, 7 * DIMENSION);
    for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
        let home = folder.path().join(metric.name());
        let index = Index::create(&home, shape(Codec::F32, metric), &account(Bytes::mib(64))).unwrap();
        let report = index.build(&file, None, |_| {}).unwrap();
        assert_eq!(report.vectors, 1000);
        drop(index);
        let index = Index::open(&home, &account(Bytes::mib(64))).unwrap();
        let answer = index.search(&queries, &Search::nearest(10)).unwrap();
        for (query, vector) in queries.chunks(DIMENSION).enumerate() {
            let expected = nearest(metric, vector, &among, 10);
            let found: Vec<(u64, f32)> = answer.of(query).collect();
            assert_eq!(found.len(), 10);
            for ((id, far), (expected, expected_far)) in found.iter().zip(&expected) {
                assert_eq!(id, expected, "{metric}, query {query}");
                assert!((f64::from(*far) - expected_far).abs() < 1e-4, "{metric}: {far} and {expected_far}");
            }
        }
    }
}

#[test]
fn a_second_look_tells_true_distances_with_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(3, 3000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let among: Vec<(u64, Vec<f32>)> = (0..).zip(rows.chunks(DIMENSION).map(<[f32]>::to_vec)).collect();
    let queries = vectors(4, 5 * DIMENSION);
    for codec in Codec::ALL {
        let home = folder.path().join(codec.name());
        let index = Index::create(&home, shape(codec, Metric::L2), &account(Bytes::mib(64))).unwrap();
        index.build(&file, None, |_| {}).unwrap();
        let search = Search { again: 40, ..Search::nearest(10) };
        let answer = index.search(&queries, &search).unwrap();
        let mut right = 0;
        for (query, vector) in queries.chunks(DIMENSION).enumerate() {
            let expected: Vec<u64> =
                nearest(Metric::L2, vector, &among, 10).iter().map(|one| one.0).collect();
            for (id, far) in answer.of(query) {
                let true_far = distance(Metric::L2, vector, &among[usize::try_from(id).unwrap()].1);
                assert!((f64::from(far) - true_far).abs() < 1e-4, "{codec}: {far} and {true_far}");
                right += usize::from(expected.contains(&id));
            }
        }
        // 400 candidates of 3,000: the signs alone find most of the ten, and so do three bytes for 48 numbers.
        let few = matches!(codec, Codec::Binary | Codec::Pq8);
        assert!(right >= if few { 35 } else { 48 }, "{codec}: {right} of 50");
    }
}

#[test]
fn an_index_larger_than_its_budget_gives_the_same_answers_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(5, 40_000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let queries = vectors(6, 64 * DIMENSION);
    for codec in [Codec::F32, Codec::Int8, Codec::Planes] {
        let home = folder.path().join(codec.name());
        let index = Index::create(&home, shape(codec, Metric::L2), &account(Bytes::mib(256))).unwrap();
        index.build(&file, None, |_| {}).unwrap();
        let whole = index.search(&queries, &Search::nearest(10)).unwrap();
        assert_eq!(whole.forecast.passes, 0);
        let codes = whole.forecast.kept;
        drop(index);
        let budget = Bytes::new((codes.get() / 4).max(Bytes::kib(1536).get()));
        let index = Index::open(&home, &account(budget)).unwrap();
        let search = Search { threads: 2, ..Search::nearest(10) };
        for turn in 0..3 {
            let forecast = index.forecast(64, &search).unwrap();
            let parts = index.search(&queries, &search).unwrap();
            assert!(parts.forecast.streamed > Bytes::ZERO, "{codec}: {:?}", parts.forecast);
            assert_eq!(parts.ids, whole.ids, "{codec}, turn {turn}");
            let bits = |far: &[f32]| far.iter().map(|far| far.to_bits()).collect::<Vec<u32>>();
            assert_eq!(bits(&parts.distances), bits(&whole.distances), "{codec}, turn {turn}");
            assert!(parts.measured.peak <= budget, "{codec}: {} of {budget}", parts.measured.peak);
            assert_eq!(forecast.passes, parts.measured.passes);
            let (said, read) = (forecast.read.get(), parts.measured.read.get());
            assert!(said.abs_diff(read) * 10 < read, "{codec}: {said} said and {read} read");
        }
    }
}

#[test]
fn a_budget_too_small_is_refused_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(7, 5000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let home = folder.path().join("index");
    let tiny = Index::create(&home, shape(Codec::F32, Metric::L2), &account(Bytes::kib(16))).unwrap();
    let refused = tiny.build(&file, None, |_| {}).unwrap_err();
    let VecError::Budget { needed, .. } = refused else { panic!("{refused}") };
    drop(tiny);
    let index = Index::open_to_write(&home, &account(needed)).unwrap();
    let report = index.build(&file, None, |_| {}).unwrap();
    assert!(report.peak <= needed && report.predicted <= needed, "{report:?} in {needed}");
    drop(index);
    let index = Index::open(&home, &account(Bytes::kib(64))).unwrap();
    let queries = vectors(8, DIMENSION);
    let refused = index.search(&queries, &Search::nearest(10)).unwrap_err();
    let VecError::Budget { needed, .. } = refused else { panic!("{refused}") };
    drop(index);
    let index = Index::open(&home, &account(needed)).unwrap();
    assert_eq!(index.search(&queries, &Search::nearest(10)).unwrap().ids.len(), 10);
    // A bad query is named by its number among all, whichever pass it is in.
    let mut many = vectors(9, 40 * DIMENSION);
    many[33 * DIMENSION + 2] = f32::NAN;
    assert!(index.forecast(40, &Search::nearest(10)).unwrap().queries_a_pass <= 20);
    let said = index.search(&many, &Search::nearest(10)).unwrap_err().to_string();
    assert!(said.contains("component 2 of vector 33"), "{said}");
}

#[test]
fn building_stays_within_a_tenth_of_the_raw_data() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(9, 60_000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let budget = Bytes::new((rows.len() * 4) as u64 / 10);
    for codec in [Codec::F32, Codec::Int8, Codec::Binary] {
        let home = folder.path().join(codec.name());
        let index = Index::create(&home, shape(codec, Metric::L2), &account(budget)).unwrap();
        let report = index.build(&file, None, |_| {}).unwrap();
        assert_eq!(report.vectors, 60_000);
        assert!(report.peak <= budget, "{codec}: {} of {budget}", report.peak);
        assert!(
            report.peak <= report.predicted,
            "{codec}: {} and {} predicted",
            report.peak,
            report.predicted
        );
    }
}

#[test]
fn only_what_is_allowed_and_lives_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(10, 500 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let home = folder.path().join("index");
    let index = Index::create(&home, shape(Codec::F32, Metric::L2), &account(Bytes::mib(64))).unwrap();
    let ids: Vec<u64> = (0..500).map(|n| (n * 37) % 501 * 10).collect();
    index.build(&file, Some(ids.clone()), |_| {}).unwrap();
    let query = &rows[..DIMENSION];
    let all = index.search(query, &Search::nearest(5)).unwrap();
    assert_eq!(all.ids[0], ids[0]);
    assert_eq!(index.delete(&[ids[0], 3, ids[0]]).unwrap(), 1);
    let without = index.search(query, &Search::nearest(5)).unwrap();
    assert_eq!(without.ids[..4], all.ids[1..]);
    let allow = vec![all.ids[3], all.ids[0], 7];
    let filtered = index.search(query, &Search { allow: Some(allow), ..Search::nearest(3) }).unwrap();
    assert_eq!(filtered.ids, [all.ids[3], NO_ID, NO_ID]);
    assert!(filtered.distances[1].is_nan());
    assert_eq!(filtered.of(0).count(), 1);
    // The id is free again.
    index.add(query, Some(&[ids[0]])).unwrap();
    assert_eq!(index.search(query, &Search::nearest(5)).unwrap().ids, all.ids);
    drop(index);
    let index = Index::open(&home, &account(Bytes::mib(64))).unwrap();
    assert_eq!(index.search(query, &Search::nearest(5)).unwrap().ids, all.ids);
    assert!(matches!(index.delete(&[1]), Err(VecError::ReadOnly { .. })));
}

#[test]
fn what_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    assert!(matches!(Index::open(&home, &account(Bytes::mib(8))), Err(VecError::None { .. })));
    let index = Index::create(&home, shape(Codec::F32, Metric::Cosine), &account(Bytes::mib(8))).unwrap();
    let row = vectors(11, DIMENSION);
    assert!(matches!(index.search(&row, &Search::nearest(1)), Err(VecError::Empty)));
    index.add(&row, None).unwrap();
    assert!(matches!(index.add(&row, Some(&[0])), Err(VecError::Duplicate { id: 0 })));
    assert!(matches!(
        index.add(&[row.clone(), row.clone()].concat(), Some(&[5, 5])),
        Err(VecError::Duplicate { id: 5 })
    ));
    assert!(matches!(index.add(&row, Some(&[NO_ID])), Err(VecError::ReservedId(_))));
    assert!(matches!(index.add(&row, Some(&[1, 2])), Err(VecError::Ids { vectors: 1, ids: 2 })));
    assert!(matches!(index.add(&row[1..], None), Err(VecError::Dimension { .. })));
    assert!(matches!(index.search(&row[1..], &Search::nearest(1)), Err(VecError::Dimension { .. })));
    assert!(matches!(index.search(&row, &Search::nearest(2)), Err(VecError::TooFew { k: 2, vectors: 1 })));
    assert!(matches!(index.search(&row, &Search::nearest(0)), Err(VecError::Tops(_))));
    assert!(matches!(index.search(&row, &Search::nearest(5000)), Err(VecError::Tops(_))));
    for bad in [f32::NAN, f32::INFINITY] {
        let mut with = row.clone();
        with[3] = bad;
        let said = index.add(&with, None).unwrap_err().to_string();
        assert!(said.contains("component 3"), "{said}");
        assert!(index.search(&with, &Search::nearest(1)).is_err());
    }
    assert!(index.add(&[0.0; DIMENSION], None).unwrap_err().to_string().contains("zeros"));
    assert!(index.search(&[0.0; DIMENSION], &Search::nearest(1)).unwrap_err().to_string().contains("zeros"));
    assert!(matches!(
        Index::create(&home, shape(Codec::F32, Metric::L2), &account(Bytes::mib(8))),
        Err(VecError::Exists { .. })
    ));
    assert!(matches!(Index::open_to_write(&home, &account(Bytes::mib(8))), Err(VecError::InUse { .. })));
    // Nothing of all that was kept.
    assert_eq!(index.facts().vectors, 1);
    assert_eq!(index.search(&row, &Search::nearest(1)).unwrap().ids, [0]);
}

/// Whatever file of an index was cut, or is gone, who opens it or asks it is told which.
#[test]
fn every_file_that_is_cut_or_gone_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(21, 300 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let home = folder.path().join("index");
    let index = Index::create(&home, shape(Codec::Int8, Metric::L2), &account(Bytes::mib(16))).unwrap();
    let ids = (0..300).map(|at| at * 7 % 1009).collect();
    index.build(&file, Some(ids), |_| {}).unwrap();
    index.delete(&[7]).unwrap();
    index.publish().unwrap();
    drop(index);
    let search = Search { again: 4, allow: Some(vec![14, 21]), ..Search::nearest(1) };
    let answer = || -> Result<Vec<u64>, VecError> {
        Ok(Index::open(&home, &account(Bytes::mib(16)))?.search(&rows[..DIMENSION], &search)?.ids)
    };
    let expected = answer().unwrap();
    let mut ends = Vec::new();
    for entry in std::fs::read_dir(&home).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let kept = std::fs::read(&path).unwrap();
        if kept.is_empty() {
            // What writers hold, and a log of nothing.
            continue;
        }
        ends.push(path.extension().unwrap().to_str().unwrap().to_owned());
        // The manifest's last bytes are the end of a line, and say nothing.
        let cut_off = if name == "manifest.json" { 4 } else { 1 };
        std::fs::write(&path, &kept[..kept.len() - cut_off]).unwrap();
        let cut = answer();
        std::fs::remove_file(&path).unwrap();
        let gone = answer();
        std::fs::write(&path, &kept).unwrap();
        let cut = cut.map_err(|error| error.to_string());
        assert!(cut.as_ref().is_err_and(|said| said.contains(&name)), "{name} cut: {cut:?}");
        let gone = gone.map_err(|error| error.to_string());
        let none = name == "manifest.json" && gone.is_err();
        assert!(none || gone.as_ref().is_err_and(|said| said.contains(&name)), "{name} gone: {gone:?}");
    }
    ends.sort();
    assert_eq!(ends, ["codes", "dead", "ids", "json", "lookup", "originals"]);
    assert_eq!(answer().unwrap(), expected);
}

/// What is forecast is what comes, also where nobody else wants the room: caches keep what they read, and the pool has some ready.
#[test]
fn what_a_search_has_is_what_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, asked) = (vectors(31, 30_000 * DIMENSION), vectors(32, 50 * DIMENSION));
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let cases = [
        (Codec::Int8, 1, None),
        (Codec::Planes, 1, None),
        (Codec::Binary, 16, None),
        (Codec::Int4, 4, Some(Lists::Count(64))),
    ];
    for (codec, again, lists) in cases {
        let home = folder.path().join(codec.name());
        let shape = Shape { lists, originals: true, ..shape(codec, Metric::L2) };
        Index::create(&home, shape, &account(Bytes::mib(64))).unwrap().build(&file, None, |_| {}).unwrap();
        for (memory, queries) in
            [(256, &asked[..]), (48, &asked[..]), (6, &asked[..]), (256, &asked[..DIMENSION])]
        {
            let index = Index::open(&home, &account(Bytes::mib(memory))).unwrap();
            let search = Search { again, threads: 2, ..Search::nearest(5) };
            for turn in 0..2 {
                let answer = index.search(queries, &search).unwrap();
                let (said, came) = (answer.forecast.charged().get(), answer.measured.peak.get());
                let what = format!(
                    "{codec} in {memory} MiB, turn {turn}: {came} came and {said} said, {:?}",
                    answer.forecast
                );
                assert!(said.abs_diff(came) * 10 <= said, "{what}");
                assert!(said <= memory << 20, "{what}");
            }
        }
    }
}
