//! An index that a device searches (the simulated one): the host's answers, whatever stays there and whatever streams.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::path::Path;

use bed::device::{self, DEVICE, Machine, near, scores};
use bed::{account, npy, vectors};
use plimsoll::{Bytes, Place};
use plimsoll_device::{DeviceError, SimSettings};
use plimsoll_vec::gpu::GpuError;
use plimsoll_vec::index::{Index, Search, Shape, VecError};
use plimsoll_vec::neural::{NeuralShape, Reduction, Weights};
use plimsoll_vec::{Codec, Metric};

const DIMENSION: usize = 24;

fn shape(codec: Codec, metric: Metric) -> Shape {
    Shape { dimension: DIMENSION, metric, codec, originals: codec != Codec::F32, lists: None, reduced: None }
}

/// A machine with so much memory of its own, and so much on a device.
fn machine(host: Bytes, there: Bytes) -> Machine {
    device::machine(host, there, SimSettings::default().runs)
}

/// Two segments, some of whose rows are dead, and what is young.
fn made(home: &Path, shape: Shape) {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (vectors(1, 3000 * DIMENSION), vectors(2, 700 * DIMENSION));
    let index = Index::create(home, shape, &account(Bytes::mib(64))).unwrap();
    index.build(&npy(folder.path(), "one.npy", &one, DIMENSION), None, |_| {}).unwrap();
    index.build(&npy(folder.path(), "two.npy", &two, DIMENSION), None, |_| {}).unwrap();
    index.add(&vectors(3, 200 * DIMENSION), None).unwrap();
    let gone: Vec<u64> = (0..3900).filter(|id| id % 7 == 3).collect();
    index.delete(&gone).unwrap();
}

#[test]
fn a_device_answers_as_the_host_does() {
    let folder = tempfile::tempdir().unwrap();
    let queries = vectors(9, 12 * DIMENSION);
    for (codec, metric) in [
        (Codec::F32, Metric::L2),
        (Codec::F32, Metric::Ip),
        (Codec::F16, Metric::Cosine),
        (Codec::Bf16, Metric::L2),
        (Codec::Int8, Metric::L2),
        (Codec::Int8, Metric::Cosine),
        (Codec::Int8Affine, Metric::L2),
        (Codec::Int8Affine, Metric::Ip),
        (Codec::Int4, Metric::L2),
        (Codec::Int4, Metric::Cosine),
        (Codec::Binary, Metric::Hamming),
        (Codec::Binary, Metric::L2),
        (Codec::Binary, Metric::Ip),
        (Codec::Binary, Metric::Cosine),
        (Codec::Planes, Metric::L2),
        (Codec::Planes, Metric::Ip),
    ] {
        let what = format!("{codec} {metric}");
        let home = folder.path().join(&what);
        made(&home, shape(codec, metric));
        let machine = machine(Bytes::mib(32), Bytes::mib(8));
        let index = Index::open(&home, &machine.account).unwrap();
        let mut device = index.on_device(DEVICE).unwrap();
        // The host rounds queries to levels, and a device does not.
        let room = match (codec, metric) {
            (Codec::Int8 | Codec::Int8Affine | Codec::Int4 | Codec::Planes, _) => 0.3,
            (Codec::Binary, Metric::L2 | Metric::Ip | Metric::Cosine) => 1.5,
            _ => 2e-5,
        };
        let allow = Some((0..3900).filter(|id| id % 3 == 0 && id / 1000 != 1).collect::<Vec<u64>>());
        for allow in [None, allow] {
            let search = Search { allow: allow.clone(), ..Search::nearest(10) };
            let (found, wanted) =
                (device.search(&queries, &search).unwrap(), index.search(&queries, &search).unwrap());
            near(&found, &wanted, room, &what);
            let may = |id: &u64| id % 7 != 3 && allow.as_ref().is_none_or(|allow| allow.contains(id));
            assert!(found.ids.iter().all(may), "{what}: one that may not be found");
        }
        let again = Search { again: 4, ..Search::nearest(10) };
        let (found, wanted) =
            (device.search(&queries, &again).unwrap(), index.search(&queries, &again).unwrap());
        if matches!(codec, Codec::Binary | Codec::Planes) && metric != Metric::Hamming {
            // Estimates that are so rough leave other candidates where queries are rounded and where they are not.
            near(&found, &wanted, 1.5, &what);
        } else {
            assert_eq!(scores(&found), scores(&wanted), "{what}, looked at again");
        }
        assert!(codec == Codec::F32 || found.measured.again > Bytes::ZERO);
    }
}

