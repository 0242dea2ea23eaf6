//! What can go wrong with a GPU, and what a caller sees then.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use plimsoll_device::{
    Bytes, Device, DeviceError, Kernels, MemoryNow, Request, StorageMode, Stream, SyncTo, split,
};
use plimsoll_wgpu::{GpuApi, GpuDevice, GpuError, GpuSettings, adapters};

const LONG: Duration = Duration::from_mins(1);

fn pattern(bytes: usize, seed: u8) -> Vec<u8> {
    (0..bytes as u64).map(|at| ((at * 31) >> 3).to_le_bytes()[0] ^ seed).collect()
}

fn settle(gpu: &GpuDevice, stream: Stream) {
    let fence = gpu.fence(stream).unwrap();
    gpu.wait(fence, LONG).unwrap();
}

#[test]
fn a_transfer_larger_than_all_staging_goes_in_pieces() {
    let settings =
        GpuSettings { staging: Some(Bytes::kib(64)), unified: Some(false), ..GpuSettings::default() };
    let Some(gpu) = common::gpu(settings) else { return };
    for mode in [StorageMode::Private, StorageMode::Managed] {
        let region = gpu.allocate(Request::new(Bytes::new(1_000_003), mode)).unwrap();
        let all = pattern(1_000_003, 1);
        gpu.upload(Stream(0), &all, region.whole()).unwrap();
        let part = region.span(12_345..900_002).unwrap();
        let new = pattern(887_657, 2);
        gpu.upload(Stream(0), &new, part).unwrap();
        let mut found = vec![0; all.len()];
        gpu.download(Stream(0), region.whole(), &mut found).unwrap();
        assert!(found[..12_345] == all[..12_345] && found[900_002..] == all[900_002..]);
        assert!(found[12_345..900_002] == new);
    }
}

/// Streams that hold staging memory and never put a fence do not starve the others.
#[test]
fn staging_memory_comes_back_from_streams_that_nobody_settles() {
    let settings = GpuSettings { staging: Some(Bytes::kib(64)), ..GpuSettings::default() };
    let Some(gpu) = common::gpu(settings) else { return };
    let streams: Vec<_> = (0..40).map(|_| gpu.stream().unwrap()).collect();
    let region = gpu.allocate(Request::new(Bytes::kib(40), StorageMode::Private)).unwrap();
    for (n, &stream) in (0..).zip(&streams) {
        let part = region.span(n * 1024..(n + 1) * 1024).unwrap();
        gpu.upload(stream, &[u8::try_from(n).unwrap(); 1024], part).unwrap();
    }
    thread::scope(|scope| {
        for &stream in &streams[..6] {
            let gpu = &gpu;
            scope.spawn(move || {
                let own = gpu.allocate(Request::new(Bytes::kib(300), StorageMode::Private)).unwrap();
                for seed in 0..4 {
                    let all = pattern(300 << 10, seed);
                    gpu.upload(stream, &all, own.whole()).unwrap();
                    let mut found = vec![0; all.len()];
                    gpu.download(stream, own.whole(), &mut found).unwrap();
                    assert!(found == all);
                }
            });
        }
    });
    for &stream in &streams {
        settle(&gpu, stream);
    }
    let mut found = vec![0; 40 << 10];
    gpu.download(Stream(0), region.whole(), &mut found).unwrap();
    assert!((0..40).all(|n| found[n * 1024..(n + 1) * 1024].iter().all(|&byte| usize::from(byte) == n)));
}

#[test]
fn what_is_freed_while_it_is_recorded_is_still_used() {
    let Some(gpu) = common::gpu(GpuSettings::default()) else { return };
    for mode in [StorageMode::Private, StorageMode::Shared, StorageMode::Managed] {
        let target = gpu.allocate(Request::new(Bytes::kib(64), StorageMode::Private)).unwrap();
        let source = gpu.allocate(Request::new(Bytes::kib(64), mode)).unwrap();
        let wanted = pattern(64 << 10, 3);
        gpu.upload(Stream(0), &wanted, source.whole()).unwrap();
        gpu.copy(Stream(0), source.whole(), target.whole()).unwrap();
        gpu.free(source).unwrap();
        // Nothing was handed in yet; memory like it may be given out again.
        let others: Vec<_> =
            (0..4).map(|_| gpu.allocate(Request::new(Bytes::kib(64), mode)).unwrap()).collect();
        for other in &others {
            gpu.fill(Stream(0), other.whole(), 0xee).unwrap();
        }
        let mut found = vec![0; wanted.len()];
        gpu.download(Stream(0), target.whole(), &mut found).unwrap();
        assert!(found == wanted, "{mode:?}");
    }
}

