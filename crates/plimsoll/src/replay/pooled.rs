//! A real pool serving a trace: leases, fences, charges and a device's backing calls, as in use.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use plimsoll_device::sim::{Contents, SimSettings};
use plimsoll_device::{Device, DeviceError, Fence, SimDevice, Stream};

use super::{BestFit, Outcome, RecordedError, ReplayError, Replayer, Report, Trace, replay, report};
use crate::Bytes;
use crate::governor::Governor;
use crate::ledger::{AccountSettings, LedgerSettings, LineSettings};
use crate::pool::{Lease, Pool, PoolSettings};
use crate::record::{RecordSettings, Recording};

/// Serves a trace from a [`Pool`].
///
/// A free that completes right after it was requested waits for nothing but the block's own stream. One that
/// completes later was waiting for another stream: its lease is dropped with a fence of such a stream.
///
/// On a real device every free of a recording with several streams is dropped with a fence of its own stream as
/// well, and fences signal when the device says so. On a simulated one what completed late signals when the
/// recording says that the free was complete, and not before every earlier one has; the device is done with all
/// else at once, or so many events [behind](Self::behind).
#[derive(Debug)]
pub struct PooledReplay {
    pool: Pool,
    leases: Vec<Option<Held>>,
    /// A free that was requested by the event before.
    requested: Option<u32>,
    /// The recording's streams, by number. What waits for a stream that is not told waits for the last one.
    streams: Vec<Stream>,
    /// Whether leases are dropped with a fence of their own stream.
    fenced: bool,
    /// Says when fences signal, where they do not signal by themselves.
    script: Option<Script>,
}

/// A lease, and the stream that the recording says uses it.
#[derive(Debug)]
struct Held {
    lease: Lease,
    stream: u16,
}

/// When the fences of a simulated device signal.
#[derive(Debug)]
struct Script {
    device: Arc<SimDevice>,
    /// How many events the device is behind.
    behind: usize,
    events: usize,
    /// Fences of the recording's streams, and at which event each was issued.
    issued: VecDeque<(usize, Fence)>,
    late: Late,
    /// Which of the late fences a block waits for.
    waits: Vec<Option<u64>>,
}

/// Frees that were not complete at once: their fences from `first` on, and whether the recording has completed
/// each.
#[derive(Debug, Default)]
struct Late {
    first: u64,
    done: VecDeque<bool>,
}

impl Late {
    /// Marks one fence complete; the last one that may now signal, if any.
    fn complete(&mut self, seq: u64) -> Option<u64> {
        if let Some(done) =
            seq.checked_sub(self.first).and_then(|at| self.done.get_mut(usize::try_from(at).ok()?))
        {
            *done = true;
        }
        let ready = self.done.iter().take_while(|done| **done).count();
        self.done.drain(..ready);
        self.first += ready as u64;
        (ready > 0).then(|| self.first - 1)
    }
}

impl Script {
    fn new(device: Arc<SimDevice>, behind: usize) -> Self {
        device.hold_fences();
        let late = Late::default();
        Self { device, behind, events: 0, issued: VecDeque::new(), late, waits: Vec::new() }
    }

    /// An event passes: what was issued long enough ago signals.
    fn tick(&mut self) {
        self.events += 1;
        while let Some((_, fence)) = self.issued.pop_front_if(|(at, _)| *at + self.behind < self.events) {
            // A fence of our own making on a stream of our own: the device knows it.
            let _known = self.device.signal(fence);
        }
    }

    fn wait_for(&mut self, block: u32, fence: Fence) {
        if self.late.done.is_empty() {
            self.late.first = fence.seq;
        }
        self.late.done.push_back(false);
        *slot(&mut self.waits, block) = Some(fence.seq);
    }

    fn complete(&mut self, block: u32, stream: Stream) {
        let waited = self.waits.get_mut(block as usize).and_then(Option::take);
        if let Some(seq) = waited.and_then(|seq| self.late.complete(seq)) {
            let _known = self.device.signal(Fence { stream, seq });
        }
    }
}

