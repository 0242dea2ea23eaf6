//! The devices on a driver that is made of ordinary memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll_device::conformance::{self, Options};
use plimsoll_device::{Bytes, Device, DeviceError, Notice, Request, StorageMode, Stream};

use crate::driver::Code;
use crate::driver::fake::{Call, Fake, GRANULE, described};
use crate::{Cuda, CudaSettings};

const TOTAL: u64 = 256 << 20;

fn cuda(settings: CudaSettings) -> (Fake, Cuda) {
    let fake = Fake::new(TOTAL);
    let driver = fake.clone();
    let probes = vec![described(0, TOTAL), described(1, TOTAL)];
    (fake, Cuda::with((13, 0), probes, settings, Box::new(move |_| Ok(Box::new(driver.clone())))))
}

fn passes(device: &Arc<dyn Device>, options: &Options) {
    let report = conformance::run(device, options);
    assert!(report.passed(), "{report}");
}

#[test]
fn a_gpu_passes_the_suite() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let device: Arc<dyn Device> = cuda.device(0).unwrap();
    let mut options = Options::suited(device.facts());
    let lose = fake.clone();
    options.lose = Some(Arc::new(move || lose.die(Code::LAUNCH_FAILED)));
    passes(&device, &options);
}

#[test]
fn pinned_memory_passes_the_suite() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let device: Arc<dyn Device> = cuda.pinned().unwrap();
    let mut options = Options::suited(device.facts());
    let lose = fake.clone();
    options.lose = Some(Arc::new(move || lose.die(Code::LAUNCH_FAILED)));
    passes(&device, &options);
}

#[test]
fn everything_goes_back_to_the_driver() {
    let (fake, cuda) = cuda(CudaSettings::default());
    {
        let (device, pinned) = (cuda.device(0).unwrap(), cuda.pinned().unwrap());
        let range = device.reserve(Bytes::mib(8), StorageMode::Private).unwrap();
        device.commit(&range, 0..4 * GRANULE).unwrap();
        let big = pinned.allocate(Request::new(Bytes::mib(2), StorageMode::Shared)).unwrap();
        device.copy(Stream(0), big.span(0..GRANULE).unwrap(), range.span(0..GRANULE).unwrap()).unwrap();
        let managed = device.allocate(Request::new(Bytes::mib(1), StorageMode::Managed)).unwrap();
        assert!(fake.used() > 0);
        drop((range, big, managed));
    }
    assert_eq!((fake.used(), fake.left()), (0, (0, 0)));
}

#[test]
fn a_fence_of_one_is_good_on_the_other() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let (device, pinned) = (cuda.device(0).unwrap(), cuda.pinned().unwrap());
    let other = cuda.device(1).unwrap();
    let source = pinned.allocate(Request::new(Bytes::kib(4), StorageMode::Shared)).unwrap();
    let target = device.allocate(Request::new(Bytes::kib(4), StorageMode::Private)).unwrap();
    pinned.write(source.whole(), &[7; 4096]).unwrap();
    fake.hold();
    device.copy(Stream(0), source.whole(), target.whole()).unwrap();
    let fence = device.fence(Stream(0)).unwrap();
    let apart = other.fence(Stream(0)).unwrap();
    assert_ne!(fence.stream, apart.stream, "each device has its own stream 0");
    assert!(!pinned.signalled(fence).unwrap() && !other.signalled(fence).unwrap());
    fake.let_go();
    pinned.wait(fence, Duration::from_secs(5)).unwrap();
    let mut back = [0; 4096];
    other.download(Stream(0), target.whole(), &mut back).unwrap();
    assert_eq!(back, [7; 4096]);
}

#[test]
fn a_growth_that_fails_half_way_leaves_nothing_behind() {
    for (call, after) in [(Call::Create, 2), (Call::Map, 2), (Call::Allow, 0)] {
        let (fake, cuda) = cuda(CudaSettings::default());
        let device = cuda.device(0).unwrap();
        let range = device.reserve(Bytes::mib(4), StorageMode::Private).unwrap();
        fake.fail(call, after, Code(304));
        let refused = device.commit(&range, 0..4 * GRANULE).unwrap_err();
        assert!(refused.to_string().contains("OPERATING_SYSTEM"), "{refused}");
        assert_eq!((fake.used(), fake.left().0), (0, 0), "after {call:?} failed");
        device.commit(&range, 0..4 * GRANULE).unwrap();
        assert_eq!(fake.used(), 4 * GRANULE);
    }
}

#[test]
fn backing_moves_within_a_range() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let device = cuda.device(0).unwrap();
    let range = device.reserve(Bytes::mib(4), StorageMode::Private).unwrap();
    device.commit(&range, 0..2 * GRANULE).unwrap();
    // No new memory is asked for: the device could not give any.
    fake.fail(Call::Create, 0, Code::OUT_OF_MEMORY);
    device.remap(&range, 0..2 * GRANULE, 8 * GRANULE..10 * GRANULE).unwrap();
    assert_eq!(fake.used(), 2 * GRANULE);
    let gone = device.fill(Stream(0), range.span(0..10).unwrap(), 1).unwrap_err();
    assert!(matches!(gone, DeviceError::NotBacked { .. }), "{gone}");
    device.fill(Stream(0), range.span(8 * GRANULE..10 * GRANULE).unwrap(), 1).unwrap();
    for refused in [
        device.remap(&range, 0..GRANULE, 8 * GRANULE..9 * GRANULE),
        device.remap(&range, 8 * GRANULE..9 * GRANULE, 9 * GRANULE..10 * GRANULE),
        device.remap(&range, 8 * GRANULE..9 * GRANULE, GRANULE..3 * GRANULE),
    ] {
        refused.unwrap_err();
    }
    device.decommit(&range, 8 * GRANULE..10 * GRANULE).unwrap();
    assert_eq!(fake.used(), 0);
}

