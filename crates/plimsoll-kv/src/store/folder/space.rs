//! What the folder takes of the disk, and who is charged for it.
//!
//! Space is taken before it is written and given back after it is free, so that what the files really take is never more
//! than what is taken, and that never more than the capacity.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plimsoll::governor::{Account, Charge};
use plimsoll::{Bytes, Place};

use crate::store::StoreError;

/// The books of a folder's space.
#[derive(Debug)]
pub(super) struct Space {
    name: String,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    capacity: u64,
    /// Of that, what only compaction may take.
    reserve: u64,
    used: u64,
    dead: u64,
    account: Option<Account>,
    charge: Option<Charge>,
}

/// Who asks for space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purse {
    /// New records.
    Open,
    /// Compaction, and what must be written so that space comes free.
    Reserve,
}

/// Space that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    space: Arc<Space>,
    bytes: u64,
}

/// What stands in the books.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub capacity: u64,
    pub used: u64,
    pub dead: u64,
}

impl Space {
    /// Books without a limit, and nobody charged, until [`settle`](Self::settle): what is there already is there.
    pub(super) fn unlimited(name: String) -> Arc<Self> {
        let books = Books { capacity: u64::MAX, reserve: 0, used: 0, dead: 0, account: None, charge: None };
        Arc::new(Self { name, books: Mutex::new(books) })
    }

    /// From now on there is a limit, and an account is charged. All that is used must fit.
    pub(super) fn settle(&self, capacity: u64, account: Option<&Account>) -> Result<(), StoreError> {
        let used = self.standing().used;
        if used > capacity {
            return Err(self.full(used, capacity, 0));
        }
        // Asked outside the lock: this may make others shrink, and they may look at this store.
        let charge = account.map(|account| account.reserve(Place::Disk, Bytes::new(used)).now());
        let charge = charge.transpose().map_err(|refusal| StoreError::Refused(Box::new(refusal)))?;
        let mut books = self.books();
        books.capacity = capacity;
        books.account = account.cloned();
        books.charge = charge.map(plimsoll::governor::Reservation::back);
        Ok(())
    }

    /// Keeps so much for compaction.
    pub(super) fn keep_back(&self, bytes: u64) {
        self.books().reserve = bytes;
    }

    pub(super) fn take(self: &Arc<Self>, bytes: u64, purse: Purse) -> Result<Taken, StoreError> {
        let mut books = self.books();
        let capacity = match purse {
            Purse::Open => books.capacity.saturating_sub(books.reserve),
            Purse::Reserve => books.capacity,
        };
        if books.used.checked_add(bytes).is_none_or(|used| used > capacity) {
            return Err(self.full(books.used, capacity, bytes));
        }
        if let Some(account) = &books.account {
            // Quietly: nobody is asked to shrink while the writer's lock is held, since whoever is asked may be the
            // very cache that is waiting for it.
            let more = account.reserve(Place::Disk, Bytes::new(bytes)).quietly();
            let more = more.map_err(|refusal| StoreError::Refused(Box::new(refusal)))?.back();
            match &mut books.charge {
                // They are of one account and place.
                Some(charge) => drop(charge.merge(more)),
                none => *none = Some(more),
            }
        }
        books.used += bytes;
        Ok(Taken { space: Arc::clone(self), bytes })
    }

    /// More bytes are of no use to anybody and could not be freed yet, or fewer.
    pub(super) fn dead(&self, more: u64, fewer: u64) {
        let mut books = self.books();
        books.dead = books.dead.saturating_add(more).saturating_sub(fewer);
    }

    pub(super) fn standing(&self) -> Standing {
        let books = self.books();
        Standing { capacity: books.capacity, used: books.used, dead: books.dead }
    }

    fn full(&self, used: u64, capacity: u64, asked: u64) -> StoreError {
        let [used, capacity, asked] = [used, capacity, asked].map(Bytes::new);
        StoreError::Full { name: self.name.clone(), used, capacity, asked }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, bytes: u64) {
        let mut books = self.books();
        books.used = books.used.saturating_sub(bytes);
        let back = books.charge.as_mut().map(|charge| charge.split(Bytes::new(bytes)));
        drop(books);
        drop(back);
    }
}

impl Taken {
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives a part back, at most all.
    pub(super) fn give(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.space.give(bytes);
    }

    /// Takes over what another has taken.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.space.give(std::mem::take(&mut self.bytes));
    }
}