#[test]
fn what_streams_to_a_device_is_found_as_what_stays_to_the_bit_and_within_the_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let queries = vectors(8, 24 * DIMENSION);
    for codec in [Codec::F32, Codec::Int8] {
        let home = folder.path().join(codec.name());
        made(&home, shape(codec, Metric::L2));
        let search = Search::nearest(60);
        let roomy = machine(Bytes::mib(32), Bytes::mib(8));
        let index = Index::open(&home, &roomy.account).unwrap();
        let mut stays = index.on_device(DEVICE).unwrap();
        let whole = stays.search(&queries, &search).unwrap();
        assert_eq!((whole.forecast.passes, whole.measured.read), (0, whole.forecast.kept), "{codec}");
        let second = stays.search(&queries, &search).unwrap();
        assert_eq!((second.measured.read, second.forecast.read), (Bytes::ZERO, Bytes::ZERO), "{codec}");
        assert_eq!(scores(&second), scores(&whole));

        let (mut streamed, mut parted) = (0, 0);
        for kib in [300, 200, 100, 64, 52, 48, 44, 36, 34] {
            let budget = Bytes::kib(kib);
            let small = machine(Bytes::mib(32), budget);
            let index = Index::open(&home, &small.account).unwrap();
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
                assert_eq!(answer.measured.read, forecast.read, "{what}");
                streamed += u32::from(forecast.streamed > Bytes::ZERO);
                parted += u32::from(forecast.queries_a_pass < 24);
            }
            drop(device);
            let pool = small.account.scratch(DEVICE).unwrap();
            pool.settle().unwrap();
            assert_eq!(pool.stats().live, Bytes::ZERO, "nothing is left behind");
        }
        assert!(streamed >= 6 && parted >= 1, "{codec}: {streamed} streamed, {parted} in parts");
    }
}

#[test]
fn what_is_charged_on_a_device_is_within_a_hundredth_of_the_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let rows = npy(folder.path(), "rows.npy", &vectors(1, 160_000 * DIMENSION), DIMENSION);
    let queries = vectors(9, 2 * DIMENSION);
    for codec in [Codec::F32, Codec::F16, Codec::Int8, Codec::Planes] {
        let home = folder.path().join(codec.name());
        let index = Index::create(&home, shape(codec, Metric::L2), &account(Bytes::mib(64))).unwrap();
        index.build(&rows, None, |_| {}).unwrap();
        index.delete(&[7, 9]).unwrap();
        drop(index);
        // With room to spare, with some, and with little: then it streams.
        let mut streamed = 0;
        let small = (2500..7000).step_by(450);
        for kib in [64, 24, 12].into_iter().map(|mib| mib << 10).chain(small) {
            let there = Bytes::kib(kib);
            let machine = machine(Bytes::mib(96), there);
            let index = Index::open(&home, &machine.account).unwrap();
            let answer = index.on_device(DEVICE).unwrap().search(&queries, &Search::nearest(3)).unwrap();
            let (measured, predicted) =
                (answer.measured.device_peak.get(), answer.forecast.device.unwrap().peak.get());
            streamed += u32::from(answer.forecast.passes > 0);
            let what = format!("{codec} in {there}: {measured} measured, {predicted} predicted");
            // Where memory is short a pool takes idle parts in turns, and what it has may lie otherwise.
            let room = if kib < 12 << 10 { (predicted / 100).max(128 << 10) } else { 0 };
            assert!(measured <= there.get() && measured.abs_diff(predicted) <= room, "{what}");
        }
        assert!(streamed > 0, "{codec}");
    }
}

#[test]
fn searches_go_on_and_ask_the_device_for_memory_once() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let rows = npy(folder.path(), "rows.npy", &vectors(1, 130 * DIMENSION), DIMENSION);
    let index = Index::create(&home, shape(Codec::F32, Metric::L2), &account(Bytes::mib(8))).unwrap();
    index.build(&rows, None, |_| {}).unwrap();
    drop(index);
    let machine = machine(Bytes::mib(8), Bytes::mib(2));
    let index = Index::open(&home, &machine.account).unwrap();
    let mut device = index.on_device(DEVICE).unwrap();
    let (queries, search) = (vectors(9, 4 * DIMENSION), Search::nearest(3));
    let all = device.search(&queries, &search).unwrap();
    let mut before = machine.device.counts();
    // More often than a device has streams, for as many and for fewer. The first ones find places for what they work in.
    for turn in 0..1100 {
        if turn == 4 {
            before = machine.device.counts();
        }
        let some = if turn % 2 == 0 { &queries[..] } else { &queries[..DIMENSION] };
        let found = device.search(some, &search).unwrap();
        assert_eq!(scores(&found), scores(&all)[..found.ids.len()], "turn {turn}");
    }
    let after = machine.device.counts();
    assert_eq!((after.commits, after.decommits), (before.commits, before.decommits));
    assert_eq!(after.committed_bytes, before.committed_bytes);
    // What it keeps ready is anybody's who asks: another takes all that codes leave.
    let left = machine.account.reserve(DEVICE, Bytes::kib(2048 - 64)).now();
    assert!(left.is_ok(), "{left:?}");
}

