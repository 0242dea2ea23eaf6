//! What a device's kernels do with leases: the bytes, the fences, the faults, and two devices of one family.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Bench;
use plimsoll::Bytes;
use plimsoll::pool::{Lease, LeaseError, NumbersIn, Pool, RowsIn};
use plimsoll_device::kernels::nearest::{Nearest, NearestShape};
use plimsoll_device::kernels::{Number, Numbers, Rows, reference};
use plimsoll_device::sim::{Call, SimSettings};
use plimsoll_device::{
    Device, DeviceError, Facts, Fence, FreeError, Kernels, MemoryNow, Region, Request, SimDevice, Span,
    Stream, SyncTo,
};

const STREAM: Stream = Stream(0);

fn lease_of(pool: &Pool, bytes: &[u8]) -> Lease {
    let mut lease = pool.lease(Bytes::new(bytes.len() as u64)).unwrap();
    lease.write(0, bytes).unwrap();
    lease
}

fn numbered(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn blocks_rows_and_patterns_arrive() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let bytes = numbered(1000 * 16);
    let mut source = lease_of(&pool, &bytes);
    let index = [7, 900, 7];
    // More room than is needed: what is behind the blocks stays.
    let mut target = lease_of(&pool, &[0xee; 64]);
    target.gather_from(STREAM, &mut source, &index, 16).unwrap().unwrap();
    let mut wanted = vec![0xee; 64];
    reference::gather(&bytes, &index, 16, &mut wanted[..48]);
    assert_eq!(target.as_slice().unwrap(), wanted);
    source.scatter_from(STREAM, &mut target, &[3, 1, 0], 16).unwrap().unwrap();
    assert_eq!(&source.as_slice().unwrap()[48..64], &wanted[..16]);
    let (from, to) = (RowsIn { start: 3, pitch: 100 }, RowsIn { start: 5, pitch: 9 });
    target.copy_rows_from(STREAM, to, &mut source, from, 4, 7).unwrap().unwrap();
    assert_eq!(&target.as_slice().unwrap()[5 + 27..5 + 34], &bytes[303..310]);
    target.fill_pattern(STREAM, &[1, 2]).unwrap().unwrap();
    assert_eq!(target.as_slice().unwrap(), [1, 2].repeat(32));
    assert_eq!(target.sum(STREAM).unwrap(), reference::sum(&[1, 2].repeat(32)));
    drop((source, target, pool));
    bench.assert_balanced();
}

#[test]
fn numbers_go_there_and_back() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let values: Vec<u8> = (0..128_u8).flat_map(|n| (f32::from(n) - 64.0).to_le_bytes()).collect();
    let mut floats = lease_of(&pool, &values);
    let mut scales = pool.lease(Bytes::new(8)).unwrap();
    let mut eights = pool.lease(Bytes::new(128)).unwrap();
    bench.device.hold_fences();
    let (to, from) = (NumbersIn::scaled(Number::Int8, &mut scales, 64), NumbersIn::floats(Number::F32));
    let fence = eights.convert_from(STREAM, to, &mut floats, from).unwrap().unwrap();
    for lease in [&floats, &scales, &eights] {
        assert!(matches!(lease.as_slice(), Err(LeaseError::InUse(f)) if f == fence), "each waits for it");
    }
    bench.device.release_fences();
    let (to, from) = (NumbersIn::floats(Number::F32), NumbersIn::scaled(Number::Int8, &mut scales, 64));
    let mut back = pool.lease(Bytes::new(512)).unwrap();
    back.convert_from(STREAM, to, &mut eights, from).unwrap().unwrap();
    for (was, is) in values.chunks(4).zip(back.as_slice().unwrap().chunks(4)) {
        let [was, is] = [was, is].map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        assert!((was - is).abs() <= 64.0 / 127.0, "{is} for {was}");
    }
}

