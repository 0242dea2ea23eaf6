//! A flat search on the simulated device: what it finds is what the host's index finds, streamed or not, within its
//! account, and a device that is lost in the middle says so.

use std::sync::Arc;

use plimsoll::governor::{Account, Governor};
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{LeaseError, Pool, PoolSettings};
use plimsoll::{Bytes, Place};
use plimsoll_device::{Capabilities, DeviceError, SimDevice, SimSettings};

use super::*;
use crate::code::normal;
use crate::{BLOCK_ROWS, CodeError, Codec, Coder, Hit, Metric, Queries, Tops, scan};

const PLACE: Place = Place::Sim(0);
const DIMENSION: usize = 24;

struct Bed {
    account: Account,
    device: Arc<SimDevice>,
}

impl Bed {
    fn new(line: Bytes, change: impl FnOnce(&mut SimSettings)) -> Self {
        let mut settings = SimSettings { place: PLACE, total: Bytes::mib(32), ..SimSettings::default() };
        change(&mut settings);
        let governor = Governor::open(&LedgerSettings {
            places: vec![LineSettings::new(PLACE, line)],
            accounts: vec![AccountSettings::new("vec").share(PLACE, Bytes::ZERO, line)],
        })
        .unwrap();
        let account = governor.account("vec").unwrap();
        Self { account, device: Arc::new(SimDevice::new(settings).unwrap()) }
    }

    fn pool(&self) -> Pool {
        let settings = PoolSettings { span: Some(Bytes::mib(64)), ..PoolSettings::default() };
        Pool::new(&self.account, self.device.clone(), settings).unwrap()
    }

    /// Memory of it that the host writes.
    fn shared(&self) -> Pool {
        let settings = PoolSettings {
            span: Some(Bytes::mib(64)),
            mode: Some(plimsoll_device::StorageMode::Shared),
            ..PoolSettings::default()
        };
        Pool::new(&self.account, self.device.clone(), settings).unwrap()
    }
}

fn roomy() -> Bed {
    Bed::new(Bytes::mib(16), |_| {})
}

fn shape(codec: Codec, metric: Metric, rows: u32) -> FlatShape {
    FlatShape { codec, metric, dimension: DIMENSION, rows }
}

fn vectors(rows: usize, seed: u64) -> Vec<f32> {
    normal(seed, rows * DIMENSION)
}

/// What the host's scan finds among rows as a codec keeps them.
fn on_host(
    shape: &FlatShape,
    vectors: &[f32],
    queries: &[f32],
    k: usize,
    live: Option<&[u64]>,
) -> Vec<Vec<u64>> {
    let rows = vectors.len() / DIMENSION;
    let blocks_of = |codec, vectors: &[f32]| {
        let coder = Coder::new(codec, shape.metric, DIMENSION).unwrap();
        let mut blocks = vec![0; rows.div_ceil(BLOCK_ROWS) * coder.layout().block_bytes()];
        coder.encode(vectors, 0, &mut blocks).unwrap();
        (coder, blocks)
    };
    let (coder, blocks) = blocks_of(shape.codec, vectors);
    let mut kept = vec![0.0; vectors.len()];
    coder.decode(&blocks, 0..rows, &mut kept).unwrap();
    let (_, blocks) = blocks_of(Codec::F32, &kept);
    let queries = Queries::new(Codec::F32, shape.metric, DIMENSION, queries).unwrap();
    let mut tops = Tops::new(&queries, k).unwrap();
    scan(&queries, &blocks, rows, 0, live, &mut tops);
    (0..queries.count()).map(|query| tops.hits(query).iter().map(|hit| hit.row).collect()).collect()
}

fn rows_of(found: &[Vec<Hit>]) -> Vec<Vec<u64>> {
    found.iter().map(|hits| hits.iter().map(|hit| hit.row).collect()).collect()
}

/// Queries that every codec keeps as they are.
fn queries(count: usize) -> Vec<f32> {
    vectors(count, 9).into_iter().map(|number| half::bf16::from_f32(number).to_f32()).collect()
}

