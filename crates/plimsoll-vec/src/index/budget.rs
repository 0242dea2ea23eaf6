//! What an index may have of memory, and what it takes.

use plimsoll::governor::Charge;
use plimsoll::holding::{Site, Streaming};
use plimsoll::pool::{Lease, LeaseRequest};
use plimsoll::{Bytes, EngineAccount, Place};

use super::VecError;

/// The account that everything of an index is charged to.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    account: EngineAccount,
}

impl Budget {
    pub(super) fn new(account: EngineAccount) -> Self {
        Self { account }
    }

    /// What is free of it at this moment.
    pub(super) fn room(&self) -> u64 {
        let snapshot = self.account.engine().snapshot();
        let Some(place) = snapshot.place(Place::Host) else { return 0 };
        let free = place.carry.saturating_sub(place.charged);
        let share = place.shares.iter().find(|share| share.path == self.account.path());
        share.map_or(0, |share| free.min(share.limit.saturating_sub(share.charged)).get())
    }

    /// All of it.
    pub(super) fn limit(&self) -> Bytes {
        let snapshot = self.account.engine().snapshot();
        let Some(place) = snapshot.place(Place::Host) else { return Bytes::ZERO };
        let share = place.shares.iter().find(|share| share.path == self.account.path());
        share.map_or(Bytes::ZERO, |share| share.limit.min(place.carry))
    }

    /// The most that was ever taken.
    pub(super) fn peak(&self) -> Bytes {
        let snapshot = self.account.engine().snapshot();
        let shares = snapshot.place(Place::Host).map(|place| place.shares.as_slice()).unwrap_or_default();
        shares.iter().find(|share| share.path == self.account.path()).map_or(Bytes::ZERO, |share| share.peak)
    }

    /// Takes so many bytes of the heap into the books, before they are there.
    pub(super) fn charge(&self, bytes: u64) -> Result<Charge, VecError> {
        Ok(self.account.reserve(Place::Host, Bytes::new(bytes)).now()?.back())
    }

    /// Memory for blocks.
    pub(super) fn lease(&self, bytes: usize) -> Result<Lease, VecError> {
        let request = LeaseRequest::new(Bytes::new(bytes as u64)).align(4096);
        Ok(self.account.scratch(Place::Host)?.lease_with(request)?)
    }

    /// Gives back what the pool keeps of leases that are gone.
    pub(super) fn trim(&self) {
        if let Ok(pool) = self.account.scratch(Place::Host) {
            // A device that fails to take memory back keeps it charged; that is for the pool to tell.
            let _ = pool.trim(Bytes::ZERO);
        }
    }

    /// Streams over it.
    pub(super) fn streaming(&self, name: &str) -> Streaming {
        Streaming::open(&Site::new(&self.account, Place::Host), name)
    }
}