#[test]
fn backing_is_not_taken_from_under_work() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let device = cuda.device(0).unwrap();
    let range = device.reserve(Bytes::mib(4), StorageMode::Private).unwrap();
    device.commit(&range, 0..4 * GRANULE).unwrap();
    fake.hold();
    device.fill(Stream(0), range.span(10..20).unwrap(), 1).unwrap();
    let refused = device.decommit(&range, 0..GRANULE).unwrap_err();
    assert!(matches!(refused, DeviceError::BadRange { .. }), "{refused}");
    device.remap(&range, 0..GRANULE, 8 * GRANULE..9 * GRANULE).unwrap_err();
    device.decommit(&range, GRANULE..2 * GRANULE).unwrap();
    fake.let_go();
    device.decommit(&range, 0..GRANULE).unwrap();
}

#[test]
fn memory_freed_under_work_is_waited_for_before_there_is_none() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let device = cuda.device(0).unwrap();
    let half = Request::new(Bytes::new(TOTAL / 2), StorageMode::Private);
    let (one, two) = (device.allocate(half).unwrap(), device.allocate(half).unwrap());
    fake.hold();
    device.copy(Stream(0), one.whole(), two.whole()).unwrap();
    device.free(one).unwrap();
    let later = fake.clone();
    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        later.let_go();
    });
    let again = device.allocate(half).unwrap();
    release.join().unwrap();
    device.free(again).unwrap();
    device.free(two).unwrap();
}

#[test]
fn many_operations_without_a_fence_hold_nothing_for_ever() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let device = cuda.device(0).unwrap();
    for _ in 0..2_000 {
        let region = device.allocate(Request::new(Bytes::mib(1), StorageMode::Private)).unwrap();
        device.fill(Stream(0), region.whole(), 1).unwrap();
        device.free(region).unwrap();
    }
    assert!(fake.used() <= TOTAL);
}

#[test]
fn pinned_memory_that_is_refused_is_told_once_and_replaced() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let notice = Notice::to(move |text| sink.lock().unwrap().push(text.to_owned()));
    let (fake, cuda) = cuda(CudaSettings { notice, ..CudaSettings::default() });
    let (pinned, device) = (cuda.pinned().unwrap(), cuda.device(0).unwrap());
    fake.refuse_pinned();
    let target = device.allocate(Request::new(Bytes::mib(2), StorageMode::Private)).unwrap();
    for bytes in [Bytes::kib(4), Bytes::mib(2)] {
        let region = pinned.allocate(Request::new(bytes, StorageMode::Shared)).unwrap();
        pinned.write(region.whole(), &vec![9; bytes.as_usize()]).unwrap();
        device.copy(Stream(0), region.whole(), target.span(0..bytes.get()).unwrap()).unwrap();
        let mut back = vec![0; bytes.as_usize()];
        device.download(Stream(0), target.span(0..bytes.get()).unwrap(), &mut back).unwrap();
        assert!(back.iter().all(|&byte| byte == 9));
    }
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("page-locked"), "{told:?}");
}

#[test]
fn managed_memory_is_never_more_than_is_free() {
    let (_fake, cuda) = cuda(CudaSettings::default());
    let device = cuda.device(0).unwrap();
    let managed = |bytes| device.allocate(Request::new(Bytes::new(bytes), StorageMode::Managed));
    let most = managed(TOTAL / 4 * 3).unwrap();
    let refused = managed(TOTAL / 2).unwrap_err();
    assert!(matches!(refused, DeviceError::OutOfMemory { .. }), "{refused}");
    drop(most);
    managed(TOTAL / 2).unwrap();
}

#[test]
fn stream_ordered_memory_goes_back_on_its_stream_or_plainly() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let device = cuda.device(0).unwrap();
    let region = device.allocate_on(Stream(0), Bytes::mib(1)).unwrap();
    device.fill(Stream(0), region.whole(), 3).unwrap();
    device.free_on(Stream(0), region).unwrap();
    device.free(device.allocate_on(Stream(0), Bytes::mib(1)).unwrap()).unwrap();
    let plain = device.allocate(Request::new(Bytes::mib(1), StorageMode::Private)).unwrap();
    let refused = device.free_on(Stream(0), plain).unwrap_err();
    assert_eq!(refused.region.bytes(), Bytes::mib(1));
    drop(refused);
    assert!(matches!(device.allocate_on(Stream(0), Bytes::gib(1)), Err(DeviceError::OutOfMemory { .. })));
    device.memory().unwrap();
    assert_eq!(fake.used(), 0);
}

#[test]
fn a_lost_gpu_is_named_and_its_buffers_are_refused() {
    let (fake, cuda) = cuda(CudaSettings::default());
    let device = cuda.device(0).unwrap();
    let region = device.allocate(Request::new(Bytes::kib(4), StorageMode::Private)).unwrap();
    fake.die(Code(700));
    let lost = device.fill(Stream(0), region.whole(), 0).unwrap_err();
    assert!(
        lost.to_string().contains("made-up GPU 0") && lost.to_string().contains("ILLEGAL_ADDRESS"),
        "{lost}"
    );
    device.free(region).unwrap();
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let (_fake, cuda) = cuda(CudaSettings::default());
    let refused = cuda.device(7).unwrap_err();
    assert_eq!(refused.to_string(), "there is no cuda:7; this machine has 2 CUDA devices, numbered from 0");
}
