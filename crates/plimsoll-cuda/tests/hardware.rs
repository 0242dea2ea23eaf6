//! The devices on this machine's GPUs, where it has any; without one each test says why it did nothing.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_cuda::{Cuda, CudaError, CudaSettings};
use plimsoll_device::conformance::{self, Options};
use plimsoll_device::{Bytes, Device, DeviceError, Request, StorageMode, Stream};

fn cuda() -> Option<Cuda> {
    match Cuda::load(CudaSettings::default()) {
        Ok(cuda) => Some(cuda),
        Err(why @ (CudaError::NoDriver | CudaError::NoDevice | CudaError::OldDriver { .. })) => {
            println!("skipped: {why}");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

fn passes(device: &Arc<dyn Device>, options: &Options) {
    let report = conformance::run(device, options);
    println!("{report}");
    assert!(report.passed(), "{report}");
}

#[test]
fn every_gpu_passes_the_suite() {
    let Some(cuda) = cuda() else { return };
    for gpu in cuda.gpus() {
        let device: Arc<dyn Device> = cuda.device(gpu.ordinal).unwrap();
        // Other tests, and other programs, use the device at the same time.
        let options = Options { exhaust: false, tells_memory: false, ..Options::suited(device.facts()) };
        passes(&device, &options);
    }
}

#[test]
fn pinned_memory_passes_the_suite() {
    let Some(cuda) = cuda() else { return };
    let device: Arc<dyn Device> = cuda.pinned().unwrap();
    passes(&device, &Options::suited(device.facts()));
}

#[test]
fn copies_go_between_host_and_every_pair_of_gpus() {
    let Some(cuda) = cuda() else { return };
    let bytes = Bytes::mib(32);
    let pinned = cuda.pinned().unwrap();
    let source = pinned.allocate(Request::new(bytes, StorageMode::Shared)).unwrap();
    let target = pinned.allocate(Request::new(bytes, StorageMode::Shared)).unwrap();
    let wanted: Vec<u8> = (0..bytes.get()).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
    pinned.write(source.whole(), &wanted).unwrap();
    for from in cuda.gpus() {
        for to in cuda.gpus() {
            let (first, last) = (cuda.device(from.ordinal).unwrap(), cuda.device(to.ordinal).unwrap());
            let one = first.reserve(bytes, StorageMode::Private).unwrap();
            first.commit(&one, 0..bytes.get()).unwrap();
            let two = last.allocate(Request::new(bytes, StorageMode::Private)).unwrap();
            let stream = first.stream().unwrap();
            pinned.write(target.whole(), &vec![0; wanted.len()]).unwrap();
            first.copy(stream, source.whole(), one.whole()).unwrap();
            first.copy(stream, one.whole(), two.whole()).unwrap();
            last.copy(stream, two.whole(), target.whole()).unwrap();
            let fence = last.fence(stream).unwrap();
            pinned.wait(fence, Duration::from_secs(30)).unwrap();
            let mut found = vec![0; wanted.len()];
            pinned.read(target.whole(), &mut found).unwrap();
            assert!(found == wanted, "from cuda:{} to cuda:{}", from.ordinal, to.ordinal);
        }
    }
}

#[test]
fn more_managed_memory_than_is_free_is_refused_before_the_driver_is_asked() {
    let Some(cuda) = cuda() else { return };
    let device = cuda.device(0).unwrap();
    let most = device.memory().unwrap().total;
    let refused = device.allocate(Request::new(most, StorageMode::Managed)).unwrap_err();
    assert!(matches!(refused, DeviceError::OutOfMemory { .. }), "{refused}");
}

#[test]
fn an_upload_from_pinned_memory_has_been_read_when_it_returns() {
    let Some(cuda) = cuda() else { return };
    let (device, pinned) = (cuda.device(0).unwrap(), cuda.pinned().unwrap());
    let bytes = Bytes::mib(64);
    let source = pinned.allocate(Request::new(bytes, StorageMode::Shared)).unwrap();
    let target = device.allocate(Request::new(bytes, StorageMode::Private)).unwrap();
    let start = source.host().unwrap();
    for value in 1..20 {
        // SAFETY: the region is this test's alone, and nothing uses it but what is below.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), bytes.as_usize()) };
        bytes.fill(value);
        device.upload(Stream(0), bytes, target.whole()).unwrap();
        bytes.fill(0xff);
        let mut found = vec![0; bytes.len()];
        device.download(Stream(0), target.whole(), &mut found).unwrap();
        assert!(found.iter().all(|&byte| byte == value), "round {value}");
    }
}