#[test]
fn what_a_kernel_uses_is_charged_until_it_is_done() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    bench.device.hold_fences();
    let mut source = pool.lease(Bytes::mib(1)).unwrap();
    let mut target = pool.lease(Bytes::mib(2)).unwrap();
    let fence = target.gather_from(STREAM, &mut source, &[0, 0], 1 << 20).unwrap().unwrap();
    drop((source, target));
    assert_eq!(pool.stats().pending, Bytes::mib(3));
    bench.device.signal(fence).unwrap();
    assert_eq!(pool.stats().pending, Bytes::ZERO);
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn a_sum_waits_for_its_stream_and_refuses_to_race_another() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let second = bench.device.stream().unwrap();
    let mut lease = pool.lease(Bytes::kib(4)).unwrap();
    bench.device.hold_fences();
    lease.fill(second, 3).unwrap();
    assert!(matches!(lease.sum(STREAM), Err(LeaseError::InUse(fence)) if fence.stream == second));
    assert_eq!(lease.sum(second).unwrap(), reference::sum(&[3; 4096]));
    bench.device.signal_all();
}

#[test]
fn bytes_that_one_stream_got_early_are_for_no_kernel_of_another() {
    let bench = Bench::new(Bytes::mib(16));
    let [one, two] = [0, 1].map(|_| bench.device.stream().unwrap());
    bench.device.hold_fences();
    let pool = bench.pool();
    let mut before = pool.lease(Bytes::mib(1)).unwrap();
    let fence = before.fill(one, 1).unwrap().unwrap();
    drop(before);
    let mut early = pool.lease_on(one, Bytes::mib(1)).unwrap();
    assert_eq!(early.carried(), Some(fence));
    let mut other = pool.lease(Bytes::mib(1)).unwrap();
    let mut eights = pool.lease(Bytes::kib(512)).unwrap();
    let refused = |result: Result<Option<Fence>, LeaseError>| {
        assert!(matches!(result, Err(LeaseError::InUse(f)) if f == fence), "{result:?}");
    };
    let (rows, floats) = (RowsIn { start: 0, pitch: 16 }, || NumbersIn::floats(Number::F32));
    refused(early.gather_from(two, &mut other, &[0], 1 << 20));
    refused(other.gather_from(two, &mut early, &[0], 1 << 20));
    refused(early.scatter_from(two, &mut other, &[0], 1 << 20));
    refused(other.scatter_from(two, &mut early, &[0], 1 << 20));
    refused(early.copy_rows_from(two, rows, &mut other, rows, 4, 16));
    refused(other.copy_rows_from(two, rows, &mut early, rows, 4, 16));
    refused(early.convert_from(two, floats(), &mut other, floats()));
    refused(other.convert_from(two, floats(), &mut early, floats()));
    refused(early.fill_pattern(two, &[1]));
    let to = NumbersIn::scaled(Number::Int8, &mut early, 32);
    refused(eights.convert_from(two, to, &mut other, NumbersIn::floats(Number::F16)));
    assert!(matches!(early.sum(two), Err(LeaseError::InUse(f)) if f == fence));
    early.gather_from(one, &mut other, &[0], 1 << 20).expect("its own stream may");
    bench.device.signal_all();
}

#[test]
fn a_kernel_that_did_not_start_holds_nothing() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let (mut a, mut b) = (lease_of(&pool, &[1; 256]), lease_of(&pool, &[2; 256]));
    bench.device.fail_every(Call::Kernel, 1);
    bench.device.hold_fences();
    a.gather_from(STREAM, &mut b, &[0], 256).unwrap_err();
    a.fill_pattern(STREAM, &[0]).unwrap_err();
    a.sum(STREAM).unwrap_err();
    assert_eq!(a.as_slice().unwrap(), [1; 256]);
    assert_eq!(b.as_slice().unwrap(), [2; 256]);
    drop((a, b, pool));
    bench.device.release_fences();
    bench.assert_balanced();
}