#[test]
fn one_allocation_is_at_most_one_binding() {
    let Some(gpu) = common::gpu(GpuSettings::default()) else { return };
    let found = &adapters(&GpuSettings::default())[0];
    let limit = gpu.facts().max_allocation;
    assert!(limit <= found.max_binding && limit <= found.max_buffer);
    let asked = limit + Bytes::new(1);
    let error = gpu.allocate(Request::new(asked, StorageMode::Private)).unwrap_err();
    assert_eq!(error, DeviceError::TooLarge { device: gpu.facts().name.clone(), asked, limit });
    let pieces: Vec<_> = split(asked.get(), limit.get(), gpu.facts().min_align).collect();
    assert_eq!(pieces.len(), 2);
    for piece in pieces {
        let bytes = Bytes::new(piece.end - piece.start);
        gpu.free(gpu.allocate(Request::new(bytes, StorageMode::Private)).unwrap()).unwrap();
    }
    // The largest can be worked on as a whole.
    let largest = gpu.allocate(Request::new(limit, StorageMode::Private)).unwrap();
    gpu.fill(Stream(0), largest.whole(), 1).unwrap();
    let end = largest.span(limit.get() - 5..limit.get()).unwrap();
    gpu.fill(Stream(0), end, 2).unwrap();
    let mut found = [0; 7];
    gpu.download(Stream(0), largest.span(limit.get() - 7..limit.get()).unwrap(), &mut found).unwrap();
    assert_eq!(found, [1, 1, 2, 2, 2, 2, 2]);
}

#[test]
fn a_limit_is_out_of_memory_until_something_is_freed() {
    let limit = Bytes::mib(8);
    let Some(gpu) = common::gpu(GpuSettings { limit: Some(limit), ..GpuSettings::default() }) else { return };
    let request = Request::new(Bytes::mib(5), StorageMode::Private);
    let first = gpu.allocate(request).unwrap();
    let error = gpu.allocate(request).unwrap_err();
    assert!(
        matches!(error, DeviceError::OutOfMemory { asked, free, .. } if asked == Bytes::mib(5) && free == Bytes::mib(3)),
        "{error}"
    );
    assert_eq!(gpu.memory().unwrap(), MemoryNow { total: limit, free: Bytes::mib(3) });
    gpu.free(first).unwrap();
    assert_eq!(gpu.memory().unwrap().free, limit);
    gpu.free(gpu.allocate(request).unwrap()).unwrap();
}

/// The host may be reading shared memory, or waiting, at the moment when the device is lost.
#[test]
fn a_device_is_lost_under_its_users() {
    for round in 0..6 {
        let Some(gpu) = common::gpu(GpuSettings::default()) else { return };
        let shared = gpu.allocate(Request::new(Bytes::mib(1), StorageMode::Shared)).unwrap();
        let private = gpu.allocate(Request::new(Bytes::mib(1), StorageMode::Private)).unwrap();
        gpu.write(shared.whole(), &vec![7; 1 << 20]).unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                let (gpu, shared, private) = (&gpu, &shared, &private);
                scope.spawn(move || {
                    let stream = gpu.stream();
                    let mut into = vec![0; 1 << 20];
                    let mut round = |n: u8| {
                        let stream = stream.clone()?;
                        gpu.copy(stream, shared.whole(), private.whole())?;
                        gpu.read(shared.whole(), &mut into)?;
                        gpu.wait(gpu.fence(stream)?, LONG)?;
                        gpu.upload(stream, &[n; 5000], private.span(0..5000)?)?;
                        gpu.sum(stream, private.whole())
                    };
                    let error = (0..=u8::MAX).cycle().find_map(|n| round(n).err());
                    assert!(matches!(error, Some(DeviceError::Lost { .. })), "{error:?}");
                });
            }
            thread::sleep(Duration::from_millis(5 * round));
            gpu.lose();
        });
        let lost = |result: Result<(), DeviceError>| assert!(matches!(result, Err(DeviceError::Lost { .. })));
        lost(gpu.read(shared.whole(), &mut vec![0; 1 << 20]));
        lost(gpu.sync(Stream(0), shared.whole(), SyncTo::Host));
        lost(gpu.signalled(plimsoll_device::Fence { stream: Stream(0), seq: 1 }).map(drop));
        lost(gpu.memory().map(drop));
        lost(gpu.allocate(Request::new(Bytes::kib(1), StorageMode::Private)).map(drop));
        // The address is good for as long as the region lives, whatever became of the device.
        let host = shared.host().unwrap();
        // SAFETY: the region is alive and nobody writes to it.
        let bytes = unsafe { std::slice::from_raw_parts(host.as_ptr(), 1 << 20) };
        assert!(bytes.iter().all(|&byte| byte == 7));
        gpu.free(shared).unwrap();
        // A device may go before its regions.
        drop(gpu);
        drop(private);
    }
}

