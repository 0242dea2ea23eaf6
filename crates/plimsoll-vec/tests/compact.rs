//! Compaction: what lives of several segments becomes one, and every answer stays what it was.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bed::{account, npy, vectors};
use plimsoll::Bytes;
use plimsoll_vec::index::{Answer, Doing, Index, Lists, Probe, Search, Shape, VecError};
use plimsoll_vec::{Codec, Metric};

const DIMENSION: usize = 40;
const MEMORY: Bytes = Bytes::mib(32);

fn shape(codec: Codec, lists: Option<Lists>) -> Shape {
    Shape {
        dimension: DIMENSION,
        metric: Metric::L2,
        codec,
        originals: codec != Codec::F32,
        lists,
        reduced: None,
    }
}

/// An index of several segments of which every third row is dead, and some rows are young.
fn worn(folder: &Path, shape: Shape, rows: usize) -> PathBuf {
    let home = folder.join("index");
    let index = Index::create(&home, shape, &account(MEMORY)).unwrap();
    let all = vectors(1, rows * DIMENSION);
    for (part, rows) in all.chunks(rows / 3 * DIMENSION).enumerate() {
        let file = npy(folder, "rows.npy", rows, DIMENSION);
        // The second part brings ids in another order.
        let count = (rows.len() / DIMENSION) as u64;
        let ids = (part == 1).then(|| (0..count).map(|row| 1_000_000 + row * 7919 % count).collect());
        index.build(&file, ids, |_| {}).unwrap();
    }
    let dead: Vec<u64> = (0..rows as u64).step_by(3).chain((1_000_000..).step_by(3).take(rows / 3)).collect();
    assert!(index.delete(&dead).unwrap() > rows as u64 / 4);
    index.publish().unwrap();
    index.add(&vectors(2, 50 * DIMENSION), None).unwrap();
    home
}

fn all(again: usize) -> Search {
    Search { again, probe: Probe::All, ..Search::nearest(20) }
}

fn bits(answer: &Answer) -> (Vec<u64>, Vec<u32>) {
    (answer.ids.clone(), answer.distances.iter().map(|far| far.to_bits()).collect())
}

fn answers(index: &Index, search: &Search) -> (Vec<u64>, Vec<u32>) {
    bits(&index.search(&vectors(3, 25 * DIMENSION), search).unwrap())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn files(home: &Path, end: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(home).unwrap().flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|found| found == end)).collect()
}

#[test]
fn every_answer_stays_what_it_was_and_the_disk_has_room_back() {
    for lists in [None, Some(Lists::Count(30))] {
        for codec in Codec::ALL {
            let folder = tempfile::tempdir().unwrap();
            let home = worn(folder.path(), shape(codec, lists), 3000);
            let few = Search { probe: Probe::Lists(4), again: 3, ..Search::nearest(10) };
            let wanted = [all(1), all(4), few];
            let index = Index::open_to_write(&home, &account(MEMORY)).unwrap();
            index.publish().unwrap();
            let before: Vec<_> = wanted.iter().map(|search| answers(&index, search)).collect();
            index.forget();
            let facts = index.facts();
            assert!(facts.segments.len() == 4 && facts.dead > 900, "{facts:?}");
            let said = index.compaction().unwrap().unwrap();
            let report = index.compact(|built| assert_eq!(built.doing, Doing::Compacting)).unwrap();
            assert_eq!(report.forecast.unwrap(), said, "{codec}");
            assert_eq!((said.segments, said.rows, said.dead), (4, facts.vectors, facts.dead));
            assert_eq!((report.written, report.won), (said.needs, said.wins), "{codec}, {lists:?}");
            assert!(report.won > Bytes::ZERO && report.peak <= MEMORY);
            let now = index.facts();
            assert_eq!((now.vectors, now.dead, now.segments.len()), (facts.vectors, 0, 1));
            assert!(now.disk < facts.disk && now.memory < facts.memory, "{now:?} after {facts:?}");
            assert_eq!(index.compaction().unwrap(), None);
            assert_eq!(index.compact(|_| {}).unwrap().forecast, None, "there is nothing left to win");
            let answered =
                |index: &Index| -> Vec<_> { wanted.iter().map(|search| answers(index, search)).collect() };
            assert_eq!(answered(&index), before, "{codec}, {lists:?}");
            drop(index);
            let index = Index::open_to_write(&home, &account(MEMORY)).unwrap();
            assert_eq!(answered(&index), before, "{codec}, {lists:?}: opened again");
            // Ids are found by their order too.
            assert_eq!(index.delete(&[0, 1, 1_000_001, 1_000_000, 2]).unwrap(), 3);
            assert_eq!(files(&home, "codes").len(), 1);
        }
    }
}

