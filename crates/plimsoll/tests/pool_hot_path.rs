//! A warm lease and its drop: no lock that threads share, no call to the device, no allocation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use common::{Bench, PLACE};
use plimsoll::Bytes;
use plimsoll::pool::{LeaseRequest, Pool, Tag};
use plimsoll_device::{
    Device, DeviceError, Facts, Fence, FreeError, MemoryNow, Region, Request, SimDevice, Span, StorageMode,
    Stream, SyncTo,
};

/// Counts what each thread allocates from the heap.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local number only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_warm_lease_calls_neither_the_device_nor_the_heap() {
    let bench = Bench::new(Bytes::mib(64));
    let pool = bench.pool();
    let tag = Tag::new("warm");
    let pair = || {
        drop(pool.lease(Bytes::kib(64)).unwrap());
        drop(pool.lease_with(LeaseRequest::new(Bytes::mib(1)).tag(tag)).unwrap());
    };
    // Twice: growing for the second size empties the cache of the first.
    pair();
    pair();
    let (device, heap, charged) = (bench.device.counts(), ALLOCATIONS.get(), bench.charged());
    for _ in 0..1_000 {
        pair();
    }
    assert_eq!(ALLOCATIONS.get(), heap, "a warm lease allocates");
    assert_eq!(bench.device.counts(), device, "a warm lease asks the device");
    assert_eq!(bench.charged(), charged, "a warm lease charges");
}

/// Whoever holds the pool's lock, here because its device takes for ever to back memory, holds up nobody whose
/// cache is warm.
#[test]
fn a_warm_lease_waits_for_no_lock_of_the_pool() {
    let bench = Bench::new(Bytes::mib(64));
    let gate =
        Arc::new(Gate { inner: bench.device.clone(), shut: Mutex::new(false), opened: Condvar::new() });
    let pool = Pool::new(&bench.account, gate.clone(), Bench::settings()).unwrap();
    // Enough in use that the other thread's growth leaves this thread's cache alone.
    let in_use = pool.lease(Bytes::mib(16)).unwrap();
    drop(pool.lease(Bytes::kib(64)).unwrap());
    *gate.shut.lock().unwrap() = true;

    let (theirs, (reached, here)) = (pool.clone(), mpsc::channel());
    let stuck = std::thread::spawn(move || {
        reached.send(()).unwrap();
        theirs.lease(Bytes::mib(40)).map(drop)
    });
    here.recv().unwrap();
    // Until the other thread is inside the device with the pool's lock held: then even a question waits.
    let asked = pool.clone();
    let (answer, answered) = mpsc::channel();
    let asking = std::thread::spawn(move || {
        loop {
            let sent = answer.send(asked.stats().backed);
            if sent.is_err() {
                return;
            }
        }
    });
    while answered.recv_timeout(Duration::from_millis(200)).is_ok() {}

    for _ in 0..10_000 {
        drop(pool.lease(Bytes::kib(64)).unwrap());
    }
    drop(answered);
    *gate.shut.lock().unwrap() = false;
    gate.opened.notify_all();
    stuck.join().unwrap().unwrap();
    asking.join().unwrap();
    drop((in_use, pool, gate));
    assert_eq!(bench.account.charged(PLACE), Bytes::ZERO);
}

/// A device that backs no memory while its gate is shut.
#[derive(Debug)]
struct Gate {
    inner: Arc<SimDevice>,
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Device for Gate {
    fn facts(&self) -> &Facts {
        self.inner.facts()
    }
    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        self.inner.memory()
    }
    fn allocate(&self, request: Request) -> Result<Region, DeviceError> {
        self.inner.allocate(request)
    }
    fn reserve(&self, bytes: Bytes, mode: StorageMode) -> Result<Region, DeviceError> {
        self.inner.reserve(bytes, mode)
    }
    fn commit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        drop(self.opened.wait_while(self.shut.lock().unwrap(), |shut| *shut).unwrap());
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
}
