//! What only the simulated device promises.

use std::time::{Duration, Instant};

use super::*;
use crate::{Capabilities, Device, Region, Request, StorageMode, SyncTo};

const MS: Duration = Duration::from_millis(1);

fn sim(change: impl FnOnce(&mut SimSettings)) -> SimDevice {
    let mut settings = SimSettings { total: Bytes::mib(16), ..SimSettings::default() };
    change(&mut settings);
    SimDevice::new(settings).unwrap()
}

fn take(sim: &SimDevice, bytes: u64, mode: StorageMode) -> Region {
    sim.allocate(Request::new(Bytes::new(bytes), mode)).unwrap()
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let bad: [fn(&mut SimSettings); 4] = [
        |s| s.granule = 3000,
        |s| s.granule = 1024,
        |s| s.min_align = 0,
        |s| s.bandwidth = Some(Bytes::ZERO),
    ];
    for change in bad {
        let mut settings = SimSettings::default();
        change(&mut settings);
        assert!(matches!(SimDevice::new(settings), Err(DeviceError::BadSetting { .. })));
    }
}

#[test]
fn copies_take_their_time_on_the_virtual_clock() {
    let sim = sim(|s| {
        s.latency = MS;
        s.bandwidth = Some(Bytes::new(1_000_000));
        s.fence_delay = 5 * MS;
    });
    let region = take(&sim, 10_000, StorageMode::Shared);
    sim.write(region.whole(), &[1; 10_000]).unwrap();
    // 1 ms + 4,000 bytes at 1 MB/s; twice; then the fence's 5 ms.
    for start in [0, 4000] {
        let target = region.span(start..start + 4000).unwrap();
        sim.fill(Stream(0), target, 2).unwrap();
    }
    let fence = sim.fence(Stream(0)).unwrap();
    let look = |at: u64| {
        let mut byte = [0];
        sim.read(region.span(at..at + 1).unwrap(), &mut byte).unwrap();
        byte[0]
    };
    assert_eq!((look(0), look(4000)), (1, 1), "nothing moves before its time");
    sim.advance(5 * MS);
    assert_eq!((look(0), look(4000)), (2, 1));
    assert!(matches!(sim.wait(fence, MS), Err(DeviceError::FenceTimeout { .. })));
    assert_eq!(sim.clock(), 6 * MS, "a wait that times out took its time");
    sim.wait(fence, Duration::MAX).unwrap();
    assert_eq!(sim.clock(), 15 * MS);
    assert_eq!((look(0), look(4000)), (2, 2));
}

#[test]
fn held_fences_wait_for_a_hand() {
    let sim = sim(|_| {});
    let early = sim.fence(Stream(0)).unwrap();
    assert!(sim.signalled(early).unwrap());
    sim.hold_fences();
    let other = sim.stream().unwrap();
    let [a, b, c] = [(); 3].map(|()| sim.fence(Stream(0)).unwrap());
    let d = sim.fence(other).unwrap();
    sim.advance(Duration::from_hours(1));
    assert!(matches!(sim.wait(a, MS), Err(DeviceError::FenceTimeout { .. })));
    sim.signal(b).unwrap();
    let state = |fence| sim.signalled(fence).unwrap();
    assert_eq!([a, b, c, d].map(state), [true, true, false, false]);
    sim.signal_all();
    assert!(state(c) && state(d));
    sim.release_fences();
    let again = sim.fence(other).unwrap();
    assert!(state(again));
    sim.hold_stream(other).unwrap();
    assert!(!state(sim.fence(other).unwrap()) && state(sim.fence(Stream(0)).unwrap()));
    let unknown = Fence { stream: other, seq: 99 };
    assert_eq!(sim.signalled(unknown), Err(DeviceError::UnknownFence(unknown)));
}

#[test]
fn signalling_by_hand_does_the_work_first() {
    let sim = sim(|s| s.latency = MS);
    let region = take(&sim, 256, StorageMode::Shared);
    sim.fill(Stream(0), region.whole(), 8).unwrap();
    let fence = sim.fence(Stream(0)).unwrap();
    sim.signal(fence).unwrap();
    let mut back = [0; 256];
    sim.read(region.whole(), &mut back).unwrap();
    assert_eq!((back, sim.clock()), ([8; 256], Duration::ZERO));
}

