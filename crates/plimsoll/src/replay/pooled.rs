//! A real pool serving a trace: leases, fences, charges and a device's backing calls, as in use.

use std::sync::Arc;

use plimsoll_device::sim::{Contents, SimSettings};
use plimsoll_device::{Device, Fence, SimDevice, Stream};

use super::{BestFit, ReplayError, Replayer, Report, Trace, replay, report};
use crate::Bytes;
use crate::governor::Governor;
use crate::ledger::{AccountSettings, LedgerSettings, LineSettings};
use crate::pool::{Lease, LeaseError, Pool, PoolSettings};

/// Serves a trace from a [`Pool`] on a simulated device.
///
/// A free that completes right after it was requested needed no fence. One that completes later was waiting
/// for another stream: its lease is dropped with a fence on that stream, which signals when the recording says
/// that the free was complete, and not before every earlier fence of that stream has.
#[derive(Debug)]
pub struct PooledReplay {
    pool: Pool,
    device: Arc<SimDevice>,
    leases: Vec<Option<Lease>>,
    /// A free that was requested by the event before.
    requested: Option<(u32, u16)>,
    lanes: Vec<Lane>,
    /// Which lane and which of its fences a block waits for.
    waits: Vec<Option<(u16, u64)>>,
}

/// A stream of the recording on the device.
#[derive(Debug)]
struct Lane {
    stream: Stream,
    /// Fences from `first` on, and whether the recording has completed them.
    first: u64,
    done: std::collections::VecDeque<bool>,
}

impl PooledReplay {
    /// Serves from this pool, whose device is `device` with its fences held.
    pub fn new(pool: Pool, device: Arc<SimDevice>) -> Self {
        device.hold_fences();
        Self { pool, device, leases: Vec::new(), requested: None, lanes: Vec::new(), waits: Vec::new() }
    }

    /// The pool, to ask for its numbers.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    fn lane(&mut self, stream: u16) -> Option<usize> {
        while self.lanes.len() <= usize::from(stream) {
            let stream = self.device.stream().ok()?;
            self.lanes.push(Lane { stream, first: 0, done: std::collections::VecDeque::new() });
        }
        Some(usize::from(stream))
    }

    /// The free of the event before did not complete at once: the device still uses the block.
    fn retire_requested(&mut self) {
        let Some((block, stream)) = self.requested.take() else {
            return;
        };
        let Some(lane) = self.lane(stream) else { return };
        let lane = &mut self.lanes[lane];
        let Ok(fence) = self.device.fence(lane.stream) else {
            return;
        };
        if lane.done.is_empty() {
            lane.first = fence.seq;
        }
        lane.done.push_back(false);
        let index = block as usize;
        if self.waits.len() <= index {
            self.waits.resize(index + 1, None);
        }
        self.waits[index] = Some((stream, fence.seq));
        if let Some(mut lease) = self.leases[index].take() {
            lease.keep_until(fence);
        }
    }
}

impl Lane {
    /// Marks one fence complete; the last one that may now signal, if any.
    fn complete(&mut self, seq: u64) -> Option<Fence> {
        if let Some(done) =
            seq.checked_sub(self.first).and_then(|at| self.done.get_mut(usize::try_from(at).ok()?))
        {
            *done = true;
        }
        let ready = self.done.iter().take_while(|done| **done).count();
        self.done.drain(..ready);
        self.first += ready as u64;
        (ready > 0).then(|| Fence { stream: self.stream, seq: self.first - 1 })
    }
}

impl Replayer for PooledReplay {
    fn alloc(&mut self, block: u32, bytes: u64, _stream: u16) -> Result<(), ReplayError> {
        self.retire_requested();
        let index = block as usize;
        if self.leases.len() <= index {
            self.leases.resize_with(index + 1, || None);
        }
        let lease = self.pool.lease(Bytes::new(bytes)).map_err(|error| refused(&self.pool, bytes, &error))?;
        self.leases[index] = Some(lease);
        Ok(())
    }

    fn free_requested(&mut self, block: u32, stream: u16) {
        self.retire_requested();
        self.requested = Some((block, stream));
    }

    fn free_completed(&mut self, block: u32) {
        if self.requested.is_some_and(|(requested, _)| requested == block) {
            self.requested = None;
        } else {
            self.retire_requested();
        }
        if let Some((lane, seq)) = self.waits.get_mut(block as usize).and_then(Option::take) {
            if let Some(fence) = self.lanes[usize::from(lane)].complete(seq) {
                // A fence of our own making on a stream of our own: the device knows it.
                let _known = self.device.signal(fence);
            }
        } else {
            self.leases[block as usize] = None;
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

fn refused(pool: &Pool, bytes: u64, error: &LeaseError) -> ReplayError {
    ReplayError::refused(bytes, pool.stats().backed.get(), error.to_string())
}

/// What the pools of a replay have: CUDA's alignment, on a device large enough for any trace that a single machine
/// can record.
const UNIT: u64 = 256;
const DEVICE: Bytes = Bytes::gib(1024);

/// Replays a trace through a real pool on a simulated device without bytes that backs memory in such granules,
/// `runs` times (the median counts), and through a plain best fit.
pub fn through_pool(trace: &Trace, granule: Bytes, runs: usize) -> Result<Report, ReplayError> {
    let mut outcomes = Vec::new();
    for _ in 0..runs.max(1) {
        let mut pooled = PooledReplay::open(granule)?;
        outcomes.push(replay(trace, &mut pooled)?);
    }
    outcomes.sort_by(|one, other| one.ns_per_event.total_cmp(&other.ns_per_event));
    let best_fit = replay(trace, &mut BestFit::new(UNIT))?;
    Ok(report(trace, &outcomes[outcomes.len() / 2], &best_fit))
}

impl PooledReplay {
    /// Serves from a fresh pool of a fresh simulated device, all of whose memory one account may have.
    pub fn open(granule: Bytes) -> Result<Self, ReplayError> {
        let failed = |error: &dyn std::error::Error| ReplayError::refused(0, 0, error.to_string());
        let settings = SimSettings {
            total: DEVICE,
            granule: granule.get(),
            min_align: UNIT,
            contents: Contents::Hollow,
            ..SimSettings::default()
        };
        let device = Arc::new(SimDevice::new(settings).map_err(|error| failed(&error))?);
        let place = device.facts().place;
        let plan = LedgerSettings {
            places: vec![LineSettings::new(place, DEVICE)],
            accounts: vec![AccountSettings::new("replay").share(place, Bytes::ZERO, DEVICE)],
        };
        let account = Governor::open(&plan).and_then(|governor| governor.account("replay"));
        let account = account.map_err(|error| failed(&error))?;
        let pool = Pool::new(&account, device.clone(), PoolSettings::default());
        Ok(Self::new(pool.map_err(|error| failed(&error))?, device))
    }
}