#[test]
fn ids_that_are_a_run_again_take_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let index = Index::create(&home, shape(Codec::F32, None), &account(MEMORY)).unwrap();
    for seed in [1, 2, 3] {
        let file = npy(folder.path(), "rows.npy", &vectors(seed, 100 * DIMENSION), DIMENSION);
        index.build(&file, None, |_| {}).unwrap();
    }
    // What is oldest goes, and what is newest.
    let gone: Vec<u64> = (0..130).chain(290..300).collect();
    assert_eq!(index.delete(&gone).unwrap(), 140);
    index.compact(|_| {}).unwrap();
    assert!(files(&home, "ids").is_empty() && files(&home, "lookup").is_empty());
    assert_eq!(index.facts().vectors, 160);
    assert_eq!(index.delete(&[129, 130, 289, 290]).unwrap(), 2);
    // And all of them: no segment is left, and the index goes on.
    assert_eq!(index.delete(&(0..300).collect::<Vec<u64>>()).unwrap(), 158);
    let report = index.compact(|_| {}).unwrap();
    assert_eq!((report.after, report.written), (0, Bytes::ZERO));
    assert!(files(&home, "codes").is_empty());
    assert_eq!(index.add(&vectors(4, DIMENSION), None).unwrap(), [300]);
}

#[test]
fn rows_outside_of_lists_are_put_together_and_stay_outside() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let index = Index::create(&home, shape(Codec::Int8, Some(Lists::Count(12))), &account(MEMORY)).unwrap();
    // There are no lists before the first build.
    for seed in [5, 6] {
        index.add(&vectors(seed, 200 * DIMENSION), None).unwrap();
        index.publish().unwrap();
    }
    for seed in [7, 8] {
        let file = npy(folder.path(), "rows.npy", &vectors(seed, 1000 * DIMENSION), DIMENSION);
        index.build(&file, None, |_| {}).unwrap();
    }
    index.delete(&(0..2400).step_by(5).collect::<Vec<u64>>()).unwrap();
    let few = Search { probe: Probe::Lists(3), ..Search::nearest(10) };
    let before = (answers(&index, &all(3)), answers(&index, &few));
    let report = index.compact(|_| {}).unwrap();
    assert_eq!((report.before, report.after), (4, 2));
    let facts = index.facts();
    assert_eq!((facts.dead, facts.vectors, facts.lists.unwrap().outside), (0, 1920, 320));
    assert_eq!((answers(&index, &all(3)), answers(&index, &few)), before);
}

#[test]
fn it_stays_within_a_small_budget_or_says_what_would_do() {
    for lists in [None, Some(Lists::Count(16))] {
        let folder = tempfile::tempdir().unwrap();
        let home = worn(folder.path(), shape(Codec::Int8, lists), 30_000);
        // A sixth of the raw data.
        let memory = Bytes::kib(800);
        let index = Index::open_to_write(&home, &account(memory)).unwrap();
        let report = index.compact(|_| {}).unwrap();
        let said = report.forecast.unwrap();
        assert!(report.peak <= memory && report.peak <= said.peak, "{report:?} in {memory}");
        drop(index);

        let folder = tempfile::tempdir().unwrap();
        let home = worn(folder.path(), shape(Codec::Int8, lists), 30_000);
        let index = Index::open_to_write(&home, &account(Bytes::kib(200))).unwrap();
        let refused = index.compact(|_| {}).unwrap_err();
        let VecError::Budget { needed, .. } = refused else { panic!("{refused}") };
        assert!(index.facts().dead > 0 && index.facts().segments.len() == 4);
        drop(index);
        let index = Index::open_to_write(&home, &account(needed)).unwrap();
        let report = index.compact(|_| {}).unwrap();
        assert!(report.peak <= needed, "{report:?} in {needed}");
    }
}