#[test]
fn freed_under_work_stays_taken_until_it_is_done() {
    let sim = sim(|s| s.latency = MS);
    let source = take(&sim, 4096, StorageMode::Private);
    let target = take(&sim, 4096, StorageMode::Shared);
    sim.copy(Stream(0), source.whole(), target.whole()).unwrap();
    sim.free(source).unwrap();
    assert_eq!(sim.used().get(), 8192);
    sim.advance(MS);
    assert_eq!(sim.used().get(), 4096);
}

#[test]
fn memory_in_use_is_not_taken_away() {
    let sim = sim(|s| s.latency = MS);
    let range = sim.reserve(Bytes::mib(1), StorageMode::Private).unwrap();
    sim.commit(&range, 0..1 << 17).unwrap();
    sim.fill(Stream(0), range.span(0..10).unwrap(), 0).unwrap();
    assert!(sim.decommit(&range, 0..1 << 16).is_err());
    sim.decommit(&range, 1 << 16..1 << 17).unwrap();
    sim.advance(MS);
    sim.decommit(&range, 0..1 << 16).unwrap();
    assert_eq!(sim.used(), Bytes::ZERO);
}

#[test]
fn managed_memory_of_a_discrete_device_is_two_copies() {
    for unified in [false, true] {
        let sim = sim(|s| s.unified = unified);
        let region = take(&sim, 256, StorageMode::Managed);
        sim.write(region.whole(), &[1; 256]).unwrap();
        let mut back = [0; 256];
        sim.download(Stream(0), region.whole(), &mut back).unwrap();
        assert_eq!(back == [1; 256], unified);
        sim.sync(Stream(0), region.whole(), SyncTo::Device).unwrap();
        sim.download(Stream(0), region.whole(), &mut back).unwrap();
        assert_eq!(back, [1; 256]);
    }
}

