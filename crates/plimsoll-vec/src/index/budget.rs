//! What an index may have of memory, and what it takes.

use plimsoll::governor::Charge;
use plimsoll::holding::cached::{Cached, Key};
use plimsoll::holding::{Site, Streaming};
use plimsoll::pool::{Lease, LeaseRequest};
use plimsoll::{Bytes, EngineAccount, Place};

use super::VecError;

/// The account that everything of an index is charged to.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    account: EngineAccount,
}

/// How much of an account is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// All of it.
    pub(super) limit: Bytes,
    /// What is free.
    pub(super) room: u64,
    /// The most that was ever taken.
    pub(super) peak: Bytes,
}

impl Standing {
    /// What is taken.
    pub(super) fn used(&self) -> u64 {
        self.limit.get().saturating_sub(self.room)
    }
}

impl Budget {
    pub(super) fn new(account: EngineAccount) -> Self {
        Self { account }
    }

    /// Whose it is.
    pub(super) fn account(&self) -> &EngineAccount {
        &self.account
    }

    /// Where it stands at this moment.
    pub(super) fn standing(&self) -> Standing {
        self.standing_at(Place::Host)
    }

    /// The same of its share of another place.
    pub(super) fn standing_at(&self, place: Place) -> Standing {
        let snapshot = self.account.engine().snapshot();
        let place = snapshot.place(place);
        let share =
            place.and_then(|place| place.shares.iter().find(|share| share.path == self.account.path()));
        let Some((place, share)) = place.zip(share) else { return Standing::default() };
        let free = place.carry.saturating_sub(place.charged);
        Standing {
            limit: share.limit.min(place.carry),
            room: free.min(share.limit.saturating_sub(share.charged)).get(),
            peak: share.peak,
        }
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

    /// What the pool will have behind leases of so many bytes, where there is room to spare and where there is none.
    pub(super) fn backed_for(&self, leases: u64) -> [u64; 2] {
        let pool = self.account.scratch(Place::Host);
        pool.map_or([leases; 2], |pool| pool.backed_for(Bytes::new(leases)).map(Bytes::get))
    }

    /// Gives back what the pool keeps of leases that are gone.
    pub(super) fn trim(&self) {
        if let Ok(pool) = self.account.scratch(Place::Host) {
            // A device that fails to take memory back keeps it charged; that is for the pool to tell.
            let _ = pool.trim(Bytes::ZERO);
        }
    }

    /// A cache that takes what nobody else of the account wants.
    pub(super) fn cached<K: Key, V: Send + Sync>(&self, name: &str) -> Cached<K, V> {
        Cached::open(&Site::new(&self.account, Place::Host), name)
    }

    /// Streams over it.
    pub(super) fn streaming(&self, name: &str) -> Streaming {
        Streaming::open(&Site::new(&self.account, Place::Host), name)
    }
}
