//! Planes: the signs are looked through, and lower planes are read for what they leave.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::path::Path;

use bed::{account, nearest, npy, vectors};
use plimsoll::Bytes;
use plimsoll_vec::column::{ColumnError, PAGE_BYTES};
use plimsoll_vec::index::{Answer, Index, Search, Shape, VecError};
use plimsoll_vec::{Codec, Layout, Metric};

const DIMENSION: usize = 96;
const ROWS: usize = 20_000;

fn built(home: &Path, rows: &[f32]) -> Index {
    let file = npy(home.parent().unwrap(), "rows.npy", rows, DIMENSION);
    let (metric, codec) = (Metric::L2, Codec::Planes);
    let shape = Shape { dimension: DIMENSION, metric, codec, originals: false, lists: None, reduced: None };
    let index = Index::create(home, shape, &account(Bytes::mib(256))).unwrap();
    index.build(&file, None, |_| {}).unwrap();
    index
}

fn bits(answer: &Answer) -> Vec<(u64, u32)> {
    answer.ids.iter().copied().zip(answer.distances.iter().map(|far| far.to_bits())).collect()
}

#[test]
fn lower_planes_are_read_once_and_stay_where_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(1, ROWS * DIMENSION);
    let index = built(&folder.path().join("index"), &rows);
    let queries = vectors(2, 20 * DIMENSION);
    let search = Search::nearest(10);
    let first = index.search(&queries, &search).unwrap();
    let blocks = ROWS.div_ceil(64) as u64;
    let lower = Layout::new(Codec::Planes, DIMENSION).lower_bytes() as u64;
    // Twenty times two hundred rows are in nearly all of some three hundred blocks.
    assert!(first.measured.lower.get() > blocks * lower * 9 / 10);
    assert!(first.measured.lower.get() <= blocks * lower);
    let (said, read) = (first.forecast.lower.get(), first.measured.lower.get());
    assert!(said.abs_diff(read) * 10 < read, "{said} said and {read} read");
    let again = index.search(&queries, &search).unwrap();
    assert_eq!(again.measured.lower, Bytes::ZERO);
    assert_eq!(bits(&again), bits(&first));
    index.forget();
    assert!(index.facts().memory < Bytes::kib(64), "{}", index.facts().memory);
    assert_eq!(bits(&index.search(&queries, &search).unwrap()), bits(&first));
}

#[test]
fn a_budget_without_room_for_lower_planes_gives_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let rows = vectors(3, ROWS * DIMENSION);
    let index = built(&home, &rows);
    let queries = vectors(4, 40 * DIMENSION);
    let search = Search { threads: 2, ..Search::nearest(10) };
    let whole = index.search(&queries, &search).unwrap();
    drop(index);
    let upper = Layout::new(Codec::Planes, DIMENSION).upper_bytes() * ROWS.div_ceil(64);
    let mut lower = Vec::new();
    // From signs that stream, over signs that stay, to all that there is.
    for budget in [upper as u64 * 3 / 2, upper as u64 * 3, upper as u64 * 8] {
        let budget = Bytes::new(budget);
        let index = Index::open(&home, &account(budget)).unwrap();
        for turn in 0..3 {
            let answer = index.search(&queries, &search).unwrap();
            assert_eq!(bits(&answer), bits(&whole), "{budget}, turn {turn}");
            assert!(answer.measured.peak <= budget, "{} of {budget}", answer.measured.peak);
            if turn == 2 {
                lower.push(answer.measured.lower);
            }
        }
        // One query alone needs less, and pages that were kept give way to a batch that needs more.
        for queries in [&queries[..DIMENSION], &queries[..]] {
            index.search(queries, &search).unwrap();
        }
    }
    assert!(lower[0] > Bytes::ZERO && lower[2] == Bytes::ZERO, "{lower:?}");
}

#[test]
fn what_the_signs_leave_decides_what_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(5, ROWS * DIMENSION);
    let index = built(&folder.path().join("index"), &rows);
    let queries = vectors(6, 10 * DIMENSION);
    let among: Vec<(u64, Vec<f32>)> = (0..).zip(rows.chunks(DIMENSION).map(<[f32]>::to_vec)).collect();
    let mut last = 0;
    for signs in [10, 200, 4096] {
        let answer = index.search(&queries, &Search { signs, ..Search::nearest(10) }).unwrap();
        let right: usize = queries
            .chunks(DIMENSION)
            .enumerate()
            .map(|(at, query)| {
                let expected: Vec<u64> =
                    nearest(Metric::L2, query, &among, 10).iter().map(|one| one.0).collect();
                answer.of(at).filter(|(id, _)| expected.contains(id)).count()
            })
            .sum();
        assert!(right >= last, "{signs}: {right} of 100 after {last}");
        last = right;
    }
    assert!(last >= 75, "{last} of 100");
}

#[test]
fn young_and_dead_rows_and_filters_go_through_both_stages() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let rows = vectors(7, 3000 * DIMENSION);
    let index = built(&home, &rows);
    let young = vectors(8, 100 * DIMENSION);
    let ids = index.add(&young, None).unwrap();
    let query = &young[5 * DIMENSION..6 * DIMENSION];
    let first = |search: &Search| index.search(query, search).unwrap().ids[0];
    assert_eq!(first(&Search::nearest(3)), ids[5]);
    index.delete(&ids[5..6]).unwrap();
    assert_ne!(first(&Search::nearest(3)), ids[5]);
    let allow = Some(vec![17, ids[9]]);
    let answer = index.search(query, &Search { allow, ..Search::nearest(3) }).unwrap();
    let mut found: Vec<u64> = answer.of(0).map(|(id, _)| id).collect();
    found.sort_unstable();
    assert_eq!(found, [17, ids[9]]);
    index.publish().unwrap();
    let own = &rows[40 * DIMENSION..41 * DIMENSION];
    assert_eq!(index.search(own, &Search::nearest(1)).unwrap().ids, [40]);
}

#[test]
fn a_damaged_lower_block_is_told_and_never_served() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let rows = vectors(9, 640 * DIMENSION);
    drop(built(&home, &rows));
    let path = home.join("0000000001.lower");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[PAGE_BYTES + 5] ^= 4;
    std::fs::write(&path, &bytes).unwrap();
    let index = Index::open(&home, &account(Bytes::mib(16))).unwrap();
    for _ in 0..2 {
        let error = index.search(&rows[..DIMENSION], &Search::nearest(1)).unwrap_err();
        assert!(matches!(error, VecError::Column(ColumnError::Damaged { unit: 0, .. })), "{error}");
    }
    drop(index);
    std::fs::remove_file(&path).unwrap();
    let error = Index::open(&home, &account(Bytes::mib(16))).unwrap_err();
    assert!(error.to_string().contains("0000000001.lower"), "{error}");
}
