//! Traces through a real pool: on a simulated device that follows the recording, and on any device with its own
//! streams and fences.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::replay::{PooledReplay, Replayer as _, Trace, replay, through_pool, through_pool_on};
use plimsoll_device::sim::{Contents, SimSettings};
use plimsoll_device::{Device, HostDevice, HostSettings, SimDevice};

const HEADER: &str = "device,seq,action,addr,size,stream\n";
const MIB: u64 = 1 << 20;

/// Blocks of 64 MiB on two streams in turn, each freed before the next is asked for; what is freed is complete only
/// after `late` further blocks.
fn in_turn(blocks: usize, late: usize) -> Trace {
    let mut rows = HEADER.to_owned();
    for block in 0..blocks {
        let (address, stream) = (block + 1, block % 2);
        writeln!(rows, "0,0,alloc,{address:x},{},{stream}", 64 * MIB).unwrap();
        writeln!(rows, "0,0,free_requested,{address:x},{},{stream}", 64 * MIB).unwrap();
        if let Some(done) = (block + 1).checked_sub(late).filter(|done| *done > 0) {
            writeln!(rows, "0,0,free_completed,{done:x},{},{}", 64 * MIB, (done - 1) % 2).unwrap();
        }
    }
    Trace::read(rows.as_bytes()).unwrap()
}

fn hollow() -> Arc<SimDevice> {
    let settings =
        SimSettings { total: Bytes::gib(64), contents: Contents::Hollow, ..SimSettings::default() };
    Arc::new(SimDevice::new(settings).unwrap())
}

#[test]
fn what_completes_late_stays_backed_until_then() {
    for late in [0, 1, 5] {
        let report = through_pool(&in_turn(40, late), Bytes::mib(2), 1).unwrap();
        let live = report.peak_live_bytes;
        assert_eq!(live, (late as u64 + 1).max(1) * 64 * MIB);
        assert!((live..live + 32 * MIB).contains(&report.peak_reserved_bytes), "{late}: {report:?}");
    }
}

#[test]
fn a_device_replays_with_its_own_fences_and_has_everything_back() {
    let device = hollow();
    let report = through_pool_on(&in_turn(40, 0), device.clone(), 2).unwrap();
    assert!(report.overhead < 1.5, "{report:?}");
    let counts = device.counts();
    assert_eq!(counts.fences, 2 * 40, "each free of each run has a fence of its stream");
    assert_eq!(device.used(), Bytes::ZERO);
}

#[test]
fn a_device_that_is_done_late_holds_up_what_was_freed() {
    let device = hollow();
    device.hold_fences();
    let report = through_pool_on(&in_turn(8, 0), device.clone(), 1);
    device.signal_all();
    // One block for each stream: what one of them still uses is not for the other.
    assert_eq!(report.unwrap().peak_reserved_bytes / (64 * MIB), 2);
}

#[test]
fn the_host_replays_a_trace_too() {
    let host: Arc<dyn Device> = Arc::new(HostDevice::open(HostSettings::default()).unwrap());
    let report = through_pool_on(&in_turn(20, 0), host, 1).unwrap();
    assert!(report.peak_reserved_bytes >= 64 * MIB);
    assert_eq!(report.events, 60);
}

#[test]
fn a_trace_that_does_not_fit_the_device_says_where() {
    let settings =
        SimSettings { total: Bytes::mib(32), contents: Contents::Hollow, ..SimSettings::default() };
    let device = Arc::new(SimDevice::new(settings).unwrap());
    let error = through_pool_on(&in_turn(2, 0), device, 1).unwrap_err();
    assert_eq!((error.event, error.bytes), (0, 64 * MIB), "{error}");
}

#[test]
fn a_device_that_is_behind_keeps_more_backed() {
    let trace = in_turn(40, 0);
    let peaks: Vec<u64> = [0, 30]
        .map(|behind| {
            let mut pooled = PooledReplay::behind(&trace, Bytes::mib(2), behind).unwrap();
            replay(&trace, &mut pooled).unwrap();
            pooled.peak_reserved_bytes()
        })
        .into();
    assert!(peaks[0] < peaks[1], "{peaks:?}");
}
