//! What it costs to take memory and give it back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::governor::Governor;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{Pool, PoolSettings};
use plimsoll_device::{Bytes, Device};

use super::rounds::medians;
use super::{Bench, Failed, Row};

/// The sizes that are taken on the device.
pub const SIZES: [u64; 6] = [4 << 10, 64 << 10, 1 << 20, 2 << 20, 16 << 20, 256 << 20];
/// And of pinned memory.
pub const PINNED: [u64; 3] = [1 << 20, 16 << 20, 200_000_000];

const ROUNDS: usize = 9;

fn pool(device: Arc<dyn Device>) -> Result<Pool, Failed> {
    let failed = |error: &dyn std::error::Error| Failed(error.to_string());
    let (place, line) = (device.facts().place, Bytes::gib(4));
    let plan = LedgerSettings {
        places: vec![LineSettings::new(place, line)],
        accounts: vec![AccountSettings::new("bench").share(place, Bytes::ZERO, line)],
    };
    let account = Governor::open(&plan).and_then(|governor| governor.account("bench"));
    let account = account.map_err(|error| failed(&error))?;
    // One block of the largest size stays in the thread's cache.
    let settings = PoolSettings { thread_cache: Some(Bytes::gib(2)), ..PoolSettings::default() };
    Pool::new(&account, device, settings).map_err(|error| failed(&error))
}

/// The time of one pair, when so many are done in a row.
fn pairs(count: u32, mut pair: impl FnMut() -> Result<(), Failed>) -> Result<Duration, Failed> {
    let began = Instant::now();
    for _ in 0..count {
        pair()?;
    }
    Ok(began.elapsed() / count)
}

fn lease(pool: &Pool, bytes: u64) -> Result<(), Failed> {
    let lease = pool.lease(Bytes::new(bytes)).map_err(|error| Failed(error.to_string()))?;
    drop(std::hint::black_box(lease));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a short time")]
fn nanoseconds(time: Duration, count: u32) -> f64 {
    time.as_nanos() as f64 / f64::from(count)
}

/// Memory of the GPU.
pub fn device(bench: &Bench, row: &mut dyn FnMut(Row)) -> Result<(), Failed> {
    const LEASES: u32 = 20_000;
    let pool = pool(bench.device.clone())?;
    for bytes in SIZES {
        let what = format!("take and give back {}", Bytes::new(bytes));
        // The total of many leases, because one is too short for a clock that counts nanoseconds.
        let mut ours = || pairs(1, || (0..LEASES).try_for_each(|_| lease(&pool, bytes)));
        let mut plain = || pairs(10, || bench.driver.plain_pair(bytes));
        let mut ordered = || {
            let time = pairs(500, || bench.driver.ordered_pair(bytes))?;
            bench.driver.finish()?;
            Ok(time)
        };
        let times = medians(ROUNDS, &mut [&mut ours, &mut plain, &mut ordered])?;
        for (who, time, count) in
            [("plimsoll", times[0], LEASES), ("cuMemAllocAsync", times[2], 1), ("cuMemAlloc", times[1], 1)]
        {
            row(Row { what: what.clone(), who, value: nanoseconds(time, count), unit: "ns" });
        }
    }
    Ok(())
}

/// Page-locked memory of the host.
pub fn pinned(bench: &Bench, row: &mut dyn FnMut(Row)) -> Result<(), Failed> {
    const LEASES: u32 = 20_000;
    let pool = pool(bench.pinned.clone())?;
    for bytes in PINNED {
        let what = format!("take and give back {} pinned", Bytes::new(bytes));
        let mut ours = || pairs(1, || (0..LEASES).try_for_each(|_| lease(&pool, bytes)));
        let mut plain = || pairs(2, || bench.driver.pinned_pair(bytes));
        let times = medians(3, &mut [&mut ours, &mut plain])?;
        for (who, time, count) in [("plimsoll", times[0], LEASES), ("cuMemHostAlloc", times[1], 1)] {
            row(Row { what: what.clone(), who, value: nanoseconds(time, count), unit: "ns" });
        }
    }
    Ok(())
}
