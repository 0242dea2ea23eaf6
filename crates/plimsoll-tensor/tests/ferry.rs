//! What comes to a device in a circle is there when it is read and not overwritten before, whatever order the device's streams happen to run in: the
//! calls that are made of a made-up device are written down and run in orders by lot.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll::{Bytes, Place};
use plimsoll_device::programs::{Argument, Entry, Launch, Multiply, Series, Source, Threads};
use plimsoll_device::sim::Contents;
use plimsoll_device::{
    Device, DeviceError, Facts, Fence, FreeError, MemoryNow, Programs, Region, Request, SimDevice,
    SimSettings, Span, StorageMode, Stream, SyncTo,
};
use plimsoll_tensor::flow::{Crossing, Ferry, Flow, Piece, Room};

/// What was put on a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Put {
    Copy {
        from: u64,
        to: u64,
    },
    Fence(u64),
    Follow(Fence),
    /// Something reads a slot and expects a piece there.
    Read {
        slot: usize,
        piece: usize,
    },
}

/// A device whose streams are lists. Regions are a simulated device's.
#[derive(Debug)]
struct Written {
    sim: SimDevice,
    streams: AtomicU64,
    fences: AtomicU64,
    log: Mutex<Vec<(Stream, Put)>>,
    /// Copies until one fails.
    fails_at: AtomicUsize,
}

impl Written {
    fn open(place: Place) -> Arc<Self> {
        let unified = place == Place::Pinned;
        let settings = SimSettings { place, unified, contents: Contents::Hollow, ..SimSettings::default() };
        Arc::new(Self {
            sim: SimDevice::new(settings).unwrap(),
            streams: AtomicU64::new(1),
            fences: AtomicU64::new(1),
            log: Mutex::default(),
            fails_at: AtomicUsize::new(usize::MAX),
        })
    }

    fn put(&self, stream: Stream, put: Put) {
        self.log.lock().unwrap().push((stream, put));
    }
}

impl Programs for Written {
    fn load(&self, _: &Source<'_>) -> Result<Vec<Entry>, DeviceError> {
        Ok(Vec::new())
    }

    fn processors(&self) -> u32 {
        1
    }

    fn capability(&self) -> (u32, u32) {
        (9, 0)
    }

    unsafe fn launch(&self, _: Stream, _: Entry, _: Threads, _: &[Argument<'_>]) -> Result<(), DeviceError> {
        unreachable!("nothing is launched")
    }

    unsafe fn series(&self, _: &[Launch]) -> Result<Series, DeviceError> {
        unreachable!("nothing is put together")
    }

    unsafe fn run(&self, _: Stream, _: &Series) -> Result<(), DeviceError> {
        unreachable!("nothing is run")
    }

    fn ready_to_multiply(&self, _: Stream) -> Result<(), DeviceError> {
        Ok(())
    }

    unsafe fn multiply(&self, _: Stream, _: &Multiply) -> Result<(), DeviceError> {
        unreachable!("nothing is multiplied")
    }

    unsafe fn move_bytes(&self, stream: Stream, from: u64, to: u64, _: u64) -> Result<(), DeviceError> {
        let left = self.fails_at.load(Ordering::Relaxed);
        if left == 0 {
            self.fails_at.store(usize::MAX, Ordering::Relaxed);
            return Err(DeviceError::ZeroSize);
        }
        self.fails_at.store(left.saturating_sub(usize::from(left < usize::MAX)), Ordering::Relaxed);
        self.put(stream, Put::Copy { from, to });
        Ok(())
    }

    unsafe fn bring(&self, _: Stream, _: &[u8], _: u64) -> Result<(), DeviceError> {
        unreachable!("nothing is brought")
    }

    unsafe fn fetch(&self, _: Stream, _: u64, _: &mut [u8]) -> Result<(), DeviceError> {
        unreachable!("nothing is fetched")
    }

    fn follow(&self, stream: Stream, fence: Fence) -> Result<(), DeviceError> {
        self.put(stream, Put::Follow(fence));
        Ok(())
    }
}

impl Device for Written {
    fn facts(&self) -> &Facts {
        self.sim.facts()
    }

    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        self.sim.memory()
    }

