//! A device that exists only for tests, plans and replays.
//!
//! It has a capacity, streams on a virtual clock, fences that can be delayed or held back, failures on order,
//! and, unless it is hollow, real bytes. The same calls give the same result on every machine: time moves only
//! when [`SimDevice::advance`] or a wait moves it, and chances come from a seed.
//!
//! # Where it is stricter than hardware
//! Fresh memory is not zero. Bytes move when work is done, not when it is asked for. Taking memory away that
//! work still uses is refused. Waiting for a fence that is held back times out at once (and the clock moves by
//! the time-out), because nothing but another call could ever signal it.

mod backing;
mod counts;
mod device;
mod faults;
mod kernels;
mod settings;
mod slab;
mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub use counts::Counts;
pub use faults::Call;
pub use settings::{Contents, SimSettings};

use self::backing::Capacity;
use self::counts::Counters;
use self::faults::Faults;
use self::work::Work;
use crate::lost::Lost;
use crate::{Bytes, DeviceError, DeviceId, DeviceKind, Facts, Fence, Stream};

/// A simulated device, and the handle by which a test drives it.
///
/// ```
/// use std::time::Duration;
/// use plimsoll_device::sim::{Call, SimDevice, SimSettings};
/// use plimsoll_device::{Bytes, Device, Request, StorageMode, Stream};
///
/// let sim = SimDevice::new(SimSettings { total: Bytes::mib(8), ..SimSettings::default() })?;
/// sim.hold_fences();
/// let fence = sim.fence(Stream(0))?;
/// assert!(!sim.signalled(fence)?);
/// sim.signal(fence)?;
/// assert!(sim.signalled(fence)?);
///
/// sim.fail_nth(Call::Allocate, 1);
/// assert!(sim.allocate(Request::new(Bytes::kib(4), StorageMode::Private)).is_err());
/// assert_eq!(sim.counts().injected, 1);
/// # Ok::<(), plimsoll_device::DeviceError>(())
/// ```
#[derive(Debug)]
pub struct SimDevice {
    id: DeviceId,
    facts: Facts,
    settings: SimSettings,
    capacity: Arc<Capacity>,
    work: Work,
    faults: Faults,
    counters: Counters,
    regions: AtomicU64,
    /// Where the next region without a host address starts.
    addresses: AtomicU64,
    lost: Lost,
}

impl SimDevice {
    /// Makes a device.
    pub fn new(settings: SimSettings) -> Result<Self, DeviceError> {
        settings.check()?;
        Ok(Self {
            id: DeviceId::new(),
            facts: Facts {
                name: settings.place.to_string(),
                kind: DeviceKind::Simulated,
                place: settings.place,
                total: settings.total,
                unified: settings.unified,
                min_align: settings.min_align,
                page: settings.page,
                granule: settings.granule,
                max_allocation: settings.max_allocation.unwrap_or(settings.total).min(settings.total),
                capabilities: settings.capabilities,
            },
            capacity: Arc::new(Capacity::new(settings.total)),
            work: Work::new(),
            faults: Faults::new(settings.seed),
            counters: Counters::default(),
            regions: AtomicU64::new(1),
            addresses: AtomicU64::new(1 << 32),
            lost: Lost::default(),
            settings,
        })
    }

    /// The virtual time since the device was made.
    pub fn clock(&self) -> Duration {
        self.work.now()
    }

    /// Moves the clock: work that is done by then is done, and fences that are due by then are signalled.
    pub fn advance(&self, by: Duration) {
        let gone = self.work.advance(by);
        self.notice(gone);
    }

    /// From now on no fence is signalled by the clock, not even one that was issued before: only
    /// [`signal`](Self::signal) does it. Work goes on as before.
    pub fn hold_fences(&self) {
        // Without a stream there is nothing to be unknown.
        let _ = self.work.hold(None, true);
    }

    /// The same for the fences of one stream.
    pub fn hold_stream(&self, stream: Stream) -> Result<(), DeviceError> {
        self.work.hold(Some(stream), true)
    }

    /// The clock signals fences again; those that are due are signalled now.
    pub fn release_fences(&self) {
        let _ = self.work.hold(None, false);
    }

    /// Signals a fence by hand, due or not, and with it those before it on its stream. What was put on the
    /// stream before it is done first.
    pub fn signal(&self, fence: Fence) -> Result<(), DeviceError> {
        self.work.signal(fence)
    }

    /// Signals every fence that was issued.
    pub fn signal_all(&self) {
        for fence in self.work.issued() {
            let _ = self.work.signal(fence);
        }
    }

    /// Makes the `n`-th call of this kind from now fail, once. One is the next.
    pub fn fail_nth(&self, call: Call, n: u64) {
        self.faults.nth(call, n);
    }

    /// Makes every `n`-th call of this kind fail.
    pub fn fail_every(&self, call: Call, n: u64) {
        self.faults.every(call, n);
    }

    /// Makes calls of this kind fail with a probability; which ones depends on the seed in the settings and on
    /// the order of the calls.
    pub fn fail_by_chance(&self, call: Call, probability: f64) {
        self.faults.chance(call, probability);
    }

    /// Takes all orders to fail back.
    pub fn heal(&self) {
        self.faults.clear();
    }

    /// The device is gone from now on.
    pub fn lose(&self) {
        self.notice(true);
    }

    /// The device is gone when the clock reaches this time.
    pub fn lose_at(&self, at: Duration) {
        self.work.lose_at(at);
    }

    /// So much is taken by other programs, in place of what was said before.
    pub fn set_outside(&self, bytes: Bytes) {
        self.capacity.set_outside(bytes);
    }

    /// What this device's own regions take now, including those that were freed under work that is not done.
    pub fn used(&self) -> Bytes {
        self.capacity.used()
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    fn notice(&self, gone: bool) {
        if gone {
            self.lost.set("it was taken away on order");
            self.work.abandon();
        }
    }
}