/// The entry of a block, in a table that grows to it.
fn slot<T: Default>(table: &mut Vec<T>, block: u32) -> &mut T {
    let index = block as usize;
    if table.len() <= index {
        table.resize_with(index + 1, T::default);
    }
    &mut table[index]
}

impl PooledReplay {
    /// Serves from this pool, on these streams of its device: one more than the recording has.
    fn new(pool: Pool, streams: Vec<Stream>) -> Self {
        let fenced = streams.len() > 2;
        Self { pool, leases: Vec::new(), requested: None, streams, fenced, script: None }
    }

    /// Serves from a fresh pool of a fresh simulated device, all of whose memory one account may have. The device
    /// is done with everything at once.
    pub fn simulated(trace: &Trace, granule: Bytes) -> Result<Self, ReplayError> {
        let mut pooled = Self::behind(trace, granule, 0)?;
        pooled.fenced = false;
        Ok(pooled)
    }

    /// The same on a device that is so many events behind: work on a block that is freed is done only then.
    pub fn behind(trace: &Trace, granule: Bytes, events: usize) -> Result<Self, ReplayError> {
        let settings = SimSettings {
            total: DEVICE,
            granule: granule.get(),
            min_align: UNIT,
            contents: Contents::Hollow,
            ..SimSettings::default()
        };
        let device = Arc::new(SimDevice::new(settings).map_err(|error| failed(&error))?);
        let streams = streams(trace, device.as_ref()).map_err(|error| failed(&error))?;
        let mut pooled = Self::new(pool_on(device.clone(), DEVICE)?, streams);
        pooled.script = Some(Script::new(device, events));
        Ok(pooled)
    }

    /// The pool, to ask for its numbers.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    fn tick(&mut self) {
        if let Some(script) = &mut self.script {
            script.tick();
        }
    }

    fn stream(&self, number: u16) -> Stream {
        self.streams.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// Drops a block's lease; with the fence of its own stream where that is asked for.
    fn release(&mut self, block: u32, other: Option<Fence>) {
        let Some(Held { mut lease, stream }) = slot(&mut self.leases, block).take() else { return };
        if let Some(other) = other {
            lease.keep_until(other);
        }
        if !self.fenced {
            return;
        }
        // A device that gives no fence is lost, and its memory comes back without.
        if let Ok(fence) = self.pool.device().fence(self.stream(stream)) {
            lease.keep_until(fence);
            if let Some(script) = &mut self.script {
                script.issued.push_back((script.events, fence));
            }
        }
    }

    /// The free of the event before did not complete at once: another stream still uses the block.
    fn retire_requested(&mut self) {
        let Some(block) = self.requested.take() else { return };
        let elsewhere = self.streams.last().copied().unwrap_or_default();
        let fence = self.pool.device().fence(elsewhere).ok();
        if let (Some(fence), Some(script)) = (fence, &mut self.script) {
            script.wait_for(block, fence);
        }
        self.release(block, fence);
    }
}

impl Replayer for PooledReplay {
    fn alloc(&mut self, block: u32, bytes: u64, stream: u16) -> Result<(), ReplayError> {
        self.tick();
        self.retire_requested();
        let asked = Bytes::new(bytes);
        let lease =
            if self.fenced { self.pool.lease_on(self.stream(stream), asked) } else { self.pool.lease(asked) };
        let lease = lease.map_err(|error| {
            ReplayError::refused(bytes, self.pool.stats().backed.get(), error.to_string())
        })?;
        *slot(&mut self.leases, block) = Some(Held { lease, stream });
        Ok(())
    }

    fn free_requested(&mut self, block: u32, _stream: u16) {
        self.tick();
        self.retire_requested();
        self.requested = Some(block);
    }

    fn free_completed(&mut self, block: u32) {
        self.tick();
        if self.requested == Some(block) {
            self.requested = None;
        } else {
            self.retire_requested();
        }
        self.release(block, None);
        let elsewhere = self.streams.last().copied().unwrap_or_default();
        if let Some(script) = &mut self.script {
            script.complete(block, elsewhere);
        }
    }

    fn peak_reserved_bytes(&self) -> u64 {
        self.pool.stats().peak_backed.get()
    }

