//! An index in lists that a device searches (the simulated one, and the host's own memory as one): the host's answers from the
//! same lists, whatever stays there and whatever streams.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::path::Path;

use bed::device::{self, DEVICE, near, scores};
use bed::{account, npy};
use plimsoll::{Bytes, EngineAccount};
use plimsoll_vec::index::{Answer, Index, Lists, Probe, Search, Shape, VecError};
use plimsoll_vec::{Codec, Metric};

const DIMENSION: usize = 24;

fn shape(codec: Codec, metric: Metric, lists: u32) -> Shape {
    let lists = Some(Lists::Count(lists));
    Shape { dimension: DIMENSION, metric, codec, originals: codec != Codec::F32, lists, reduced: None }
}

fn machine(host: Bytes, there: Bytes) -> EngineAccount {
    machine_that(host, there, true)
}

/// One whose device searches runs or does not.
fn machine_that(host: Bytes, there: Bytes, runs: bool) -> EngineAccount {
    device::machine(host, there, runs).account
}

/// Vectors near one of so many corners.
fn grouped(seed: u64, rows: usize) -> Vec<f32> {
    bed::grouped(seed, rows, DIMENSION)
}

/// Two segments in lists, some of whose rows are dead, and what is young and in no list.
fn made(home: &Path, shape: Shape) {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::create(home, shape, &account(Bytes::mib(64))).unwrap();
    for (name, seed, rows) in [("one.npy", 1, 3000), ("two.npy", 2, 900)] {
        let file = npy(folder.path(), name, &grouped(seed, rows), DIMENSION);
        index.build(&file, None, |_| {}).unwrap();
    }
    index.add(&grouped(3, 150), None).unwrap();
    index.delete(&(0..4050).filter(|id| id % 7 == 3).collect::<Vec<u64>>()).unwrap();
}

#[test]
fn a_device_finds_in_lists_what_the_host_finds_there() {
    let folder = tempfile::tempdir().unwrap();
    let queries = grouped(9, 30);
    for (codec, metric) in [
        (Codec::F32, Metric::L2),
        (Codec::F32, Metric::Ip),
        (Codec::F16, Metric::Cosine),
        (Codec::Int8, Metric::L2),
        (Codec::Int4, Metric::Cosine),
        (Codec::Binary, Metric::Hamming),
        (Codec::Binary, Metric::L2),
        (Codec::Planes, Metric::L2),
    ] {
        let what = format!("{codec} {metric}");
        let home = folder.path().join(&what);
        made(&home, shape(codec, metric, 30));
        let machine = machine(Bytes::mib(32), Bytes::mib(8));
        let index = Index::open(&home, &machine).unwrap();
        let mut device = index.on_device(DEVICE).unwrap();
        let room = match (codec, metric) {
            (Codec::Int8 | Codec::Int4 | Codec::Planes, _) => 0.3,
            (Codec::Binary, Metric::L2) => 1.5,
            _ => 2e-5,
        };
        let allow = Some((0..4050).filter(|id| id % 3 == 0 && id / 1000 != 1).collect::<Vec<u64>>());
        for allow in [None, allow] {
            for probe in [Probe::Lists(1), Probe::Lists(4), Probe::Recall(0.9)] {
                let search = Search { allow: allow.clone(), probe, ..Search::nearest(5) };
                let (found, wanted) =
                    (device.search(&queries, &search).unwrap(), index.search(&queries, &search).unwrap());
                assert_eq!(found.forecast.lists, wanted.forecast.lists, "{what}");
                near(&found, &wanted, room, &format!("{what} {probe:?}"));
                let may = |id: &u64| {
                    *id == u64::MAX || id % 7 != 3 && allow.as_ref().is_none_or(|allow| allow.contains(id))
                };
                assert!(found.ids.iter().all(may), "{what}: one that may not be found");
            }
        }
        // All of the lists are all rows, which is another way of looking, with the same answer to the bit.
        let all = device.search(&queries, &Search { probe: Probe::All, ..Search::nearest(5) }).unwrap();
        assert_eq!(all.forecast.lists, None);
        let most =
            device.search(&queries, &Search { probe: Probe::Lists(29), ..Search::nearest(5) }).unwrap();
        assert_eq!(scores(&all), scores(&most), "{what}");
    }
}

