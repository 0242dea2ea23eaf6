//! The host and every shape of simulated device keep what a device promises.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use plimsoll_device::conformance::{Options, Report, run};
use plimsoll_device::sim::Contents;
use plimsoll_device::{Bytes, Capabilities, Device, SimDevice, SimSettings};

#[track_caller]
fn passed(report: &Report, skipped: usize) {
    println!("{report}");
    assert!(report.passed(), "{report}");
    // What is left out is known: a check that skips itself by mistake would pass for ever.
    assert_eq!(report.skipped().count(), skipped, "{report}");
}

fn sim(skipped: usize, change: impl FnOnce(&mut SimSettings)) {
    let mut settings = SimSettings { total: Bytes::mib(32), ..SimSettings::default() };
    change(&mut settings);
    let contents = settings.contents == Contents::Real;
    let sim = Arc::new(SimDevice::new(settings).unwrap());
    let device: Arc<dyn Device> = Arc::clone(&sim) as _;
    let options = Options {
        contents,
        bytes_max: Bytes::mib(2),
        lose: Some(Arc::new({
            let sim = Arc::clone(&sim);
            move || sim.lose()
        })),
        ..Options::suited(device.facts())
    };
    passed(&run(&device, &options), skipped);
    assert_eq!(sim.used(), Bytes::ZERO, "the books balance at the end");
}

#[test]
fn sim_discrete_and_growable() {
    sim(0, |_| {});
}

#[test]
fn sim_unified() {
    sim(0, |s| s.unified = true);
}

#[test]
fn sim_slow() {
    sim(0, |s| {
        s.latency = Duration::from_micros(20);
        s.bandwidth = Some(Bytes::gib(10));
        s.fence_delay = Duration::from_micros(5);
    });
}

#[test]
fn sim_that_searches_all_rows() {
    sim(4, |s| s.runs = false);
}

#[test]
fn sim_with_slabs_only() {
    sim(11, |s| {
        s.capabilities = Capabilities { growable_ranges: false, ..s.capabilities };
    });
}

#[test]
fn sim_with_nothing_beyond_the_least() {
    sim(39, |s| {
        s.capabilities = Capabilities { private: true, ..Capabilities::default() };
        s.kernels = false;
    });
}

#[test]
fn sim_hollow() {
    sim(0, |s| s.contents = Contents::Hollow);
    sim(0, |s| {
        s.contents = Contents::Hollow;
        s.total = Bytes::gib(140);
        s.granule = 2 << 20;
        s.latency = Duration::from_micros(10);
    });
}

#[cfg(unix)]
mod host {
    use plimsoll_device::{HostDevice, HostSettings};

    use super::*;

    fn host(skipped: usize, settings: HostSettings) {
        let limited = settings.limit.is_some();
        let device: Arc<dyn Device> = Arc::new(HostDevice::open(settings).unwrap());
        let options =
            Options { exhaust: limited, bytes_max: Bytes::mib(2), ..Options::suited(device.facts()) };
        passed(&run(&device, &options), skipped);
    }

    #[test]
    fn as_it_is() {
        host(6, HostSettings::default());
    }

    #[test]
    fn with_a_small_granule_and_a_limit() {
        host(
            4,
            HostSettings {
                granule: Some(Bytes::kib(64)),
                huge_pages: false,
                limit: Some(Bytes::mib(96)),
                ..HostSettings::default()
            },
        );
    }

    #[test]
    fn with_a_worker_for_everything() {
        host(6, HostSettings { inline: Bytes::ZERO, ..HostSettings::default() });
    }
}
