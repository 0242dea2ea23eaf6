//! Our own pool, on this machine's memory, under a ledger and a governor as in use.

use plimsoll::governor::Governor;
use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::{Lease, Pool, PoolSettings};
use plimsoll::{Bytes, Place};
use plimsoll_device::{HostDevice, HostSettings};

use crate::bench::harness::{Engine, PAGE, Seat};

/// A pool of host memory whose line is high enough for every case. Address space is reserved, memory is backed
/// only when it is touched.
pub struct PlimsollPool;

/// A thread's handle of it.
pub struct PlimsollSeat(Option<Pool>);

fn open() -> Option<Pool> {
    let line = Bytes::gib(32);
    let plan = LedgerSettings {
        places: vec![LineSettings::new(Place::Host, line)],
        accounts: vec![AccountSettings::new("bench").share(Place::Host, Bytes::ZERO, line)],
    };
    let account = Governor::open(&plan).ok()?.account("bench").ok()?;
    let device = std::sync::Arc::new(HostDevice::open(HostSettings::default()).ok()?);
    Pool::new(&account, device, PoolSettings::default()).ok()
}

impl Engine for PlimsollPool {
    type Seat = PlimsollSeat;

    fn name(&self) -> &'static str {
        "plimsoll"
    }

    fn seats(&self, threads: usize) -> Vec<PlimsollSeat> {
        let pool = open();
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
