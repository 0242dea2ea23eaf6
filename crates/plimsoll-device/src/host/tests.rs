//! What only the host device promises, and what needs a look inside.

use std::io::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use super::lane::Job;
use super::*;
use crate::{Device, Request, Stream};

const LONG: Duration = Duration::from_secs(20);

fn host() -> HostDevice {
    HostDevice::open(HostSettings::default()).unwrap()
}

fn shared(host: &HostDevice, bytes: Bytes) -> Region {
    host.allocate(Request::new(bytes, StorageMode::Shared)).unwrap()
}

#[test]
fn facts_are_read_from_the_system() {
    let host = host();
    let facts = host.facts();
    assert!(facts.page.is_power_of_two() && facts.page >= 4096);
    assert!((32..=256).contains(&facts.min_align));
    assert!(facts.granule >= facts.page);
    assert!(facts.total > Bytes::mib(64));
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for granule in [0, 1, 3 << 20, 1 << 40] {
        let settings = HostSettings { granule: Some(Bytes::new(granule)), ..HostSettings::default() };
        assert!(matches!(
            HostDevice::open(settings),
            Err(DeviceError::BadSetting { setting: "granule", .. })
        ));
    }
}

#[test]
fn what_is_decommitted_really_goes_back() {
    let host = host();
    let granule = host.facts().granule;
    let range = host.reserve(Bytes::gib(64), StorageMode::Shared).unwrap();
    host.commit(&range, 0..4 * granule).unwrap();
    assert_eq!(host.allocated().get(), 4 * granule);
    let all = range.span(0..4 * granule).unwrap();
    host.fill(Stream(0), all, 7).unwrap();
    let fence = host.fence(Stream(0)).unwrap();
    host.wait(fence, LONG).unwrap();
    assert_eq!(host.resident(all).unwrap().get(), 4 * granule);
    host.decommit(&range, granule..3 * granule).unwrap();
    assert_eq!(host.allocated().get(), 2 * granule);
    host.commit(&range, granule..3 * granule).unwrap();
    let middle = range.span(granule..3 * granule).unwrap();
    assert_eq!(host.resident(middle).unwrap(), Bytes::ZERO);
    let mut back = vec![1; 16];
    host.read(range.span(granule..granule + 16).unwrap(), &mut back).unwrap();
    assert_eq!(back, [0; 16]);
    host.free(range).unwrap();
    assert_eq!(host.allocated(), Bytes::ZERO);
}

#[test]
fn a_limit_is_kept() {
    let settings = HostSettings { limit: Some(Bytes::mib(8)), ..HostSettings::default() };
    let host = HostDevice::open(settings).unwrap();
    let first = shared(&host, Bytes::mib(6));
    let again = host.allocate(Request::new(Bytes::mib(3), StorageMode::Shared));
    assert!(matches!(again, Err(DeviceError::OutOfMemory { free, .. }) if free == Bytes::mib(2)));
    host.free(first).unwrap();
    host.free(shared(&host, Bytes::mib(8))).unwrap();
}

/// Puts work on stream 0 that lasts until the sender is dropped.
fn block(host: &HostDevice) -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel::<()>();
    let job = Job::Test(Box::new(move || {
        let _ = receiver.recv();
    }));
    host.lanes.get(Stream(0)).unwrap().submit(job, false).unwrap();
    sender
}

#[test]
fn memory_stays_while_work_uses_it() {
    let host = host();
    let granule = host.facts().granule;
    let gate = block(&host);
    let source = shared(&host, Bytes::kib(8));
    host.write(source.whole(), &[9; 8192]).unwrap();
    let range = host.reserve(Bytes::new(granule), StorageMode::Shared).unwrap();
    host.commit(&range, 0..granule).unwrap();
    host.copy(Stream(0), source.whole(), range.span(0..8192).unwrap()).unwrap();
    host.free(source).unwrap();
    let fence = host.fence(Stream(0)).unwrap();
    assert!(!host.signalled(fence).unwrap());
    assert!(matches!(host.wait(fence, Duration::from_millis(1)), Err(DeviceError::FenceTimeout { .. })));
    let why = host.decommit(&range, 0..granule).unwrap_err();
    assert!(why.to_string().contains("still uses it"), "{why}");
    assert_eq!(host.allocated().get(), granule + 8192);
    drop(gate);
    host.wait(fence, LONG).unwrap();
    let mut back = vec![0; 8192];
    host.read(range.span(0..8192).unwrap(), &mut back).unwrap();
    assert_eq!(back, [9; 8192]);
    host.decommit(&range, 0..granule).unwrap();
    assert_eq!(host.allocated(), Bytes::ZERO);
}

