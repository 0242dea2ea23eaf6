//! A search that memory has no room for, looked at less closely where that is allowed.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use bed::{account, npy, vectors};
use plimsoll::Bytes;
use plimsoll_vec::index::{Index, Lowered, Search, Shape, VecError};
use plimsoll_vec::{Codec, Metric};

const DIMENSION: usize = 24;

#[test]
fn less_memory_leaves_the_second_look_out_where_that_takes_fewer_passes() {
    let folder = tempfile::tempdir().unwrap();
    let rows = npy(folder.path(), "rows.npy", &vectors(1, 20_000 * DIMENSION), DIMENSION);
    let queries = vectors(2, 300 * DIMENSION);
    for codec in [Codec::Int8, Codec::Planes] {
        let home = folder.path().join(codec.name());
        let shape = Shape {
            dimension: DIMENSION,
            metric: Metric::L2,
            codec,
            originals: true,
            lists: None,
            reduced: None,
        };
        Index::create(&home, shape, &account(Bytes::mib(64))).unwrap().build(&rows, None, |_| {}).unwrap();
        let search = Search { again: 20, threads: 2, ..Search::nearest(10) };
        let mut seen = Vec::new();
        for kib in [65_536, 8192, 6144, 4096, 3072, 2048, 1536, 1024, 768] {
            let index = Index::open(&home, &account(Bytes::kib(kib))).unwrap();
            let asked = index.forecast(300, &search);
            let (way, lowered) = match index.lowered(300, &search) {
                Err(VecError::Budget { .. }) => {
                    assert!(asked.is_err(), "{codec} in {kib}: nothing will do");
                    continue;
                }
                lowered => lowered.unwrap(),
            };
            let forecast = index.forecast(300, &way).unwrap();
            match &asked {
                Ok(asked) if lowered == Lowered::Nothing => assert_eq!(forecast.passes, asked.passes),
                Ok(asked) => {
                    assert!(forecast.passes < asked.passes, "{codec} in {kib}: {asked:?} {forecast:?}");
                }
                Err(error) => {
                    assert!(matches!(error, VecError::Budget { .. }) && lowered != Lowered::Nothing);
                }
            }
            let answer = index.search(&queries, &way).unwrap();
            assert!(answer.measured.peak <= Bytes::kib(kib), "{codec} in {kib}");
            assert_eq!(answer.measured.again > Bytes::ZERO, lowered == Lowered::Nothing, "{codec} in {kib}");
            seen.push(lowered);
        }
        assert_eq!(seen.first(), Some(&Lowered::Nothing));
        assert!(seen.contains(&Lowered::Again), "{codec}: {seen:?}");
        assert_eq!(seen.contains(&Lowered::Signs), codec == Codec::Planes, "{codec}: {seen:?}");
    }
}
