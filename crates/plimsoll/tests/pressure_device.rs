//! A device that other processes use too: what they take is learned as pressure.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::governor::PressureLevel;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pressure::{DeviceSource, PressureError, PressureSource};
use plimsoll::{Bytes, Engine, EngineError, Place};
use plimsoll_device::sim::Contents;
use plimsoll_device::{Device, DeviceError, SimDevice, SimSettings, Stream};

const PLACE: Place = Place::Sim(0);
const TOTAL: Bytes = Bytes::mib(256);
const LINE: Bytes = Bytes::mib(224);

fn engine() -> (Engine, Arc<SimDevice>) {
    engine_with(Duration::ZERO)
}

/// Fences signal so long after their work, on the device's own clock: it goes on when somebody waits.
fn engine_with(fence_delay: Duration) -> (Engine, Arc<SimDevice>) {
    let contents = Contents::Hollow;
    let settings =
        SimSettings { total: TOTAL, granule: 1 << 20, contents, fence_delay, ..SimSettings::default() };
    let device = Arc::new(SimDevice::new(settings).unwrap());
    let plan = LedgerSettings {
        places: vec![LineSettings::new(PLACE, LINE)],
        accounts: vec![AccountSettings::new("work").share(PLACE, Bytes::ZERO, LINE)],
    };
    (Engine::with(&plan, vec![device.clone()]).unwrap(), device)
}

#[test]
fn a_device_full_of_our_own_bytes_is_not_pressed() {
    let (engine, device) = engine();
    let pool = engine.account("work").unwrap().scratch(PLACE).unwrap();
    let _held = pool.lease(Bytes::mib(220)).unwrap();
    let reading = DeviceSource::new(device, LINE).read().unwrap();
    assert!(reading.used < 0.1, "{reading:?}");
    assert_eq!(engine.governor().press(PLACE, &reading, Instant::now()), PressureLevel::Normal);
}

#[test]
fn what_another_process_takes_shrinks_us_stops_growth_and_comes_back() {
    let (engine, device) = engine();
    let work = engine.account("work").unwrap();
    let pool = work.scratch(PLACE).unwrap();
    // Half of it stays in use, the other half is idle in the pool.
    let held = pool.lease(Bytes::mib(100)).unwrap();
    drop(pool.lease(Bytes::mib(100)).unwrap());
    assert!(pool.stats().cached >= Bytes::mib(90), "{:?}", pool.stats());
    let mut source = DeviceSource::new(device.clone(), LINE);
    let start = Instant::now();

    let backed = pool.stats().backed;
    device.set_outside(TOTAL.saturating_sub(backed));
    let level = engine.governor().press(PLACE, &source.read().unwrap(), start);
    assert_eq!(level, PressureLevel::Critical);
    assert!(pool.stats().backed < backed, "idle memory went back to the device: {:?}", pool.stats());

    // The device has little, so the line that counts is lower than the plan's.
    device.set_outside(TOTAL.saturating_sub(pool.stats().backed));
    engine.governor().press(PLACE, &source.read().unwrap(), start);
    let refused = work.reserve(PLACE, Bytes::mib(64)).now();
    assert!(refused.is_err(), "growth stops while others have the memory");
    drop(held);

    // They give it back; after a while of calm all is as planned.
    device.set_outside(Bytes::ZERO);
    for seconds in [1, 10, 20, 30] {
        let reading = source.read().unwrap();
        engine.governor().press(PLACE, &reading, start + Duration::from_secs(seconds));
    }
    drop(work.reserve(PLACE, Bytes::mib(200)).now().unwrap());
}

#[test]
fn a_watch_follows_the_device() {
    let (engine, device) = engine();
    let pool = engine.account("work").unwrap().scratch(PLACE).unwrap();
    drop(pool.lease(Bytes::mib(100)).unwrap());
    let before = pool.stats().backed;
    let watch = engine.watch_device(PLACE, Duration::from_millis(5)).unwrap();
    device.set_outside(TOTAL.saturating_sub(before));
    let patience = Instant::now() + Duration::from_secs(30);
    while pool.stats().backed >= before && Instant::now() < patience {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(pool.stats().backed < before, "{:?}", pool.stats());
    drop(watch);
    assert!(matches!(
        engine.watch_device(Place::Cuda(0), Duration::from_secs(1)),
        Err(EngineError::NoDevice { .. })
    ));
}

#[test]
fn a_lost_device_gives_no_reading() {
    let (_engine, device) = engine();
    let mut source = DeviceSource::new(device.clone(), LINE);
    device.lose();
    assert!(matches!(source.read(), Err(PressureError::Device(DeviceError::Lost { .. }))));
}

#[test]
fn a_full_device_with_pending_fences_is_searched_again_when_they_signal() {
    let (engine, device) = engine_with(Duration::from_millis(50));
    let pool = engine.account("work").unwrap().scratch(PLACE).unwrap();
    let mut pending = pool.lease(Bytes::mib(100)).unwrap();
    let fence = pending.fill(Stream(0), 1).unwrap().unwrap();
    drop(pending);
    assert!(!device.signalled(fence).unwrap(), "the device is still at it");
    // The line has room for more; the device has none.
    device.set_outside(TOTAL.saturating_sub(device.used()));
    assert!(device.memory().unwrap().free < Bytes::mib(1));
    let found = pool.lease(Bytes::mib(100)).unwrap();
    assert_eq!(found.bytes(), Bytes::mib(100));
    assert!(device.signalled(fence).unwrap(), "it was waited for");
}