#[test]
fn failures_come_when_ordered() {
    let sim = sim(|_| {});
    let pattern = |calls: usize| -> Vec<bool> {
        let ask = || sim.allocate(Request::new(Bytes::kib(4), StorageMode::Shared));
        (0..calls).map(|_| ask().is_err()).collect()
    };
    sim.fail_nth(Call::Allocate, 3);
    assert_eq!(pattern(5), [false, false, true, false, false]);
    sim.fail_every(Call::Allocate, 2);
    assert_eq!(pattern(4), [false, true, false, true]);
    sim.heal();
    assert_eq!(pattern(4), [false; 4]);
    assert_eq!((sim.counts().injected, sim.counts().allocations), (3, 10));

    let range = sim.reserve(Bytes::mib(1), StorageMode::Shared).unwrap();
    sim.fail_nth(Call::Commit, 1);
    let failed = sim.commit(&range, 0..1 << 16);
    assert!(matches!(failed, Err(DeviceError::OutOfMemory { .. })));
    sim.commit(&range, 0..1 << 16).unwrap();
    for (call, what) in [(Call::Copy, "copy"), (Call::Fence, "fence"), (Call::Stream, "stream")] {
        sim.fail_nth(call, 1);
        let (a, b) = (range.span(0..8).unwrap(), range.span(8..16).unwrap());
        let error = match call {
            Call::Copy => sim.copy(Stream(0), a, b).unwrap_err(),
            Call::Fence => sim.fence(Stream(0)).unwrap_err(),
            _ => sim.stream().unwrap_err(),
        };
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn chances_are_the_same_for_the_same_seed() {
    let run = |seed| {
        let sim = sim(|s| s.seed = seed);
        sim.fail_by_chance(Call::Fence, 0.3);
        (0..200).map(|_| sim.fence(Stream(0)).is_err()).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let failed = run(1).iter().filter(|&&failed| failed).count();
    assert!((30..90).contains(&failed), "{failed} of 200 at 30%");
}

#[test]
fn a_lost_device_says_so_and_takes_regions_back() {
    let sim = sim(|s| s.latency = 10 * MS);
    let region = take(&sim, 4096, StorageMode::Shared);
    sim.fill(Stream(0), region.whole(), 1).unwrap();
    let fence = sim.fence(Stream(0)).unwrap();
    sim.lose_at(5 * MS);
    assert!(!sim.signalled(fence).unwrap());
    assert!(matches!(sim.wait(fence, 20 * MS), Err(DeviceError::Lost { .. })));
    assert!(matches!(sim.memory(), Err(DeviceError::Lost { .. })));
    sim.free(region).unwrap();
    assert_eq!(sim.used(), Bytes::ZERO, "abandoned work holds nothing");
}

#[test]
fn other_programs_take_memory() {
    let sim = sim(|_| {});
    sim.set_outside(Bytes::mib(15));
    assert_eq!(sim.memory().unwrap().free, Bytes::mib(1));
    let full = sim.allocate(Request::new(Bytes::mib(2), StorageMode::Shared));
    assert!(matches!(full, Err(DeviceError::OutOfMemory { free, .. }) if free == Bytes::mib(1)));
    sim.set_outside(Bytes::ZERO);
    take(&sim, 2 << 20, StorageMode::Shared);
}

#[test]
fn slabs_only_means_no_ranges() {
    let sim = sim(|s| s.capabilities = Capabilities { private: true, ..Capabilities::default() });
    let refused = sim.reserve(Bytes::mib(1), StorageMode::Private);
    assert!(matches!(refused, Err(DeviceError::Unsupported { .. })));
    for mode in [StorageMode::Shared, StorageMode::Managed] {
        let refused = sim.allocate(Request::new(Bytes::mib(1), mode));
        assert!(matches!(refused, Err(DeviceError::Unsupported { .. })));
    }
}

#[test]
fn a_device_has_some_storage_mode() {
    let settings = SimSettings { capabilities: Capabilities::default(), ..SimSettings::default() };
    let refused = SimDevice::new(settings).unwrap_err();
    assert!(matches!(refused, DeviceError::BadSetting { setting: "capabilities", .. }), "{refused}");
}

#[test]
fn a_hollow_device_carries_what_no_machine_has() {
    let sim = sim(|s| {
        s.total = Bytes::gib(1 << 20);
        s.contents = Contents::Hollow;
        s.granule = 2 << 20;
    });
    let range = sim.reserve(Bytes::gib(1000), StorageMode::Private).unwrap();
    sim.commit(&range, 0..1000 << 30).unwrap();
    assert_eq!(sim.used(), Bytes::gib(1000));
    let mut back = [9; 4];
    sim.download(Stream(0), range.span(7..11).unwrap(), &mut back).unwrap();
    assert_eq!(back, [0; 4]);
    sim.free(range).unwrap();
    assert_eq!(sim.used(), Bytes::ZERO);
}

/// Run by hand with `--release -- --ignored --nocapture`: what one call on a hollow device costs.
#[test]
#[ignore = "a measurement"]
fn hollow_calls_are_cheap() {
    let sim = sim(|s| {
        s.total = Bytes::gib(100);
        s.contents = Contents::Hollow;
        s.granule = 2 << 20;
    });
    // The best of many short batches: the machine may be busy with something else.
    let time = |name: &str, call: &dyn Fn(u64)| {
        let batch = || {
            let start = Instant::now();
            (0..4096).for_each(call);
            start.elapsed() / 4096
        };
        println!("{name}: {:?} each", (0..200).map(|_| batch()).min());
    };
    let range = sim.reserve(Bytes::gib(100), StorageMode::Private).unwrap();
    let granule = |n: u64| (n % 4096) * (2 << 20)..(n % 4096 + 1) * (2 << 20);
    time("commit + decommit", &|n| {
        sim.commit(&range, granule(n)).unwrap();
        sim.decommit(&range, granule(n)).unwrap();
    });
    time("reserve + free", &|_| {
        let range = sim.reserve(Bytes::gib(10), StorageMode::Private).unwrap();
        sim.free(range).unwrap();
    });
    time("allocate + free", &|_| {
        let region = sim.allocate(Request::new(Bytes::kib(1), StorageMode::Private));
        sim.free(region.unwrap()).unwrap();
    });
    time("fence", &|_| {
        sim.fence(Stream(0)).unwrap();
    });
    let fence = sim.fence(Stream(0)).unwrap();
    time("signalled", &|_| {
        assert!(sim.signalled(fence).unwrap());
    });
}
