//! The GPU's programs under the real compiler, which needs no GPU. Where there is none the test says so and ends, unless
//! `PLIMSOLL_REQUIRE_NVRTC` is set; `PLIMSOLL_NVRTC` names its folder.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

use std::env;

use plimsoll_cuda::{CodeCache, KernelSettings, compile_for};
use plimsoll_device::DeviceError;
use plimsoll_device::programs::Source;

fn settings() -> KernelSettings {
    let nvrtc = env::var_os("PLIMSOLL_NVRTC").map(Into::into);
    KernelSettings { nvrtc, cache: CodeCache::Off, ..KernelSettings::default() }
}

/// Whether there is a compiler.
fn compiler() -> bool {
    let nothing = Source { name: "nothing.cu", text: "", entries: &[] };
    match compile_for(&settings(), (9, 0), &nothing) {
        Ok(_) => true,
        Err(why) => {
            assert!(env::var_os("PLIMSOLL_REQUIRE_NVRTC").is_none(), "{why}");
            println!("skipped: {why}");
            false
        }
    }
}

#[test]
fn every_program_compiles_and_has_its_entries() {
    if !compiler() {
        return;
    }
    for source in plimsoll_tensor::gpu_programs() {
        // Without matrix units of 16-bit numbers, with them, and for GPUs that are newer.
        for capability in [(7, 5), (9, 0), (12, 0)] {
            let code = match compile_for(&settings(), capability, &source) {
                Ok(code) => code,
                Err(DeviceError::Compile { log, .. }) => panic!("{}: {log}", source.name),
                Err(why) => panic!("{why}"),
            };
            let text = String::from_utf8_lossy(&code);
            for (entry, _) in source.entries {
                assert!(text.contains(entry), "{} has no {entry} for {capability:?}", source.name);
            }
        }
    }
}
