//! The same calls on the same seed give the same device, to the byte and the nanosecond.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use plimsoll_device::sim::{Call, Counts, SimDevice, SimSettings};
use plimsoll_device::{Bytes, Device, Region, Request, StorageMode, Stream};

#[derive(Debug, PartialEq)]
struct Trace {
    counts: Counts,
    clock: Duration,
    used: Bytes,
    said: Vec<String>,
    bytes: Vec<u8>,
}

/// A few hundred calls that an unlucky program makes, written down.
fn run(seed: u64) -> Trace {
    let settings = SimSettings {
        total: Bytes::mib(8),
        seed,
        latency: Duration::from_micros(3),
        bandwidth: Some(Bytes::mib(900)),
        fence_delay: Duration::from_micros(11),
        ..SimSettings::default()
    };
    let sim = SimDevice::new(settings).unwrap();
    sim.fail_by_chance(Call::Allocate, 0.1);
    sim.fail_by_chance(Call::Copy, 0.2);
    sim.fail_every(Call::Fence, 13);
    let mut said = Vec::new();
    let mut regions: Vec<Region> = Vec::new();
    let streams = [Stream(0), sim.stream().unwrap(), sim.stream().unwrap()];
    for n in 0..300_usize {
        let stream = streams[n % 3];
        match sim.allocate(Request::new(Bytes::new(4096), StorageMode::Shared)) {
            Ok(region) => {
                let value = u8::try_from(n % 251).unwrap();
                sim.fill(stream, region.whole(), value).unwrap();
                if let Some(before) = regions.last() {
                    let copied = sim.copy(streams[n % 2], before.whole(), region.whole());
                    said.push(format!("{copied:?}"));
                }
                regions.push(region);
            }
            Err(error) => said.push(error.to_string()),
        }
        match sim.fence(stream) {
            Ok(fence) if n % 5 == 0 => {
                let waited = sim.wait(fence, Duration::from_micros(40));
                said.push(format!("{waited:?} at {:?}", sim.clock()));
            }
            Ok(fence) => said.push(format!("{:?}", sim.signalled(fence))),
            Err(error) => said.push(error.to_string()),
        }
        if regions.len() > 20 {
            sim.free(regions.remove(n % 20)).unwrap();
        }
    }
    let mut bytes = vec![0; 4096];
    for region in &regions {
        let mut some = vec![0; 64];
        sim.read(region.span(0..64).unwrap(), &mut some).unwrap();
        bytes.extend(some);
    }
    Trace { counts: sim.counts(), clock: sim.clock(), used: sim.used(), said, bytes }
}

#[test]
fn a_seed_is_a_run() {
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).said, run(8).said);
}