#[test]
fn adapters_are_numbered_and_settings_are_checked() {
    let Some(gpu) = common::gpu(GpuSettings::default()) else { return };
    let found = adapters(&GpuSettings::default());
    assert!(found.is_sorted_by_key(|one| one.kind));
    assert_eq!((found[0].number, &found[0].name), (0, &gpu.facts().name));
    assert!(!found[0].total.is_zero() && found[0].lacks.is_none());
    let adapter = u16::try_from(found.len()).unwrap();
    let error = GpuDevice::open(GpuSettings { adapter, ..GpuSettings::default() }).unwrap_err();
    let GpuError::NoSuchAdapter { number, there } = &error else { panic!("{error}") };
    assert!(*number == adapter && there.contains(&found[0].name), "{error}");
    let tiny = Some(Bytes::kib(1));
    for settings in [
        GpuSettings { staging: tiny, ..GpuSettings::default() },
        GpuSettings { limit: Some(Bytes::new(255)), ..GpuSettings::default() },
    ] {
        assert!(matches!(GpuDevice::open(settings), Err(GpuError::BadSetting { .. })));
    }
}

/// A child process whose Vulkan finds no driver; the test that it runs is the next.
#[cfg(not(target_vendor = "apple"))]
#[test]
fn without_an_adapter_it_says_so() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child_without_an_adapter", "--ignored", "--nocapture"]);
    child.envs([("VK_DRIVER_FILES", "/nowhere.json"), ("VK_ICD_FILENAMES", "/nowhere.json")]);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
#[ignore = "run by the test before it, in a process without drivers"]
fn child_without_an_adapter() {
    assert_eq!(adapters(&GpuSettings::default()), []);
    let error = GpuDevice::open(GpuSettings::default()).unwrap_err();
    assert!(matches!(error, GpuError::NoAdapter("Vulkan") | GpuError::NoInterface(_)), "{error}");
}

#[test]
fn an_interface_that_this_system_has_not_is_named() {
    let api = if cfg!(target_vendor = "apple") { GpuApi::Vulkan } else { GpuApi::Metal };
    let settings = GpuSettings { api, ..GpuSettings::default() };
    assert_eq!(adapters(&settings), []);
    assert!(matches!(GpuDevice::open(settings), Err(GpuError::NoInterface(why)) if why.contains("Metal")));
}

/// Many small operations, and one that is large, arrive without being asked for.
#[test]
fn work_is_handed_in_before_a_fence_when_there_is_enough() {
    let Some(gpu) = common::gpu(GpuSettings::default()) else { return };
    let shared: Arc<_> = gpu.allocate(Request::new(Bytes::mib(32), StorageMode::Shared)).unwrap().into();
    gpu.write(shared.whole(), &vec![0; 32 << 20]).unwrap();
    gpu.fill(Stream(0), shared.whole(), 9).unwrap();
    let end = shared.span((32 << 20) - 1..32 << 20).unwrap();
    let mut last = [0];
    let start = std::time::Instant::now();
    while last != [9] {
        assert!(start.elapsed() < LONG, "a large fill never began");
        thread::sleep(Duration::from_millis(1));
        gpu.read(end, &mut last).unwrap();
    }
    settle(&gpu, Stream(0));
}