/// Some weights, whose decoder is made to be at right angles.
fn reduction() -> Reduction {
    const LATENT: usize = 16;
    let shape = NeuralShape { dimension: DIMENSION, latent: LATENT, normalized: false };
    let small = |seed| vectors(seed, DIMENSION * LATENT).into_iter().map(|x| x * 0.2).collect();
    let weights = Weights::new(shape, small(11), small(12), vectors(13, DIMENSION)).unwrap();
    weights.orthonormal(&account(Bytes::mib(4))).unwrap()
}

#[test]
fn a_device_searches_what_vectors_are_reduced_to_and_tells_what_the_host_tells() {
    let folder = tempfile::tempdir().unwrap();
    let queries = vectors(9, 12 * DIMENSION);
    for (codec, metric) in [
        (Codec::F32, Metric::L2),
        (Codec::F32, Metric::Cosine),
        (Codec::F16, Metric::Ip),
        (Codec::Int8, Metric::L2),
        (Codec::Planes, Metric::L2),
    ] {
        let what = format!("{codec} {metric}, reduced");
        let home = folder.path().join(&what);
        let shape = Shape { originals: true, ..shape(codec, metric) };
        let index = Index::create_reduced(&home, shape, &reduction(), &account(Bytes::mib(64))).unwrap();
        let rows = npy(folder.path(), "rows.npy", &vectors(1, 2000 * DIMENSION), DIMENSION);
        index.build(&rows, None, |_| {}).unwrap();
        index.add(&vectors(3, 100 * DIMENSION), None).unwrap();
        index.delete(&(0..2100).filter(|id| id % 7 == 3).collect::<Vec<u64>>()).unwrap();
        drop(index);
        let room = match codec {
            Codec::Int8 | Codec::Planes => 0.5,
            _ => 2e-4,
        };
        // All of it there, and streamed.
        for there in [Bytes::mib(8), Bytes::kib(120)] {
            let machine = machine(Bytes::mib(32), there);
            let index = Index::open(&home, &machine.account).unwrap();
            let mut device = index.on_device(DEVICE).unwrap();
            let search = Search::nearest(10);
            let (found, wanted) =
                (device.search(&queries, &search).unwrap(), index.search(&queries, &search).unwrap());
            near(&found, &wanted, room, &what);
            assert!(found.ids.iter().all(|id| id % 7 != 3), "{what}: one that is dead");
            let again = Search { again: 4, ..search };
            let (found, wanted) =
                (device.search(&queries, &again).unwrap(), index.search(&queries, &again).unwrap());
            if matches!(codec, Codec::Planes | Codec::Int8) {
                // One may be left out where queries are rounded, or where they are not.
                near(&found, &wanted, 2.0, &what);
            } else {
                assert_eq!(scores(&found), scores(&wanted), "{what}, looked at again");
            }
        }
    }
}

