//! Samples of fixture machines and of real engines, on clocks that the test moves.

mod tree;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plimsoll::holding::ManualClock;
use plimsoll::monitor::{Clocks, DeviceSample, Monitor, Sample, Sampler};
use plimsoll::pool::{LeaseRequest, Tag};
use plimsoll::{Bytes, Engine, Place};
use tree::{MEMINFO_64G, Tree, V2_MOUNT};

fn knows_one() -> Vec<DeviceSample> {
    vec![DeviceSample { place: "cuda:0".to_owned(), ..DeviceSample::default() }]
}

/// A sampler of a tree, its clock, and the time of day.
fn sampler(tree: &Tree) -> (Sampler, Arc<ManualClock>, Arc<AtomicU64>) {
    let (clock, day) = (Arc::new(ManualClock::default()), Arc::new(AtomicU64::new(1_700_000_000_000)));
    let told = Arc::clone(&day);
    let clocks = Clocks::new(Arc::clone(&clock) as _, move || told.load(Ordering::Relaxed));
    (Sampler::at(tree.root()).clocks(clocks), clock, day)
}

const VMSTAT: &str = "pgpgin 5\npgfault 1000\npgmajfault 100\npswpin 10\npswpout 20\n";

#[test]
fn a_machine_is_sampled_whole() {
    let meminfo = "MemTotal: 1000 kB\nMemAvailable: 600 kB\nCached: 500 kB\nActive(file): 100 kB\n\
                   Inactive(file): 200 kB\nSwapTotal: 400 kB\nSwapFree: 300 kB\n";
    let tree = Tree::new(&[
        ("/proc/meminfo", meminfo),
        ("/proc/vmstat", VMSTAT),
        ("/proc/self/statm", "5000 300 20 1 0 100 0\n"),
        (
            "/proc/pressure/memory",
            "some avg10=2.00 avg60=0 avg300=0 total=1\nfull avg10=1.00 avg60=0 avg300=0 total=1\n",
        ),
    ]);
    let (mut sampler, clock, _) = sampler(&tree);
    let first = sampler.sample().machine;
    assert_eq!(first.total_bytes, Some(1000 << 10));
    assert_eq!(first.available_bytes, Some(600 << 10));
    assert_eq!(first.used_bytes, Some(400 << 10));
    assert_eq!(first.cached_bytes, Some(300 << 10));
    assert_eq!((first.swap_total_bytes, first.swap_used_bytes), (Some(400 << 10), Some(100 << 10)));
    assert_eq!((first.stalled_some, first.stalled_full), (Some(0.02), Some(0.01)));
    assert_eq!(first.minor_faults_per_s, None, "one reading is no rate");

    tree.write("/proc/vmstat", "pgfault 1600\npgmajfault 140\npswpin 10\npswpout 24\n");
    clock.advance(Duration::from_secs(2));
    let second = sampler.sample().machine;
    assert_eq!(second.minor_faults_per_s, Some(280.0));
    assert_eq!(second.major_faults_per_s, Some(20.0));
    assert_eq!(second.swap_in_bytes_per_s, Some(0.0));
    let page = second.process_bytes.unwrap() / 300;
    assert!(page.is_power_of_two() && page >= 4096, "{page}");
    #[expect(clippy::cast_precision_loss, reason = "a page is small")]
    let two_pages = 2.0 * page as f64;
    assert_eq!(second.swap_out_bytes_per_s, Some(two_pages));
}

#[test]
fn what_the_system_lacks_is_absent_and_never_zero() {
    let (mut sampler, clock, _) = sampler(&Tree::new(&[]));
    sampler.sample();
    clock.advance(Duration::from_secs(1));
    let sample = sampler.sample();
    assert_eq!(sample.machine, plimsoll::monitor::MachineSample::default());
    // A kernel without swap counters, and one whose counters are garbage.
    let tree = Tree::new(&[MEMINFO_64G, ("/proc/vmstat", "pgfault many\npgmajfault 3\n")]);
    let (mut sampler, clock, _) = self::sampler(&tree);
    sampler.sample();
    clock.advance(Duration::from_secs(1));
    let machine = sampler.sample().machine;
    assert_eq!(machine.minor_faults_per_s, None);
    assert_eq!(machine.major_faults_per_s, Some(0.0), "this one is told, and stood still");
    assert_eq!(
        (machine.swap_in_bytes_per_s, machine.cached_bytes, machine.process_bytes),
        (None, None, None)
    );
}