#[test]
fn a_kernel_whose_fence_could_not_be_had_is_not_forgotten() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let mut leases: Vec<_> = (0..4).map(|_| lease_of(&pool, &[0; 4096])).collect();
    bench.device.fail_every(Call::Fence, 1);
    let [a, b, c, scales] = &mut leases[..] else { unreachable!() };
    a.gather_from(STREAM, b, &[0], 4096).unwrap_err();
    c.fill_pattern(STREAM, &[1]).unwrap_err();
    for lease in [&*a, b, c] {
        assert!(matches!(lease.as_slice(), Err(LeaseError::InUse(_))), "the kernel was started");
    }
    let mut eights = pool.lease(Bytes::new(32 << 10)).unwrap();
    let mut floats = pool.lease(Bytes::new(128 << 10)).unwrap();
    let to = NumbersIn::scaled(Number::Int8, scales, 32);
    eights.convert_from(STREAM, to, &mut floats, NumbersIn::floats(Number::F32)).unwrap_err();
    for lease in [&*scales, &eights, &floats] {
        assert!(matches!(lease.as_slice(), Err(LeaseError::InUse(_))), "the conversion was started");
    }
    drop((leases, eights, floats));
    assert_eq!(pool.stats().pending, Bytes::kib(4 * 4 + 32 + 128));
    bench.device.heal();
    pool.settle().unwrap();
    drop(pool);
    bench.assert_balanced();
}

#[test]
fn what_does_not_fit_is_refused_before_anything_starts() {
    let bench = Bench::new(Bytes::mib(16));
    let pool = bench.pool();
    let (mut a, mut b) = (lease_of(&pool, &[1; 256]), lease_of(&pool, &[2; 256]));
    let mut none = pool.lease(Bytes::ZERO).unwrap();
    bench.device.hold_fences();
    let said = |result: Result<Option<Fence>, LeaseError>| match result {
        Err(LeaseError::Device(error)) => *error,
        other => panic!("{other:?}"),
    };
    let floats = || NumbersIn::floats(Number::F32);
    for error in [
        said(a.gather_from(STREAM, &mut b, &[1], 256)),
        said(a.gather_from(STREAM, &mut b, &[0], 0)),
        said(a.gather_from(STREAM, &mut none, &[0], 16)),
        said(none.scatter_from(STREAM, &mut b, &[0], 16)),
        said(a.scatter_from(STREAM, &mut b, &[1, 1], 16)),
        said(a.fill_pattern(STREAM, &[1, 2, 3])),
        said(a.convert_from(STREAM, floats(), &mut b, NumbersIn::floats(Number::F16))),
        said(a.convert_from(STREAM, floats(), &mut none, floats())),
        said(a.convert_from(STREAM, floats(), &mut b, NumbersIn::scaled(Number::Int8, &mut none, 32))),
    ] {
        assert!(matches!(error, DeviceError::BadOperation { .. }), "{error}");
    }
    let far = RowsIn { start: 0, pitch: 100 };
    for error in [
        said(a.gather_from(STREAM, &mut b, &[0, 1], 256)),
        said(a.copy_rows_from(STREAM, far, &mut b, RowsIn { start: 0, pitch: 1 }, 4, 1)),
    ] {
        assert!(matches!(error, DeviceError::OutOfBounds { .. }), "{error}");
    }
    let huge = RowsIn { start: 0, pitch: u64::MAX };
    let error = said(a.copy_rows_from(STREAM, huge, &mut b, far, 3, 1));
    assert!(matches!(error, DeviceError::BadOperation { .. }), "{error}");
    assert_eq!(none.gather_from(STREAM, &mut a, &[], 16).unwrap(), None, "nothing is no work");
    assert_eq!((a.as_slice().unwrap(), b.as_slice().unwrap()), (&[1; 256][..], &[2; 256][..]));
}