#[test]
fn a_device_finds_what_the_host_finds() {
    let bed = roomy();
    for (codec, metric) in [
        (Codec::F32, Metric::L2),
        (Codec::F32, Metric::Cosine),
        (Codec::F16, Metric::Ip),
        (Codec::Bf16, Metric::L2),
        (Codec::Int8, Metric::L2),
    ] {
        let (data, asked) = (vectors(700, 3), queries(5));
        let shape = shape(codec, metric, 700);
        let mut flat = Flat::resident(&bed.pool(), shape).unwrap();
        // In parts that are no whole blocks.
        flat.push(&data[..100 * DIMENSION]).unwrap();
        flat.push(&data[100 * DIMENSION..]).unwrap();
        assert_eq!(flat.rows(), 700);
        let found = flat.search(&asked, 10, None).unwrap();
        assert_eq!(rows_of(&found), on_host(&shape, &data, &asked, 10, None), "{codec} {metric}");
        let mut live = [!0x10_u64; 11];
        live[3] = 0;
        let found = flat.search(&asked, 10, Some(&live)).unwrap();
        assert_eq!(rows_of(&found), on_host(&shape, &data, &asked, 10, Some(&live)), "{codec} masked");
    }
}

#[test]
fn what_streams_is_found_as_what_stays_to_the_bit() {
    // Large rows lie in several pieces on a device whose allocations are small.
    let slabs = Capabilities { growable_ranges: false, shared: true, private: true, managed: true };
    let bed = Bed::new(Bytes::mib(16), |settings| settings.capabilities = slabs);
    for codec in [Codec::F32, Codec::Int8] {
        let (data, asked) = (vectors(3000, 4), queries(7));
        let shape = shape(codec, Metric::L2, 3000);
        let settings = FlatSettings { chunk: Bytes::kib(40), ring: 3 };
        let mut stays = Flat::resident(&bed.pool(), shape).unwrap();
        let mut streams = Flat::streamed(&bed.shared(), &bed.pool(), shape, settings).unwrap();
        let mut live = vec![!0_u64; 47];
        live[20] = 0x0f0f;
        live[46] = 1;
        for flat in [&mut stays, &mut streams] {
            flat.push(&data).unwrap();
        }
        for live in [None, Some(live.as_slice())] {
            let (one, other) =
                (stays.search(&asked, 20, live).unwrap(), streams.search(&asked, 20, live).unwrap());
            let bits = |found: &[Vec<Hit>]| -> Vec<(u32, u64)> {
                found.iter().flatten().map(|hit| (hit.score.to_bits(), hit.row)).collect()
            };
            assert_eq!(bits(&one), bits(&other));
            assert_eq!(one.iter().map(Vec::len).collect::<Vec<_>>(), [20; 7]);
        }
    }
}

#[test]
fn everything_is_charged_and_goes_back() {
    let bed = roomy();
    let shape = shape(Codec::Int8, Metric::L2, 1000);
    let (pool, rows) = (bed.pool(), bed.shared());
    let settings = FlatSettings { chunk: Bytes::kib(8), ring: 4 };
    let mut flat = Flat::streamed(&rows, &pool, shape, settings).unwrap();
    // Pools round each lease up to what the device aligns.
    let near = |live: Bytes, wanted: u64| live.get() >= wanted && live.get() < wanted + 8 * 256;
    assert!(near(rows.stats().live, shape.bytes().get()), "{}", rows.stats().live);
    let ring = pool.stats().live;
    assert!(near(ring, 4 * 256 * (24 + 4)), "{ring}");
    flat.push(&vectors(1000, 5)).unwrap();
    flat.search(&queries(3), 10, None).unwrap();
    pool.settle().unwrap();
    assert_eq!(pool.stats().live, ring, "a search leaves nothing");
    drop((flat, pool, rows));
    assert_eq!(bed.account.charged(PLACE), Bytes::ZERO);
    assert_eq!(bed.device.used(), Bytes::ZERO);
}