#[test]
fn the_limit_that_is_nearest_is_the_machine() {
    let tree = Tree::new(&[
        MEMINFO_64G,
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/job\n"),
        ("/sys/fs/cgroup/job/memory.max", "8589934592\n"),
        ("/sys/fs/cgroup/job/memory.current", "7516192768\n"),
        ("/sys/fs/cgroup/job/memory.stat", "anon 1\nactive_file 1048576\ninactive_file 2147483648\n"),
    ]);
    let machine = sampler(&tree).0.sample().machine;
    assert_eq!(machine.total_bytes, Some(Bytes::gib(8).get()));
    assert_eq!(machine.available_bytes, Some(Bytes::gib(3).get()));
    assert_eq!(machine.cached_bytes, Some((Bytes::gib(2) + Bytes::mib(1)).get()));
}

#[test]
fn a_time_of_day_that_goes_back_harms_nothing() {
    let tree = Tree::new(&[MEMINFO_64G, ("/proc/vmstat", VMSTAT)]);
    let (mut sampler, clock, day) = sampler(&tree);
    let before = sampler.sample();
    day.store(5, Ordering::Relaxed);
    tree.write("/proc/vmstat", "pgfault 1010\npgmajfault 100\n");
    clock.advance(Duration::from_secs(1));
    let after = sampler.sample();
    assert_eq!(after.at_unix_ms, 5, "people are told what the clock says");
    assert_eq!(after.up_ms, before.up_ms + 1000);
    assert_eq!(after.machine.minor_faults_per_s, Some(10.0));
}

#[test]
fn memory_that_runs_out_is_foretold() {
    let tree = Tree::new(&[]);
    let (mut sampler, clock, _) = sampler(&tree);
    let mut last = Sample::default();
    for second in 0..20_u64 {
        let available = 1_000_000 - 10_000 * second;
        tree.write("/proc/meminfo", &format!("MemTotal: 2000000 kB\nMemAvailable: {available} kB\n"));
        last = sampler.sample();
        clock.advance(Duration::from_secs(1));
    }
    let left = last.machine.exhausted_in_s.unwrap();
    assert!((left - 81.0).abs() < 0.01, "810,000 kB at 10,000 a second: {left}");
}

#[test]
fn an_engine_is_sampled_to_the_byte() {
    let engine = Engine::in_memory(Bytes::mib(64), "work").unwrap();
    let pool = engine.account("work").unwrap().scratch(Place::Host).unwrap();
    let held = pool.lease_with(LeaseRequest::new(Bytes::mib(3)).tag(Tag::new("sampled"))).unwrap();
    let odd = pool.lease(Bytes::new(100)).unwrap();
    let seat = engine.reserve("work", Bytes::mib(8)).unwrap().now().unwrap();
    let mut sampler = Sampler::of(&engine).named("test");
    let sample = sampler.sample();
    assert_eq!((sample.schema, sample.number), (Sample::SCHEMA, 1));
    assert!(sample.source.engine && sample.source.program == "test");
    let (place, stats) = (&sample.places[0], pool.stats());
    assert_eq!((place.place.as_str(), place.line_bytes), ("host", Bytes::mib(64).get()));
    assert_eq!(place.live_bytes, stats.live.get());
    assert_eq!(place.cached_bytes, stats.cached.get());
    assert_eq!(place.charged_bytes, (stats.backed + Bytes::mib(8)).get());
    assert_eq!(place.unbacked_bytes, Bytes::mib(8).get());
    assert_eq!(place.internal_fragmentation, Some(stats.internal_fragmentation()));
    assert_eq!(place.external_fragmentation, Some(stats.external_fragmentation()));
    let account = &place.accounts[0];
    assert_eq!((account.path.as_str(), account.limit_bytes), ("work", Bytes::mib(64).get()));
    assert_eq!(account.live_bytes, Some(stats.live.get()));
    assert_eq!(account.tags[0].tag, "sampled");
    assert_eq!(account.tags[0].live_bytes, Bytes::mib(3).get());
    assert_eq!(sample.recorder.map(|recorder| (recorder.recordings, recorder.dropped)), Some((0, 0)));
    drop((held, odd, seat));
    let after = sampler.sample();
    assert_eq!(after.number, 2);
    assert_eq!(after.places[0].live_bytes, 0);
    assert_eq!(after.places[0].internal_fragmentation, None, "nothing is leased");
}