#[test]
fn what_a_device_cannot_do_is_refused_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("pq8");
    made(&home, shape(Codec::Pq8, Metric::L2));
    let roomy = machine(Bytes::mib(32), Bytes::mib(8));
    let index = Index::open(&home, &roomy.account).unwrap();
    let refused = index.on_device(DEVICE).unwrap_err();
    assert!(matches!(refused, VecError::Device(GpuError::Codec { codec: Codec::Pq8 })), "{refused}");
    assert!(refused.to_string().contains("f32, f16, bf16, int8"), "{refused}");

    let home = folder.path().join("f32");
    made(&home, shape(Codec::F32, Metric::L2));
    let index = Index::open(&home, &roomy.account).unwrap();
    assert!(matches!(index.on_device(Place::Cuda(3)), Err(VecError::Engine(_))), "no share of it");
    let queries = vectors(6, 3 * DIMENSION);
    let mut device = index.on_device(DEVICE).unwrap();
    assert!(matches!(
        device.search(&queries[1..], &Search::nearest(1)),
        Err(VecError::Dimension { found: 23, .. })
    ));
    for (odd, said) in [(f32::NAN, "is NaN"), (f32::INFINITY, "is inf")] {
        let found = device.search(&[odd; DIMENSION], &Search::nearest(1)).unwrap_err().to_string();
        assert!(found.contains(said), "{found}");
    }
    assert!(matches!(
        device.search(&queries, &Search::nearest(4000)),
        Err(VecError::TooFew { k: 4000, vectors: 3343 })
    ));
    assert!(device.search(&queries, &Search::nearest(5000)).unwrap_err().to_string().contains("1 to 4096"));
    device.search(&queries, &Search::nearest(1)).unwrap();

    // What has no direction is named by its number among all, whatever passes there are.
    let home = folder.path().join("empty");
    let empty = Index::create(&home, shape(Codec::F32, Metric::Cosine), &roomy.account).unwrap();
    assert!(matches!(
        empty.on_device(DEVICE).unwrap().search(&queries, &Search::nearest(1)),
        Err(VecError::Empty)
    ));
    empty.add(&vectors(3, 900 * DIMENSION), None).unwrap();
    let mut many = vectors(4, 40 * DIMENSION);
    many[37 * DIMENSION..38 * DIMENSION].fill(0.0);
    drop(empty);
    for there in [Bytes::mib(8), Bytes::kib(48)] {
        let small = machine(Bytes::mib(32), there);
        let index = Index::open(&home, &small.account).unwrap();
        let mut device = index.on_device(DEVICE).unwrap();
        let passes = device.forecast(40, &Search::nearest(60)).unwrap().queries_a_pass;
        assert!((passes < 38) == (there < Bytes::mib(1)), "{passes} at a time in {there}");
        let zeros = device.search(&many, &Search::nearest(60)).unwrap_err();
        assert!(zeros.to_string().contains("vector 37"), "{zeros}");
    }

    let home = folder.path().join("f32");
    for (host, there, why) in [(32 << 20, 10 << 10, "device's memory"), (2 << 20, 32 << 20, "")] {
        let small = machine(Bytes::new(host), Bytes::new(there));
        let index = Index::open(&home, &small.account).unwrap();
        let mut device = index.on_device(DEVICE).unwrap();
        match device.search(&queries, &Search::nearest(1)) {
            Err(VecError::Budget { needed, .. }) => {
                let said = device.search(&queries, &Search::nearest(1)).unwrap_err().to_string();
                assert!(!why.is_empty() && said.contains(why), "{said}");
                let enough = machine(Bytes::new(host), needed);
                let index = Index::open(&home, &enough.account).unwrap();
                index.on_device(DEVICE).unwrap().search(&queries, &Search::nearest(1)).unwrap();
            }
            answer => assert!(why.is_empty() && answer.is_ok(), "{answer:?}"),
        }
    }
}

#[test]
fn a_device_that_is_lost_or_a_file_that_is_damaged_says_so_and_nothing_stays_charged() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    made(&home, shape(Codec::F16, Metric::L2));
    let queries = vectors(5, 2 * DIMENSION);
    let small = machine(Bytes::mib(32), Bytes::kib(256));
    let index = Index::open(&home, &small.account).unwrap();
    let mut device = index.on_device(DEVICE).unwrap();
    device.search(&queries, &Search::nearest(3)).unwrap();
    small.device.lose();
    let lost = device.search(&queries, &Search::nearest(3)).unwrap_err();
    assert!(lost.to_string().to_lowercase().contains("lost"), "{lost}");
    let is_lost = |error: &DeviceError| matches!(error, DeviceError::Lost { .. });
    if let VecError::Device(GpuError::Device(error)) = &lost {
        assert!(is_lost(error), "{lost}");
    }
    drop(device);
    drop(index);

    let codes = std::fs::read_dir(&home).unwrap().flatten().map(|entry| entry.path());
    let codes = codes.filter(|path| path.extension().is_some_and(|end| end == "codes")).max().unwrap();
    let mut bytes = std::fs::read(&codes).unwrap();
    let at = 4096 + 64 * 2 * DIMENSION + 17;
    bytes[at] ^= 1;
    std::fs::write(&codes, bytes).unwrap();
    let roomy = machine(Bytes::mib(32), Bytes::mib(8));
    let index = Index::open(&home, &roomy.account).unwrap();
    let mut device = index.on_device(DEVICE).unwrap();
    for _ in 0..2 {
        let damaged = device.search(&queries, &Search::nearest(3)).unwrap_err();
        assert!(damaged.to_string().contains("damaged in unit 1"), "{damaged}");
    }
}