#[test]
fn many_queries_are_searched_in_parts_where_there_is_little_room_and_one_too_many_is_refused() {
    let shape = shape(Codec::F32, Metric::L2, 500);
    let (data, asked) = (vectors(500, 6), queries(100));
    let roomy = roomy();
    let mut flat = Flat::resident(&roomy.pool(), shape).unwrap();
    flat.push(&data).unwrap();
    let wanted = flat.search(&asked, 500, None).unwrap();
    // Rows take 48 kB, and lists of 500 for each query 400 kB.
    let bed = Bed::new(Bytes::kib(192), |settings| settings.granule = 4096);
    let mut flat = Flat::resident(&bed.pool(), shape).unwrap();
    flat.push(&data).unwrap();
    let found = flat.search(&asked, 500, None).unwrap();
    assert_eq!(rows_of(&found), rows_of(&wanted));
    let bed = Bed::new(Bytes::kib(56), |settings| settings.granule = 4096);
    let mut flat = Flat::resident(&bed.pool(), shape).unwrap();
    flat.push(&data).unwrap();
    let refused = flat.search(&asked, 2000, None).unwrap_err();
    assert!(matches!(refused, GpuError::Lease(LeaseError::Refused { .. })), "{refused}");
}

#[test]
fn what_does_not_fit_is_refused_with_a_reason() {
    let bed = roomy();
    let pool = bed.pool();
    let make = |codec, metric| Flat::resident(&pool, shape(codec, metric, 10)).unwrap_err();
    assert!(matches!(make(Codec::Pq4, Metric::L2), GpuError::Codec { .. }));
    assert!(matches!(make(Codec::F16, Metric::Hamming), GpuError::Metric { .. }));
    let mut flat = Flat::resident(&pool, shape(Codec::F32, Metric::Cosine, 3)).unwrap();
    assert_eq!(flat.search(&queries(2), 5, None).unwrap(), [vec![], vec![]], "no rows, no hits");
    let full = flat.push(&vectors(4, 1)).unwrap_err();
    assert!(matches!(full, GpuError::Full { room: 3, filled: 0, more: 4 }), "{full}");
    assert!(matches!(flat.push(&[1.0; 25]), Err(GpuError::Code(CodeError::Ragged { .. }))));
    let mut odd = vectors(2, 1);
    odd[30] = f32::NAN;
    assert!(matches!(flat.push(&odd), Err(GpuError::Code(CodeError::NotFinite { vector: 1, .. }))));
    odd[24..].fill(0.0);
    assert!(matches!(flat.push(&odd), Err(GpuError::Code(CodeError::NoDirection { vector: 1 }))));
    assert_eq!(flat.rows(), 0, "all or none");
    flat.push(&vectors(3, 1)).unwrap();
    for k in [0, 4097] {
        assert!(matches!(flat.search(&queries(1), k, None), Err(GpuError::Count { .. })));
    }
    assert!(matches!(
        flat.search(&odd[..24], 1, Some(&[1, 2])),
        Err(GpuError::Mask { found: 2, wanted: 1, .. })
    ));
    let zeros = flat.search(&[queries(1), vec![0.0; 24]].concat(), 1, None);
    assert!(matches!(zeros, Err(GpuError::Code(CodeError::NoDirection { vector: 1 }))));
    assert_eq!(flat.search(&queries(1), 5, None).unwrap()[0].len(), 3, "as many as there are");

    let bare = Bed::new(Bytes::mib(4), |settings| settings.kernels = false);
    let none = Flat::resident(&bare.pool(), shape(Codec::F32, Metric::L2, 3)).unwrap_err();
    assert!(matches!(none, GpuError::NoKernels { .. }), "{none}");
}

#[test]
fn a_device_that_is_lost_in_the_middle_says_so_and_nothing_stays_charged() {
    let bed = roomy();
    let shape = shape(Codec::F32, Metric::L2, 2000);
    let settings = FlatSettings { chunk: Bytes::kib(16), ring: 2 };
    let mut flat = Flat::streamed(&bed.shared(), &bed.pool(), shape, settings).unwrap();
    flat.push(&vectors(2000, 5)).unwrap();
    flat.search(&queries(1), 3, None).unwrap();
    bed.device.lose();
    let lost = flat.search(&queries(1), 3, None).unwrap_err();
    let is_lost = match &lost {
        GpuError::Lease(LeaseError::Device(error)) => matches!(**error, DeviceError::Lost { .. }),
        GpuError::Device(error) => matches!(error, DeviceError::Lost { .. }),
        _ => false,
    };
    assert!(is_lost, "{lost}");
    drop(flat);
    assert_eq!(bed.account.charged(PLACE), Bytes::ZERO);
}