#[test]
fn order_is_kept_behind_work_that_is_slow() {
    let host = host();
    let region = shared(&host, Bytes::kib(256));
    let gate = block(&host);
    host.fill(Stream(0), region.whole(), 1).unwrap();
    host.upload(Stream(0), &[2; 100], region.span(0..100).unwrap()).unwrap();
    let other = host.stream().unwrap();
    let free = host.fence(other).unwrap();
    assert!(host.signalled(free).unwrap(), "another stream does not wait");
    std::thread::scope(|scope| {
        // Larger than what is staged: it waits for its turn, and what comes later waits for it.
        let big = region.span(100..200_100).unwrap();
        let upload = scope.spawn({
            let host = &host;
            move || host.upload(Stream(0), &vec![3; 200_000], big)
        });
        while !host.lanes.get(Stream(0)).unwrap().waits() {
            std::thread::yield_now();
        }
        let fence = host.fence(Stream(0)).unwrap();
        assert!(!host.signalled(fence).unwrap());
        drop(gate);
        upload.join().unwrap().unwrap();
        host.wait(fence, LONG).unwrap();
    });
    let mut back = vec![0; 262_144];
    host.download(Stream(0), region.whole(), &mut back).unwrap();
    assert!(back[..100].iter().all(|&b| b == 2));
    assert!(back[100..200_100].iter().all(|&b| b == 3));
    assert!(back[200_100..].iter().all(|&b| b == 1));
}

#[test]
fn work_that_panics_loses_the_device_and_nobody_hangs() {
    let host = host();
    let region = shared(&host, Bytes::kib(4));
    let gate = block(&host);
    let lane = host.lanes.get(Stream(0)).unwrap();
    let (sender, receiver) = mpsc::channel::<()>();
    let job = Job::Test(Box::new(move || {
        let _ = receiver.recv();
        panic!("on purpose")
    }));
    lane.submit(job, false).unwrap();
    let fence = host.fence(Stream(0)).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| host.wait(fence, LONG));
        let takes_turn = scope.spawn(|| {
            let mut into = [0; 4096];
            host.download(Stream(0), region.whole(), &mut into)
        });
        while !lane.waits() {
            std::thread::yield_now();
        }
        drop(gate);
        drop(sender);
        assert!(matches!(waits.join().unwrap(), Err(DeviceError::Lost { .. })));
        let lost = takes_turn.join().unwrap().unwrap_err();
        assert!(lost.to_string().contains("on purpose"), "{lost}");
    });
    assert!(matches!(host.memory(), Err(DeviceError::Lost { .. })));
    host.free(region).unwrap();
}

#[repr(align(16384))]
struct Pages([u8; 16384]);

impl AsMut<[u8]> for Pages {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn a_users_pages_are_adopted_without_a_copy() {
    let host = host();
    let region = host.adopt(Pages([5; 16384])).unwrap();
    host.write(region.span(1..4).unwrap(), b"abc").unwrap();
    let mut back = [0; 5];
    host.read(region.span(0..5).unwrap(), &mut back).unwrap();
    assert_eq!(&back, b"\x05abc\x05");
    host.free(region).unwrap();