#[test]
fn killed_at_any_moment_it_is_what_it_was() {
    for lists in [None, Some(Lists::Count(16))] {
        let folder = tempfile::tempdir().unwrap();
        let home = worn(folder.path(), shape(Codec::Planes, lists), 3000);
        let index = Index::open_to_write(&home, &account(Bytes::kib(600))).unwrap();
        let before = answers(&index, &all(4));
        let mut moments = 0;
        index
            .compact(|_| {
                copy(&home, &folder.path().join(format!("killed{moments}")));
                moments += 1;
            })
            .unwrap();
        assert!(moments > 3, "{moments} moments");
        drop(index);
        for moment in 0..moments {
            let killed = folder.path().join(format!("killed{moment}"));
            let index = Index::open(&killed, &account(MEMORY)).unwrap();
            assert_eq!(answers(&index, &all(4)), before, "moment {moment}");
            drop(index);
            let index = Index::open_to_write(&killed, &account(MEMORY)).unwrap();
            assert_eq!(
                files(&killed, "codes").len(),
                index.facts().segments.len(),
                "what was begun is swept"
            );
            index.compact(|_| {}).unwrap();
            assert_eq!(answers(&index, &all(4)), before, "moment {moment}, done again");
        }
    }
}

#[test]
fn searches_go_on_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let home = worn(folder.path(), shape(Codec::Int8, None), 21_000);
    let index = Index::open_to_write(&home, &account(MEMORY)).unwrap();
    let other = Index::open(&home, &account(MEMORY)).unwrap();
    let before = answers(&index, &all(2));
    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                assert_eq!(answers(&index, &all(2)), before);
                answered.fetch_add(1, Ordering::Release);
            }
        });
        // It goes on only when another was answered while it was under way.
        let wait = |_| {
            let so_far = answered.load(Ordering::Acquire);
            while answered.load(Ordering::Acquire) < so_far + 2 && !searching.is_finished() {
                std::thread::yield_now();
            }
        };
        index.compact(wait).unwrap();
        done.store(true, Ordering::Release);
    });
    assert!(answered.into_inner() >= 4);
    assert_eq!(index.facts().segments.len(), 1);
    // Who opened it before reads what was there then.
    assert_eq!(answers(&other, &all(2)), before);
    assert_eq!(other.facts().segments.len(), 3);
}

#[test]
fn what_fails_leaves_the_index_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let home = worn(folder.path(), shape(Codec::Int8, None), 3000);
    let index = Index::open_to_write(&home, &account(MEMORY)).unwrap();
    index.publish().unwrap();
    let before = answers(&index, &all(4));
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(&home).unwrap().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let there = names();
    // The file that comes last cannot be written: something else has its name.
    let manifest = std::fs::read_to_string(home.join("manifest.json")).unwrap();
    let next = manifest.split("\"next\": ").nth(1).unwrap().split(',').next().unwrap();
    let blocked = home.join(format!("{:010}.lookup", next.parse::<u64>().unwrap()));
    std::fs::create_dir(&blocked).unwrap();
    let error = index.compact(|_| {}).unwrap_err().to_string();
    assert!(error.contains("lookup") && error.contains("as it was before"), "{error}");
    std::fs::remove_dir(&blocked).unwrap();
    assert_eq!(names(), there, "nothing is left of it");
    assert_eq!(answers(&index, &all(4)), before);

    // Damage is told and not passed on.
    drop(index);
    let codes = files(&home, "codes").into_iter().min().unwrap();
    let whole = std::fs::read(&codes).unwrap();
    let mut other = whole.clone();
    other[5000] ^= 1;
    std::fs::write(&codes, other).unwrap();
    let index = Index::open_to_write(&home, &account(MEMORY)).unwrap();
    let error = index.compact(|_| {}).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
    drop(index);
    std::fs::write(&codes, whole).unwrap();
    let index = Index::open_to_write(&home, &account(MEMORY)).unwrap();
    index.compact(|_| {}).unwrap();
    assert_eq!(answers(&index, &all(4)), before);
    let reader = Index::open(&home, &account(MEMORY)).unwrap();
    assert!(matches!(reader.compact(|_| {}), Err(VecError::ReadOnly { .. })));
}