    fn allocate(&self, request: Request) -> Result<Region, DeviceError> {
        self.sim.allocate(request)
    }

    fn reserve(&self, bytes: Bytes, mode: StorageMode) -> Result<Region, DeviceError> {
        self.sim.reserve(bytes, mode)
    }

    fn commit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        self.sim.commit(region, range)
    }

    fn decommit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        self.sim.decommit(region, range)
    }

    fn free(&self, region: Region) -> Result<(), FreeError> {
        self.sim.free(region)
    }

    fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        self.sim.read(source, into)
    }

    fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError> {
        self.sim.write(target, from)
    }

    fn stream(&self) -> Result<Stream, DeviceError> {
        Ok(Stream(u32::try_from(self.streams.fetch_add(1, Ordering::Relaxed)).unwrap()))
    }

    fn copy(&self, _: Stream, _: Span<'_>, _: Span<'_>) -> Result<(), DeviceError> {
        unreachable!("copies go by address")
    }

    fn fill(&self, _: Stream, _: Span<'_>, _: u8) -> Result<(), DeviceError> {
        unreachable!("nothing is filled")
    }

    fn upload(&self, _: Stream, _: &[u8], _: Span<'_>) -> Result<(), DeviceError> {
        unreachable!("nothing is uploaded")
    }

    fn download(&self, _: Stream, _: Span<'_>, _: &mut [u8]) -> Result<(), DeviceError> {
        unreachable!("nothing is downloaded")
    }

    fn sync(&self, _: Stream, _: Span<'_>, _: SyncTo) -> Result<(), DeviceError> {
        Ok(())
    }

    fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        let seq = self.fences.fetch_add(1, Ordering::Relaxed);
        self.put(stream, Put::Fence(seq));
        Ok(Fence { stream, seq })
    }

    fn signalled(&self, _: Fence) -> Result<bool, DeviceError> {
        Ok(false)
    }

    fn wait(&self, _: Fence, _: Duration) -> Result<(), DeviceError> {
        Ok(())
    }

    fn programs(&self) -> Option<&dyn Programs> {
        Some(self)
    }
}

struct Lots(u64);