#[test]
fn devices_tell_their_memory_and_who_knows_tells_their_use() {
    use plimsoll::ledger::{LedgerSettings, LineSettings};
    use plimsoll_device::Device;
    use plimsoll_device::sim::{SimDevice, SimSettings};
    let device = |number| -> Arc<dyn Device> {
        let total = Bytes::mib(8);
        Arc::new(
            SimDevice::new(SimSettings { place: Place::Sim(number), total, ..SimSettings::default() })
                .unwrap(),
        )
    };
    let plan = LedgerSettings {
        places: vec![LineSettings::new(Place::Sim(0), Bytes::mib(8))],
        accounts: Vec::new(),
    };
    let engine = Engine::with(&plan, vec![device(0), device(1)]).unwrap();
    let alone = Sampler::of(&engine).sample().devices;
    assert_eq!(alone.iter().map(|device| device.busy).collect::<Vec<_>>(), [None, None]);
    assert_eq!((alone[0].place.as_str(), alone[0].free_bytes), ("sim:0", Some(Bytes::mib(8).get())));
    let gpu = |place: &str, busy| DeviceSample {
        place: place.to_owned(),
        busy: Some(busy),
        total_bytes: Some(7),
        ..DeviceSample::default()
    };
    let knows = move || vec![gpu("sim:0", 0.25), gpu("sim:1", f64::NAN), gpu("cuda:0", 3.0)];
    let told = Sampler::of(&engine).gpus(knows).sample().devices;
    assert_eq!(told.iter().map(|device| device.busy).collect::<Vec<_>>(), [Some(0.25), None, Some(1.0)]);
    assert_eq!(told[0].total_bytes, Some(Bytes::mib(8).get()), "an open device tells its own memory");
    assert_eq!((told[2].place.as_str(), told[2].total_bytes), ("cuda:0", Some(7)));
    assert_eq!(Sampler::machine().gpus(knows_one).sample().devices.len(), 1, "also where no engine is");
}

#[test]
fn a_monitor_keeps_a_bounded_history_and_tells_its_sinks() {
    let (send, receive) = std::sync::mpsc::channel();
    let sink = move |sample: &Arc<Sample>| {
        let _ = send.send(sample.number);
    };
    let settings = plimsoll::monitor::MonitorSettings { history: 3, ..Default::default() };
    let sampler = Sampler::machine().settings(settings);
    let monitor = Monitor::start(sampler, Duration::from_millis(1), vec![Box::new(sink)]).unwrap();
    let numbers: Vec<u64> = receive.iter().take(6).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let history = monitor.history();
    assert_eq!(history.len(), 3);
    assert!(history.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
    assert!(monitor.latest().unwrap().number >= history[2].number);
    let next = monitor.next_after(history[2].number, Duration::from_mins(1)).unwrap();
    assert!(next.number > history[2].number);
    drop(monitor);
    assert!(receive.iter().all(|number| number > 6), "the thread is gone, so this ends");
}

#[test]
fn a_sample_tells_what_happened_since_the_one_before() {
    let engine = Engine::in_memory(Bytes::mib(8), "work").unwrap();
    let mut sampler = Sampler::of(&engine);
    assert!(sampler.sample().events.is_empty());
    engine.reserve("work", Bytes::mib(12)).unwrap().now().unwrap_err();
    engine.recorder().mark("prefill");
    let sample = sampler.sample();
    let told: Vec<_> =
        sample.events.iter().map(|event| (event.kind.as_str(), event.detail.as_str())).collect();
    assert_eq!(told, [("refuse", "more than could ever be granted"), ("mark", "prefill")]);
    let refused = &sample.events[0];
    assert_eq!((refused.account.as_str(), refused.place.as_str(), refused.bytes), ("work", "host", 12 << 20));
    assert!(refused.at_ms <= sample.up_ms);
    assert!(sampler.sample().events.is_empty(), "each is told once");
    for _ in 0..50 {
        engine.reserve("work", Bytes::mib(16)).unwrap().now().unwrap_err();
    }
    let often = sampler.sample().events;
    assert_eq!(often.len(), 1, "what happens again and again is told once");
    assert!(often[0].detail.ends_with("(50 times)") && often[0].bytes == 50 * (16 << 20), "{often:?}");
    assert!(sampler.sample().recorder.unwrap().events > 0);
}
