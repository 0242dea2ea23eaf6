//! What a sample costs in processor time: `cargo run --release -p plimsoll --example sample_cost`.
//!
//! Once for the machine alone, and once for an engine with four places of a hundred accounts each, every account
//! with a pool that threads have leased from. The median of several runs, each of many samples.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::monitor::Sampler;
use plimsoll::pool::{Lease, LeaseRequest, Tag};
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::sim::{SimDevice, SimSettings};
use plimsoll_device::{Capabilities, Device, DeviceError, HostDevice, HostSettings};

const RUNS: usize = 9;
const SAMPLES: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    report("the machine alone", Sampler::machine());
    for accounts in [5, 100] {
        let (engine, leases) = engine(accounts)?;
        report(&format!("an engine with 4 places of {accounts} accounts"), Sampler::of(&engine));
        parts(&engine, accounts)?;
        drop(leases);
    }
    Ok(())
}

/// Prints what the two largest parts cost: reading the pools, and the ledger.
fn parts(engine: &Engine, accounts: usize) -> Result<(), Box<dyn Error>> {
    let mut pools = Vec::new();
    for number in 0..accounts {
        let account = engine.account(&format!("account-{number}"))?;
        for place in std::iter::once(Place::Host).chain((0..3).map(Place::Sim)) {
            pools.push(account.scratch(place)?);
        }
    }
    let time = |act: &dyn Fn()| {
        let before = cpu();
        (0..SAMPLES).for_each(|_| act());
        micros(cpu().saturating_sub(before) / SAMPLES)
    };
    let stats = time(&|| {
        for pool in &pools {
            std::hint::black_box(pool.stats());
        }
    });
    let ledger = time(&|| {
        std::hint::black_box(engine.snapshot());
    });
    println!("  of which its pools' numbers {stats:.1} µs, its ledger {ledger:.1} µs");
    Ok(())
}

/// Prints the median of several runs.
fn report(what: &str, mut sampler: Sampler) {
    let mut runs: Vec<(Duration, Duration)> = (0..RUNS)
        .map(|_| {
            let (wall, cpu) = (Instant::now(), cpu());
            for _ in 0..SAMPLES {
                std::hint::black_box(sampler.sample());
            }
            (self::cpu().saturating_sub(cpu) / SAMPLES, wall.elapsed() / SAMPLES)
        })
        .collect();
    runs.sort();
    let (cpu, wall) = runs[RUNS / 2];
    println!("{what}: {:.1} µs of processor time a sample, {:.1} µs passed", micros(cpu), micros(wall));
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Processor time of this process.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.map_or_else(Duration::default, Duration::from_nanos)
}

fn engine(accounts: usize) -> Result<(Engine, Vec<Lease>), Box<dyn Error>> {
    let places: Vec<Place> = std::iter::once(Place::Host).chain((0..3).map(Place::Sim)).collect();
    let mut plan = LedgerSettings {
        places: places.iter().map(|&place| LineSettings::new(place, Bytes::gib(4))).collect(),
        accounts: Vec::new(),
    };
    for number in 0..accounts {
        let account = AccountSettings::new(format!("account-{number}"));
        let share =
            |account: AccountSettings, &place: &Place| account.share(place, Bytes::ZERO, Bytes::gib(1));
        plan.accounts.push(places.iter().fold(account, share));
    }
    let device = |number: u16| -> Result<Arc<dyn Device>, DeviceError> {
        let capabilities = Capabilities { growable_ranges: false, ..SimSettings::default().capabilities };
        let total = Bytes::gib(8);
        let place = Place::Sim(number);
        let settings = SimSettings { place, total, capabilities, ..SimSettings::default() };
        Ok(Arc::new(SimDevice::new(settings)?))
    };
    let mut devices: Vec<Arc<dyn Device>> = vec![Arc::new(HostDevice::open(HostSettings::default())?)];
    for number in 0..3 {
        devices.push(device(number)?);
    }
    let engine = Engine::with(&plan, devices)?;
    let mut leases = Vec::new();
    for number in 0..accounts {
        let account = engine.account(&format!("account-{number}"))?;
        for &place in &places {
            let pool = account.scratch(place)?;
            for (tag, kib) in [("weights", 64), ("attention", 16), ("norm", 4)] {
                leases.push(pool.lease_with(LeaseRequest::new(Bytes::kib(kib)).tag(Tag::new(tag)))?);
                drop(pool.lease(Bytes::kib(kib))?);
            }
        }
    }
    Ok((engine, leases))
}
