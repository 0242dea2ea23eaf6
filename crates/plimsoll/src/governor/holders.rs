//! Those who hold memory and can give it back.

use std::fmt;

use super::Account;
use super::ask::Ask;
use super::hold::{Pot, Reservation};
use super::refusal::{Refusal, Why, refuse};
use super::state::Inner;
use crate::ledger::NodeId;
use crate::sync::{Arc, Weak};
use crate::{Bytes, Place};

/// When on the ladder a holder is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HolderKind {
    /// Memory that nobody uses, such as a pool's empty slabs: asked first.
    Idle,
    /// Memory that comes free when a device has finished: asked second, to look again.
    Pending,
    /// Memory whose content is worth something: asked last, and only above its account's guarantee.
    Holder,
}

/// What could be given back, and what that would cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Offer {
    /// How much.
    pub bytes: Bytes,
    /// Seconds per byte that it costs to get the least valuable of them back.
    pub worth: f64,
}

/// Someone who can give memory back.
///
/// # What the governor counts on
/// Nothing: what a holder gives is what the ledger shows afterwards. One that panics is not called again and is
/// named in the refusal.
///
/// # What a holder may count on
/// No lock of the governor is held while it is called, so it may drop charges. It is called on the thread that
/// needs memory: it must not wait for that thread, nor take a lock that is held across a reservation. If it needs
/// memory to give memory back, a reservation made on this thread is granted from what is free or from the
/// emergency reserve, and never waits; on another thread, pass `emergency` along.
pub trait Shrink: Send + Sync {
    /// What people call it.
    fn name(&self) -> &str;

    /// When it is asked.
    fn kind(&self) -> HolderKind;

    /// What it could give. Called often: a number that is kept, not one that is computed.
    fn offer(&self) -> Offer;

    /// Gives back about `want`, and says how much it was.
    fn shrink(&self, want: Bytes, emergency: &Emergency) -> Bytes;

    /// The largest run it could lease at once, where it knows; for the refusal's text.
    fn largest_free_run(&self) -> Option<Bytes> {
        None
    }
}

/// Access to the emergency reserve for one who is giving memory back.
#[derive(Clone)]
pub struct Emergency {
    account: Account,
}

impl Emergency {
    pub(crate) const fn new(account: Account) -> Self {
        Self { account }
    }

    /// Reserves for the holder's account: from what is free if nobody waits for it, else from the emergency
    /// reserve. Never waits and asks nobody to shrink.
    pub fn reserve(&self, place: Place, bytes: Bytes) -> Result<Reservation, Refusal> {
        let ask = Ask::new(self.account.clone(), place, bytes);
        if let Some(reservation) = ask.admit() {
            return Ok(reservation);
        }
        let inner = &self.account.inner;
        let Some(number) = inner.charter.place(place) else {
            return Err(refuse(&self.account, place, bytes.get(), Why::NoShare));
        };
        match inner.with(|state| state.books.charge_emergency(number, bytes.get())) {
            Ok(()) => {
                let pot = Pot::Emergency(number);
                Ok(Reservation::new(self.account.clone(), place, pot, bytes.get()))
            }
            Err(left) => {
                let left = Bytes::new(left);
                Err(refuse(&self.account, place, bytes.get(), Why::EmergencySpent { left }))
            }
        }
    }
}

impl fmt::Debug for Emergency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Emergency").field(&self.account.path()).finish()
    }
}

/// A holder as the governor knows it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub id: u64,
    pub account: u32,
    pub node: NodeId,
    pub quarantined: bool,
    pub holder: Weak<dyn Shrink>,
}

impl Entry {
    pub fn new(id: u64, account: u32, node: NodeId, holder: &Arc<dyn Shrink>) -> Self {
        Self { id, account, node, quarantined: false, holder: Arc::downgrade(holder) }
    }
}

/// Keeps a holder registered; dropping it makes the governor forget the holder.
#[must_use = "dropping a registration makes the governor forget the holder"]
pub struct Registration {
    inner: Arc<Inner>,
    id: Option<u64>,
}

impl Registration {
    pub(crate) const fn new(inner: Arc<Inner>, id: Option<u64>) -> Self {
        Self { inner, id }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // The weak reference may be the last: let it go after the lock.
            let gone = self.inner.with(|state| {
                let index = state.holders.iter().position(|entry| entry.id == id)?;
                Some(state.holders.swap_remove(index))
            });
            drop(gone);
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registration").field(&self.id).finish()
    }
}