#[test]
fn a_device_without_kernels_says_so() {
    let settings = SimSettings { unified: true, kernels: false, ..SimSettings::default() };
    let bench = Bench::with(Bytes::mib(16), settings);
    let pool = bench.pool();
    let mut lease = lease_of(&pool, &[1; 16]);
    let error = lease.fill_pattern(STREAM, &[1]).unwrap_err();
    assert!(
        matches!(&error, LeaseError::Device(e) if matches!(**e, DeviceError::Unsupported { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("sim:0"), "{error}");
}

/// One of two devices that share streams: it reaches its own memory, and the other's if it is told to.
#[derive(Debug)]
struct Cousin {
    inner: Arc<SimDevice>,
    reaches_all: bool,
    own: Mutex<HashSet<u64>>,
}

impl Cousin {
    fn new(inner: &Arc<SimDevice>, reaches_all: bool) -> Arc<Self> {
        Arc::new(Self { inner: Arc::clone(inner), reaches_all, own: Mutex::default() })
    }

    fn reaches(&self, spans: &[Span<'_>]) -> Result<(), DeviceError> {
        let own = self.own.lock().unwrap();
        let reached = self.reaches_all || spans.iter().all(|span| own.contains(&span.region().id()));
        if reached { Ok(()) } else { Err(DeviceError::WrongDevice) }
    }
}

impl Device for Cousin {
    fn facts(&self) -> &Facts {
        self.inner.facts()
    }

    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        self.inner.memory()
    }

    fn allocate(&self, request: Request) -> Result<Region, DeviceError> {
        let region = self.inner.allocate(request)?;
        self.own.lock().unwrap().insert(region.id());
        Ok(region)
    }

    fn reserve(&self, bytes: Bytes, mode: plimsoll_device::StorageMode) -> Result<Region, DeviceError> {
        let region = self.inner.reserve(bytes, mode)?;
        self.own.lock().unwrap().insert(region.id());
        Ok(region)
    }

    fn commit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        self.inner.commit(region, range)
    }

    fn decommit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        self.inner.decommit(region, range)
    }

    fn free(&self, region: Region) -> Result<(), FreeError> {
        self.inner.free(region)
    }

    fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        self.inner.read(source, into)
    }

    fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError> {
        self.inner.write(target, from)
    }

    fn stream(&self) -> Result<Stream, DeviceError> {
        self.inner.stream()
    }

    fn copy(&self, stream: Stream, source: Span<'_>, target: Span<'_>) -> Result<(), DeviceError> {
        self.reaches(&[source, target])?;
        self.inner.copy(stream, source, target)
    }

    fn fill(&self, stream: Stream, target: Span<'_>, value: u8) -> Result<(), DeviceError> {
        self.inner.fill(stream, target, value)
    }

    fn upload(&self, stream: Stream, from: &[u8], target: Span<'_>) -> Result<(), DeviceError> {
        self.inner.upload(stream, from, target)
    }

    fn download(&self, stream: Stream, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        self.inner.download(stream, source, into)
    }

    fn sync(&self, stream: Stream, span: Span<'_>, to: SyncTo) -> Result<(), DeviceError> {
        self.inner.sync(stream, span, to)
    }

    fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        self.inner.fence(stream)
    }

    fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        self.inner.signalled(fence)
    }

    fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        self.inner.wait(fence, at_most)
    }

    fn kernels(&self) -> Option<&dyn Kernels> {
        Some(self)
    }
}

impl Kernels for Cousin {
    fn copy_rows(&self, stream: Stream, source: Rows<'_>, target: Rows<'_>) -> Result<(), DeviceError> {
        self.reaches(&[source.span, target.span])?;
        self.inner.copy_rows(stream, source, target)
    }

    fn fill_pattern(&self, stream: Stream, target: Span<'_>, pattern: &[u8]) -> Result<(), DeviceError> {
        self.inner.fill_pattern(stream, target, pattern)
    }

    fn convert(&self, stream: Stream, source: Numbers<'_>, target: Numbers<'_>) -> Result<(), DeviceError> {
        self.reaches(&[source.span, target.span])?;
        self.inner.convert(stream, source, target)
    }