impl Lots {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// One time round: so many pieces are read, and whether the last of them is left.
fn round(written: &Written, crossing: &mut Crossing<'_>, flow: Stream, reads: usize, leaves: bool) -> bool {
    for piece in 0..reads {
        let Ok(slot) = crossing.arrive() else { return false };
        written.put(flow, Put::Read { slot, piece });
        if (leaves || piece + 1 < reads) && crossing.leave().is_err() {
            return false;
        }
    }
    true
}

/// Runs what was written down, one stream or another a bit at a time. Copies and reads take a while: others run between their two ends.
fn run(log: &[(Stream, Put)], from: &[u64], to: &[u64], lots: &mut Lots) {
    let streams: BTreeSet<u32> = log.iter().map(|(stream, _)| stream.0).collect();
    let mut lists: Vec<Vec<Put>> = streams
        .iter()
        .map(|number| log.iter().filter(|(stream, _)| stream.0 == *number).map(|(_, put)| *put).collect())
        .collect();
    for list in &mut lists {
        list.reverse();
    }
    let mut begun = vec![false; lists.len()];
    let mut slots: Vec<Option<usize>> = vec![None; to.len()];
    let mut signalled = BTreeSet::new();
    while lists.iter().any(|list| !list.is_empty()) {
        let waits = |list: &Vec<Put>| matches!(list.last(), Some(Put::Follow(fence)) if !signalled.contains(&fence.seq));
        let ready: Vec<usize> =
            (0..lists.len()).filter(|at| !lists[*at].is_empty() && !waits(&lists[*at])).collect();
        assert!(!ready.is_empty(), "all wait for each other: {lists:?}");
        let at = ready[lots.below(ready.len())];
        let put = *lists[at].last().unwrap();
        match put {
            Put::Copy { to: target, .. } if !begun[at] => {
                slots[to.iter().position(|slot| *slot == target).unwrap()] = None;
            }
            Put::Copy { from: source, to: target } => {
                let piece = from.iter().position(|piece| *piece == source);
                slots[to.iter().position(|slot| *slot == target).unwrap()] = piece;
            }
            Put::Read { slot, piece } => assert_eq!(slots[slot], Some(piece), "slot {slot}"),
            Put::Fence(seq) => drop(signalled.insert(seq)),
            Put::Follow(_) => {}
        }
        let takes_time = matches!(put, Put::Copy { .. } | Put::Read { .. });
        if takes_time && !begun[at] {
            begun[at] = true;
        } else {
            begun[at] = false;
            lists[at].pop();
        }
    }
}

fn pieces(room: &mut Room, count: usize, bytes: u64) -> Vec<Piece> {
    (0..count).map(|_| room.cut(bytes).unwrap()).collect()
}

/// A ferry over a made-up device, and two flows that go round in turns.
fn scenario(lots: &mut Lots) {
    let written = Written::open(Place::Sim(0));
    let device: Arc<dyn Device> = Arc::clone(&written) as Arc<dyn Device>;
    let pinned: Arc<dyn Device> = Written::open(Place::Pinned);
    let (count, slot_count) = (1 + lots.below(7), 1 + lots.below(3));
    let mut there = Room::take(&pinned, Bytes::new(256 * count as u64)).unwrap();
    let mut here = Room::take(&device, Bytes::new(256 * slot_count as u64)).unwrap();
    let cargo = pieces(&mut there, count, 256);
    let slots = pieces(&mut here, slot_count, 256);
    let ferry = Ferry::open(&device, cargo, slots).unwrap();
    let none = || Room::take(&device, Bytes::new(256)).unwrap().cut(0).unwrap();
    // Streams are numbered as they are asked for: the ferry's is the first.
    let flows = [Flow::open(&device, none()).unwrap(), Flow::open(&device, none()).unwrap()];
    let mut whole = 0;
    for _ in 0..2 + lots.below(5) {
        let which = lots.below(2);
        if lots.below(4) == 0 {
            written.fails_at.store(lots.below(2 * count), Ordering::Relaxed);
        }
        let breaks = lots.below(3) == 0;
        let (reads, leaves) =
            if breaks { (lots.below(count + 1), lots.below(2) == 0) } else { (count, true) };
        let Ok(mut crossing) = ferry.begin(&flows[which]) else { continue };
        let stream = Stream(u32::try_from(2 + which).unwrap());
        whole += usize::from(round(&written, &mut crossing, stream, reads, leaves));
    }
    written.fails_at.store(usize::MAX, Ordering::Relaxed);
    drop(ferry.begin(&flows[0]).unwrap());
    let log = written.log.lock().unwrap().clone();
    let copies = log.iter().filter(|(_, put)| matches!(put, Put::Copy { .. })).count();
    assert!(copies >= slot_count && whole <= 7);
    let addresses = |of: fn(&Put) -> Option<u64>| -> Vec<u64> {
        log.iter().filter_map(|(_, put)| of(put)).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let from = addresses(|put| if let Put::Copy { from, .. } = put { Some(*from) } else { None });
    let to = addresses(|put| if let Put::Copy { to, .. } = put { Some(*to) } else { None });
    // What was cut first lies first; what was never sent for is read by nobody.
    for _ in 0..8 {
        run(&log, &from, &to, lots);
    }
}

#[test]
fn what_is_read_is_there_in_every_order() {
    let mut lots = Lots(11);
    for _ in 0..400 {
        scenario(&mut lots);
    }
}

#[test]
fn the_next_round_is_under_way_when_one_ends() {
    let written = Written::open(Place::Sim(0));
    let device: Arc<dyn Device> = Arc::clone(&written) as Arc<dyn Device>;
    let pinned: Arc<dyn Device> = Written::open(Place::Pinned);
    let mut there = Room::take(&pinned, Bytes::kib(4)).unwrap();
    let mut here = Room::take(&device, Bytes::kib(4)).unwrap();
    let ferry = Ferry::open(&device, pieces(&mut there, 5, 256), pieces(&mut here, 2, 256)).unwrap();
    let flow = Flow::open(&device, here.cut(0).unwrap()).unwrap();
    let copies =
        || written.log.lock().unwrap().iter().filter(|(_, put)| matches!(put, Put::Copy { .. })).count();
    assert_eq!(copies(), 2, "before anybody reads");
    for rounds in 1..4 {
        let mut crossing = ferry.begin(&flow).unwrap();
        assert!(round(&written, &mut crossing, Stream(2), 5, true));
        assert_eq!(copies(), 5 * rounds + 2, "two of the next round");
    }
    // Who breaks off has the slots filled anew.
    let mut crossing = ferry.begin(&flow).unwrap();
    assert!(round(&written, &mut crossing, Stream(2), 3, true));
    drop(crossing);
    let before = copies();
    drop(ferry.begin(&flow).unwrap());
    assert_eq!(copies(), before + 2);
}

#[test]
fn who_waits_is_not_passed_over() {
    let device: Arc<dyn Device> = Written::open(Place::Sim(0));
    let pinned: Arc<dyn Device> = Written::open(Place::Pinned);
    let mut there = Room::take(&pinned, Bytes::kib(4)).unwrap();
    let mut here = Room::take(&device, Bytes::kib(4)).unwrap();
    let ferry = Ferry::open(&device, pieces(&mut there, 3, 256), pieces(&mut here, 2, 256)).unwrap();
    let flows = [0, 1].map(|_| Flow::open(&device, here.cut(0).unwrap()).unwrap());
    std::thread::scope(|scope| {
        let busy = ferry.begin(&flows[0]).unwrap();
        let other = scope.spawn(|| drop(ferry.begin(&flows[1]).unwrap()));
        drop(busy);
        // Whoever goes round again and again stands behind it each time.
        while !other.is_finished() {
            drop(ferry.begin(&flows[0]).unwrap());
        }
    });
}

#[test]
fn what_cannot_come_is_refused() {
    let device: Arc<dyn Device> = Written::open(Place::Sim(0));
    let other: Arc<dyn Device> = Written::open(Place::Sim(1));
    let pinned: Arc<dyn Device> = Written::open(Place::Pinned);
    let mut there = Room::take(&pinned, Bytes::kib(4)).unwrap();
    let mut here = Room::take(&device, Bytes::kib(4)).unwrap();
    let refused = |pieces: Vec<Piece>, slots: Vec<Piece>| {
        let error = Ferry::open(&device, pieces, slots).unwrap_err();
        assert!(error.to_string().contains("page-locked"), "{error}");
    };
    refused(Vec::new(), pieces(&mut here, 1, 256));
    refused(pieces(&mut there, 1, 256), Vec::new());
    refused(pieces(&mut there, 1, 512), pieces(&mut here, 1, 256));
    refused(pieces(&mut here, 1, 256), pieces(&mut here, 1, 256));
    let mut elsewhere = Room::take(&other, Bytes::kib(4)).unwrap();
    refused(pieces(&mut there, 1, 256), pieces(&mut elsewhere, 1, 256));
    let ferry = Ferry::open(&device, pieces(&mut there, 1, 256), pieces(&mut here, 1, 256)).unwrap();
    let flow = Flow::open(&other, elsewhere.cut(0).unwrap()).unwrap();
    assert!(ferry.begin(&flow).unwrap_err().to_string().contains("another device"));
    let flow = Flow::open(&device, here.cut(0).unwrap()).unwrap();
    let refused = flow.put_away(&here.cut(16).unwrap(), &here.cut(16).unwrap()).unwrap_err();
    assert!(refused.to_string().contains("not there"), "{refused}");
}
