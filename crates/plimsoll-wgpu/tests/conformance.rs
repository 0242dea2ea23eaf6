//! A GPU keeps what a device promises, in each shape that settings give it.

mod common;

use std::sync::Arc;

use plimsoll_device::conformance::{Options, run};
use plimsoll_device::{Bytes, Device};
use plimsoll_wgpu::GpuSettings;

#[track_caller]
fn passes(settings: GpuSettings, skipped: usize) {
    let limited = settings.limit.is_some();
    let Some(gpu) = common::gpu(settings) else { return };
    let device: Arc<dyn Device> = Arc::clone(&gpu) as _;
    let options = Options {
        // With a limit of its own the device is nobody else's, and refuses before the system suffers.
        exhaust: limited,
        tells_memory: limited,
        bytes_max: Bytes::mib(2),
        lose: Some(Arc::new(move || gpu.lose())),
        ..Options::suited(device.facts())
    };
    let report = run(&device, &options);
    println!("{report}");
    assert!(report.passed(), "{report}");
    // What is left out is known: a check that skips itself by mistake would pass for ever.
    assert_eq!(report.skipped().count(), skipped, "{report}");
}

#[test]
fn as_it_is() {
    passes(GpuSettings::default(), 20);
}

#[test]
fn with_memory_of_its_own() {
    passes(GpuSettings { unified: Some(false), ..GpuSettings::default() }, 20);
}

#[test]
fn with_a_limit_and_little_staging() {
    let (limit, staging) = (Some(Bytes::mib(64)), Some(Bytes::kib(64)));
    passes(GpuSettings { limit, staging, unified: Some(false), ..GpuSettings::default() }, 18);
}