    let region = host.adopt_read_only(Pages([6; 16384])).unwrap();
    assert_eq!(host.write(region.whole(), &[0; 16384]), Err(DeviceError::ReadOnly));
    assert_eq!(host.fill(Stream(0), region.whole(), 0), Err(DeviceError::ReadOnly));
    host.free(region).unwrap();
}

#[test]
fn memory_that_is_not_on_a_page_comes_back() {
    struct Off(Box<Pages>);
    impl AsMut<[u8]> for Off {
        fn as_mut(&mut self) -> &mut [u8] {
            &mut self.0.0[8..]
        }
    }
    let host = host();
    let refused = host.adopt(Off(Box::new(Pages([1; 16384])))).unwrap_err();
    assert!(matches!(refused.error, DeviceError::Unaligned { .. }));
    assert_eq!(refused.owner.0.0[16383], 1);
    let empty: Vec<u8> = Vec::new();
    assert_eq!(host.adopt(empty).unwrap_err().error, DeviceError::ZeroSize);
}

#[test]
fn files_are_mapped_and_never_kill() {
    let host = host();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_owned();
    let empty = host.map_file(&path, ..).unwrap();
    assert_eq!(empty.bytes(), Bytes::ZERO);
    host.read(empty.whole(), &mut []).unwrap();

    let bytes: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    file.write_all(&bytes).unwrap();
    let region = host.map_file(&path, 5000..60_000).unwrap();
    assert_eq!(region.bytes().get(), 55_000);
    let mut back = vec![0; 1000];
    host.read(region.span(10..1010).unwrap(), &mut back).unwrap();
    assert_eq!(back, bytes[5010..6010]);
    // SAFETY: the file is as long as the mapping at this moment.
    assert_eq!(unsafe { region.host().unwrap().read() }, bytes[5000]);
    let whole = host.map_file(&path, ..).unwrap();
    let target = shared(&host, whole.bytes());
    host.copy(Stream(0), whole.whole(), target.whole()).unwrap();
    let mut all = vec![0; 100_000];
    host.read(target.whole(), &mut all).unwrap();
    assert_eq!(all, bytes);
    assert_eq!(host.write(region.whole(), &vec![0; 55_000]), Err(DeviceError::ReadOnly));
    let past = host.map_file(&path, 99_999..100_001).unwrap_err();
    assert!(matches!(past, DeviceError::FileTooShort { length, .. } if length.get() == 100_000));

    file.as_file().set_len(6000).unwrap();
    host.read(region.span(0..1000).unwrap(), &mut back).unwrap();
    let cut = host.read(region.span(1000..2000).unwrap(), &mut back).unwrap_err();
    assert!(
        matches!(&cut, DeviceError::FileTooShort { length, end: 7000, .. } if length.get() == 6000),
        "{cut}"
    );
    let cut = host.copy(Stream(0), whole.whole(), target.whole()).unwrap_err();
    assert!(matches!(cut, DeviceError::FileTooShort { .. }));
}

/// What the system counts as locked for this process.
#[cfg(target_os = "linux")]
fn locked_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_is_locked_unless_asked() {
    let before = locked_kib();
    let host = host();
    let region = shared(&host, Bytes::mib(3));
    let range = host.reserve(Bytes::mib(8), StorageMode::Shared).unwrap();
    host.commit(&range, 0..range.bytes().get()).unwrap();
    host.write(range.whole(), &vec![1; range.bytes().as_usize()]).unwrap();
    // Other tests of this process lock a little for a moment; none locks as much as this would.
    assert!(locked_kib() < before + 3 * 1024, "memory was locked that nobody asked to lock");
    drop((region, range));
}

#[test]
fn locking_is_only_on_request() {
    let host = host();
    let region = shared(&host, Bytes::kib(64));
    match host.lock(region.whole()) {
        Ok(()) => {
            assert_eq!(host.resident(region.whole()).unwrap(), Bytes::kib(64));
            host.unlock(region.whole()).unwrap();
        }
        Err(DeviceError::System { what, .. }) => assert!(what.contains("ulimit")),
        Err(error) => panic!("{error}"),
    }
    let range = host.reserve(Bytes::new(host.facts().granule), StorageMode::Shared).unwrap();
    assert!(matches!(host.lock(range.whole()), Err(DeviceError::NotBacked { .. })));
}
