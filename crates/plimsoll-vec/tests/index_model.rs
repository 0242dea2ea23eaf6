//! An index against a map, whatever is done to it: adds, deletes, builds, segments, compactions, restarts and searches.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::collections::BTreeMap;

use bed::{account, nearest, npy, vectors};
use plimsoll::Bytes;
use plimsoll_vec::index::{Index, Search, Shape, VecError};
use plimsoll_vec::{Codec, Metric};
use proptest::prelude::*;

const DIMENSION: usize = 8;

#[derive(Clone, Debug)]
enum Step {
    /// So many vectors, with ids of their own or given ones.
    Add(usize, Option<u64>),
    Build(usize),
    Delete(Vec<u64>),
    Publish,
    Compact,
    Restart,
    Search(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..90, prop::option::of(0_u64..400)).prop_map(|(count, ids)| Step::Add(count, ids)),
        1 => (0_usize..200).prop_map(Step::Build),
        3 => prop::collection::vec(0_u64..500, 1..20).prop_map(Step::Delete),
        1 => Just(Step::Publish),
        1 => Just(Step::Compact),
        2 => Just(Step::Restart),
        4 => (any::<u64>(), 1_usize..20).prop_map(|(seed, k)| Step::Search(seed, k)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_holds_what_a_map_holds(steps in prop::collection::vec(step(), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("index");
        let shape = Shape { dimension: DIMENSION, metric: Metric::L2, codec: Codec::F32, originals: false, lists: None, reduced: None };
        let memory = || account(Bytes::mib(8));
        let mut index = Index::create(&home, shape, &memory()).unwrap();
        let mut map: BTreeMap<u64, Vec<f32>> = BTreeMap::new();
        for (number, step) in (0_u64..).zip(steps) {
            match step {
                Step::Add(count, first) => {
                    let rows = vectors(number + 1, count * DIMENSION);
                    // Every third id, and not in order.
                    let ids: Option<Vec<u64>> =
                        first.map(|first| (0..count as u64).rev().map(|n| first + n * 3).collect());
                    let taken = ids.iter().flatten().any(|id| map.contains_key(id));
                    match index.add(&rows, ids.as_deref()) {
                        Ok(ids) => {
                            prop_assert!(!taken);
                            map.extend(ids.into_iter().zip(rows.chunks(DIMENSION).map(<[f32]>::to_vec)));
                        }
                        Err(VecError::Duplicate { id }) => prop_assert!(taken && map.contains_key(&id)),
                        Err(error) => panic!("{error}"),
                    }
                }
                Step::Build(count) => {
                    let rows = vectors(number + 1, count * DIMENSION);
                    let before = index.facts().vectors;
                    let next = map.keys().last().map_or(0, |last| last + 1);
                    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
                    // Ids that come after all there ever were, which may be more than there are now.
                    let ids: Vec<u64> = (next + 1000..).take(count).collect();
                    index.build(&file, Some(ids.clone()), |_| {}).unwrap();
                    prop_assert_eq!(index.facts().vectors, before + count as u64);
                    map.extend(ids.into_iter().zip(rows.chunks(DIMENSION).map(<[f32]>::to_vec)));
                }
                Step::Delete(ids) => {
                    let mut gone: Vec<u64> = ids.iter().copied().filter(|id| map.contains_key(id)).collect();
                    gone.sort_unstable();
                    gone.dedup();
                    prop_assert_eq!(index.delete(&ids).unwrap(), gone.len() as u64);
                    map.retain(|id, _| !gone.contains(id));
                }
                Step::Publish => index.publish().unwrap(),
                Step::Compact => {
                    index.compact(|_| {}).unwrap();
                    prop_assert_eq!(index.facts().dead, 0);
                }
                Step::Restart => {
                    drop(index);
                    index = Index::open_to_write(&home, &memory()).unwrap();
                }
                Step::Search(seed, k) => {
                    let query = vectors(seed, DIMENSION);
                    let among: Vec<(u64, Vec<f32>)> = map.clone().into_iter().collect();
                    match index.search(&query, &Search { threads: 2, ..Search::nearest(k) }) {
                        Ok(answer) => {
                            let found: Vec<u64> = answer.of(0).map(|(id, _)| id).collect();
                            let expected: Vec<u64> =
                                nearest(Metric::L2, &query, &among, k).into_iter().map(|one| one.0).collect();
                            prop_assert_eq!(found, expected);
                        }
                        Err(VecError::Empty) => prop_assert!(map.is_empty()),
                        Err(VecError::TooFew { .. }) => prop_assert!(map.len() < k),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            prop_assert_eq!(index.facts().vectors, map.len() as u64);
        }
    }
}