    fn gather(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        self.reaches(&[source, target])?;
        self.inner.gather(stream, source, index, block, target)
    }

    fn scatter(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        self.reaches(&[source, target])?;
        self.inner.scatter(stream, source, index, block, target)
    }

    fn sum(&self, stream: Stream, source: Span<'_>) -> Result<u64, DeviceError> {
        self.inner.sum(stream, source)
    }

    fn nearest(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError> {
        self.reaches(&[ask.rows, ask.lists])?;
        self.inner.nearest(stream, ask)
    }

    fn nearest_desk(&self, shape: &NearestShape) -> Bytes {
        self.inner.nearest_desk(shape)
    }
}

fn pool_on(bench: &Bench, device: Arc<Cousin>) -> Pool {
    Pool::new(&bench.account, device, Bench::settings()).unwrap()
}

#[test]
fn leases_of_two_devices_of_a_family_work_together() {
    let bench = Bench::new(Bytes::mib(32));
    let (gpu, pinned) = (Cousin::new(&bench.device, true), Cousin::new(&bench.device, false));
    let (on_gpu, on_host) = (pool_on(&bench, gpu), pool_on(&bench, pinned));
    let bytes = numbered(4096);
    let mut host = lease_of(&on_host, &bytes);
    let mut device = on_gpu.lease(Bytes::kib(4)).unwrap();
    let mut back = on_host.lease(Bytes::kib(4)).unwrap();
    bench.device.hold_fences();
    // The target's device does the first; the second it refuses, and the source's device does it.
    device.copy_from(STREAM, 0, &mut host, 0, Bytes::kib(4)).unwrap();
    let fence = back.copy_from(STREAM, 0, &mut device, 0, Bytes::kib(4)).unwrap().unwrap();
    assert!(matches!(back.as_slice(), Err(LeaseError::InUse(f)) if f == fence));
    assert!(matches!(host.as_slice(), Err(LeaseError::InUse(_))), "the other device still reads it");
    bench.device.signal(fence).unwrap();
    assert_eq!(back.as_slice().unwrap(), bytes);
    back.gather_from(STREAM, &mut device, &[15, 0], 256).unwrap().unwrap();
    device.scatter_from(STREAM, &mut host, &[1, 0], 256).unwrap().unwrap();
    bench.device.signal_all();
    assert_eq!(&back.as_slice().unwrap()[..256], &bytes[3840..]);
    assert_eq!(device.sum(STREAM).unwrap(), {
        let mut wanted = bytes.clone();
        reference::scatter(&bytes, &[1, 0], 256, &mut wanted);
        reference::sum(&wanted)
    });
    let dropped = back.gather_from(STREAM, &mut device, &[0], 256).unwrap().unwrap();
    drop((host, device, back));
    assert_eq!(on_host.stats().pending + on_gpu.stats().pending, Bytes::kib(8));
    bench.device.signal(dropped).unwrap();
    assert_eq!(on_host.stats().pending + on_gpu.stats().pending, Bytes::ZERO);
    drop((on_host, on_gpu));
    bench.assert_balanced();
}

#[test]
fn devices_that_do_not_reach_each_other_say_so() {
    let bench = Bench::new(Bytes::mib(32));
    let pools = [false, false].map(|all| pool_on(&bench, Cousin::new(&bench.device, all)));
    let (mut a, mut b) = (lease_of(&pools[0], &[1; 256]), lease_of(&pools[1], &[2; 256]));
    let wrong = |result: Result<Option<Fence>, LeaseError>| {
        assert!(matches!(result, Err(LeaseError::Device(error)) if *error == DeviceError::WrongDevice));
    };
    wrong(a.copy_from(STREAM, 0, &mut b, 0, Bytes::new(256)));
    wrong(a.gather_from(STREAM, &mut b, &[0], 256));
    assert_eq!(a.as_slice().unwrap(), [1; 256]);
}