#[test]
fn lists_that_stream_are_found_as_those_that_stay_to_the_bit_and_within_the_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let queries = grouped(8, 24);
    for codec in [Codec::F32, Codec::Int8, Codec::Binary] {
        let home = folder.path().join(codec.name());
        made(&home, shape(codec, Metric::L2, 30));
        let search = Search { probe: Probe::Lists(3), ..Search::nearest(20) };
        let roomy = machine(Bytes::mib(32), Bytes::mib(8));
        let index = Index::open(&home, &roomy).unwrap();
        let mut stays = index.on_device(DEVICE).unwrap();
        let whole = stays.search(&queries, &search).unwrap();
        assert_eq!((whole.forecast.passes, whole.measured.read), (0, whole.forecast.kept), "{codec}");
        let second = stays.search(&queries, &search).unwrap();
        assert_eq!((second.measured.read, second.forecast.read), (Bytes::ZERO, Bytes::ZERO), "{codec}");
        assert_eq!(scores(&second), scores(&whole));
        let told = |answer: &Answer| (answer.measured.device_peak, answer.forecast.device.unwrap().peak);
        let ((first, said), (then, said_then)) = (told(&whole), told(&second));
        assert_eq!(first, said, "{codec}: to the byte where there is room");
        assert!(then == first.max(said_then), "{codec}: {then} measured, {said_then} predicted");

        let (mut streamed, mut less) = (0, 0);
        for kib in [600, 300, 220, 200, 180, 160, 140, 120, 100, 80, 60] {
            let budget = Bytes::kib(kib);
            let small = machine(Bytes::mib(32), budget);
            let index = Index::open(&home, &small).unwrap();
            let mut device = index.on_device(DEVICE).unwrap();
            for turn in 0..2 {
                let forecast = match device.forecast(24, &search) {
                    Err(VecError::Budget { needed, .. }) if needed > budget => continue,
                    forecast => forecast.unwrap(),
                };
                let answer = device.search(&queries, &search).unwrap();
                let what = format!("{codec} in {budget}, turn {turn}: {forecast:?} {:?}", answer.measured);
                assert_eq!(forecast, answer.forecast, "{what}");
                assert_eq!(scores(&answer), scores(&whole), "{what}");
                let share = forecast.device.unwrap();
                assert!(share.peak <= budget && answer.measured.device_peak <= budget, "{what}");
                // Where memory is short a pool takes idle parts in turns.
                let room = (share.peak.get() / 100).max(16 << 10);
                assert!(answer.measured.device_peak.get().abs_diff(share.peak.get()) <= room, "{what}");
                streamed += u32::from(forecast.streamed > Bytes::ZERO);
                less += u32::from(answer.measured.read < forecast.streamed);
            }
            drop(device);
            let pool = small.scratch(DEVICE).unwrap();
            pool.settle().unwrap();
            assert_eq!(pool.stats().live, Bytes::ZERO, "nothing is left behind");
        }
        assert!(streamed >= 4, "{codec}: {streamed} streamed, {less} of them in part");
    }
}

#[test]
fn a_device_that_searches_no_runs_looks_at_every_row_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    made(&home, shape(Codec::F32, Metric::L2, 30));
    let queries = grouped(7, 10);
    let few = Search { probe: Probe::Lists(2), ..Search::nearest(10) };
    let all = Search { probe: Probe::All, ..few.clone() };
    let machine = machine_that(Bytes::mib(32), Bytes::mib(8), false);
    let index = Index::open(&home, &machine).unwrap();
    let mut device = index.on_device(DEVICE).unwrap();
    assert_eq!(device.forecast(10, &few).unwrap().lists, None);
    let found = device.search(&queries, &few).unwrap();
    assert_eq!(found.forecast.lists, None);
    near(&found, &index.search(&queries, &all).unwrap(), 2e-5, "all rows");
}

#[test]
fn few_queries_read_their_lists_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let rows = npy(folder.path(), "rows.npy", &grouped(1, 30_000), DIMENSION);
    let index = Index::create(&home, shape(Codec::F32, Metric::L2, 60), &account(Bytes::mib(64))).unwrap();
    index.build(&rows, None, |_| {}).unwrap();
    drop(index);
    let small = machine(Bytes::mib(32), Bytes::kib(700));
    let index = Index::open(&home, &small).unwrap();
    let mut device = index.on_device(DEVICE).unwrap();
    let search = Search { probe: Probe::Lists(2), ..Search::nearest(10) };
    let query = grouped(7, 1);
    device.search(&query, &search).unwrap();
    let answer = device.search(&query, &search).unwrap();
    let (read, streamed) = (answer.measured.read, answer.forecast.streamed);
    assert!(streamed > Bytes::mib(2) && read.get() * 10 < streamed.get(), "{read} of {streamed}");
    let said = answer.forecast.read.get();
    assert!(said * 10 < streamed.get(), "{said} said of {streamed}");
}
