//! Our own pool, under a ledger and a governor as in use.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::governor::Governor;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{Lease, Pool, PoolSettings};
use plimsoll_device::{Device, HostDevice, HostSettings};

use crate::bench::harness::{Engine, PAGE, Seat};

/// A pool whose line is high enough for every case.
#[derive(Debug)]
pub struct PlimsollPool(Option<Arc<dyn Device>>);

/// A thread's handle of it.
pub struct PlimsollSeat(Option<Pool>);

/// Address space is reserved, memory is backed only when it is touched.
const HOST_LINE: Bytes = Bytes::gib(32);

impl PlimsollPool {
    /// Of this machine's memory, a device anew for each case.
    pub const fn host() -> Self {
        Self(None)
    }

    /// Of this device's memory: all that is free on it.
    pub fn on(device: Arc<dyn Device>) -> Self {
        Self(Some(device))
    }

    fn open(&self) -> Option<Pool> {
        let (device, line): (Arc<dyn Device>, _) = match &self.0 {
            None => (Arc::new(HostDevice::open(HostSettings::default()).ok()?), HOST_LINE),
            Some(device) => (Arc::clone(device), device.memory().ok()?.free),
        };
        let place = device.facts().place;
        let plan = LedgerSettings {
            places: vec![LineSettings::new(place, line)],
            accounts: vec![AccountSettings::new("bench").share(place, Bytes::ZERO, line)],
        };
        let account = Governor::open(&plan).ok()?.account("bench").ok()?;
        Pool::new(&account, device, PoolSettings::default()).ok()
    }
}

impl Engine for PlimsollPool {
    type Seat = PlimsollSeat;

    fn name(&self) -> &'static str {
        "plimsoll"
    }

    fn seats(&self, threads: usize) -> Vec<PlimsollSeat> {
        let pool = self.open();
        (0..threads).map(|_| PlimsollSeat(pool.clone())).collect()
    }
}

impl Seat for PlimsollSeat {
    type Block = Lease;

    #[inline]
    fn take(&mut self, bytes: u64) -> Option<Lease> {
        self.0.as_ref()?.lease(Bytes::new(bytes)).ok()
    }

    #[inline]
    fn put(&mut self, block: Lease) {
        drop(block);
    }

    #[inline]
    fn touch(&mut self, block: &mut Lease, _bytes: u64) -> bool {
        let Ok(bytes) = block.as_mut_slice() else { return false };
        for byte in bytes.iter_mut().step_by(PAGE) {
            // A plain store could be left out, since the lease is dropped next.
            *std::hint::black_box(byte) = 1;
        }
        true
    }
}