    fn map_events(&self) -> u64 {
        self.pool.stats().maps
    }

    fn exchange_events(&self) -> u64 {
        self.pool.stats().exchanges
    }
}

/// What the pools of a simulated replay have: CUDA's alignment, on a device large enough for any trace that a single
/// machine can record.
const UNIT: u64 = 256;
const DEVICE: Bytes = Bytes::gib(1024);

/// Replays a trace through a real pool on a simulated device without bytes that backs memory in such granules,
/// `runs` times (the median counts), and through a plain best fit.
pub fn through_pool(trace: &Trace, granule: Bytes, runs: usize) -> Result<Report, ReplayError> {
    let simulated = || PooledReplay::simulated(trace, granule);
    median(trace, UNIT, runs, simulated)
}

/// Replays a trace once as [`through_pool`] does and writes down, into a file, what happens.
pub fn recorded(
    trace: &Trace,
    granule: Bytes,
    path: &Path,
    settings: RecordSettings,
) -> Result<Recording, RecordedError> {
    recorded_by(trace, PooledReplay::simulated(trace, granule)?, path, settings)
}

/// The same on this device.
pub fn recorded_on(
    trace: &Trace,
    device: Arc<dyn Device>,
    path: &Path,
    settings: RecordSettings,
) -> Result<Recording, RecordedError> {
    let streams = streams(trace, device.as_ref()).map_err(|error| failed(&error))?;
    let free = device.memory().map_err(|error| failed(&error))?.free;
    recorded_by(trace, PooledReplay::new(pool_on(device, free)?, streams), path, settings)
}

fn recorded_by(
    trace: &Trace,
    mut pooled: PooledReplay,
    path: &Path,
    settings: RecordSettings,
) -> Result<Recording, RecordedError> {
    let recording = pooled.pool().account().governor().record_to(path, settings)?;
    replay(trace, &mut pooled)?;
    Ok(recording.finish()?)
}

/// The same on this device, with its streams and fences: each run has a fresh pool, whose account may have what the
/// device has free.
pub fn through_pool_on(trace: &Trace, device: Arc<dyn Device>, runs: usize) -> Result<Report, ReplayError> {
    let streams = streams(trace, device.as_ref()).map_err(|error| failed(&error))?;
    let unit = device.facts().min_align;
    median(trace, unit, runs, move || {
        let free = device.memory().map_err(|error| failed(&error))?.free;
        Ok(PooledReplay::new(pool_on(Arc::clone(&device), free)?, streams.clone()))
    })
}

fn median(
    trace: &Trace,
    unit: u64,
    runs: usize,
    mut open: impl FnMut() -> Result<PooledReplay, ReplayError>,
) -> Result<Report, ReplayError> {
    let run = |_| replay(trace, &mut open()?);
    let mut outcomes: Vec<Outcome> = (0..runs.max(1)).map(run).collect::<Result<_, _>>()?;
    outcomes.sort_by(|one, other| one.ns_per_event.total_cmp(&other.ns_per_event));
    let best_fit = replay(trace, &mut BestFit::new(unit))?;
    Ok(report(trace, &outcomes[outcomes.len() / 2], &best_fit))
}

/// A stream of the device for each of the recording's, and one more.
fn streams(trace: &Trace, device: &dyn Device) -> Result<Vec<Stream>, DeviceError> {
    (0..=trace.facts.streams).map(|_| device.stream()).collect()
}

/// A fresh pool of a device, of which one account may have so much.
fn pool_on(device: Arc<dyn Device>, line: Bytes) -> Result<Pool, ReplayError> {
    let place = device.facts().place;
    let plan = LedgerSettings {
        places: vec![LineSettings::new(place, line)],
        accounts: vec![AccountSettings::new("replay").share(place, Bytes::ZERO, line)],
    };
    let account = Governor::open(&plan).and_then(|governor| governor.account("replay"));
    let account = account.map_err(|error| failed(&error))?;
    Pool::new(&account, device, PoolSettings::default()).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> ReplayError {
    ReplayError::refused(0, 0, error.to_string())
}
