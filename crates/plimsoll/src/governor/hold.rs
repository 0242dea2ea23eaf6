//! Bytes that are charged: reservations and charges.

use std::fmt;

use super::ask::Ask;
use super::refusal::{self, Refusal, Why};
use super::state::Inner;
use super::{Account, queue::Hindrance};
use crate::ledger::NodeId;
use crate::record::Kind;
use crate::sync::Arc;
use crate::{Bytes, Place};

/// From which pot the bytes were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pot {
    /// The account's share.
    Share(NodeId),
    /// A place's emergency reserve, by the place's number.
    Emergency(usize),
}

/// Charged bytes; releases them when dropped.
struct Hold {
    account: Account,
    place: Place,
    pot: Pot,
    bytes: u64,
    unbacked: bool,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        // Written down before it is: the next who has the bytes comes after.
        self.note(Kind::Discharge, 0);
        match self.pot {
            Pot::Share(node) => self.inner().release(node, self.bytes, self.unbacked),
            Pot::Emergency(place) => {
                self.inner().with(|state| state.books.release_emergency(place, self.bytes));
            }
        }
    }
}

impl Hold {
    /// What was taken from the emergency reserve is written down as its account's.
    fn note(&self, kind: Kind, address: u64) {
        let node = match self.pot {
            Pot::Share(node) => Some(node),
            Pot::Emergency(_) => self.account.node(self.place),
        };
        if let Some(node) = node {
            self.inner().note(kind, node, self.bytes, address);
        }
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.account.inner
    }

    fn split(&mut self, bytes: Bytes) -> Result<Self, TooMuch> {
        let Some(rest) = self.bytes.checked_sub(bytes.get()) else {
            return Err(TooMuch { asked: bytes, held: Bytes::new(self.bytes) });
        };
        self.bytes = rest;
        Ok(Self { account: self.account.clone(), bytes: bytes.get(), ..*self })
    }

    /// Takes the other's bytes over, or says no and leaves both as they are.
    fn merge(&mut self, other: &mut Self) -> bool {
        let same = Arc::ptr_eq(self.inner(), other.inner())
            && self.account.number == other.account.number
            && (self.place, self.pot, self.unbacked) == (other.place, other.pot, other.unbacked);
        if same {
            self.bytes += std::mem::take(&mut other.bytes);
        }
        same
    }

    fn back(mut self) -> Self {
        if let Pot::Share(node) = self.pot
            && self.bytes > 0
        {
            self.inner().with(|state| state.books.back(node, self.bytes));
        }
        self.unbacked = false;
        self
    }

    /// Moves the bytes to another node in one step if they fit there without passing anyone over; else reserves
    /// there first, by the ladder.
    fn transfer(&mut self, to: &Account, place: Place) -> Result<(), Refusal> {
        if !Arc::ptr_eq(self.inner(), &to.inner) {
            return Err(refusal::refuse(to, place, self.bytes, Why::OtherGovernor));
        }
        let Some(node) = to.node(place) else {
            return Err(refusal::refuse(to, place, self.bytes, Why::NoShare));
        };
        if self.pot == Pot::Share(node) || self.bytes == 0 {
            (self.account, self.place, self.pot) = (to.clone(), place, Pot::Share(node));
            return Ok(());
        }
        if let Pot::Share(from) = self.pot
            && self.step(from, node).is_ok()
        {
            let kind = if worth(place) > worth(self.place) { Kind::Promote } else { Kind::Demote };
            self.note(kind, u64::from(Inner::source(node)));
            (self.account, self.place, self.pot) = (to.clone(), place, Pot::Share(node));
            return Ok(());
        }
        let there = Ask::new(to.clone(), place, Bytes::new(self.bytes)).now()?;
        let there = if self.unbacked { there.0 } else { there.back().0 };
        *self = there;
        Ok(())
    }

    fn step(&self, from: NodeId, to: NodeId) -> Result<(), Hindrance> {
        self.inner().with(|state| {
            state.queues.admits_move(&state.books, from, to, self.bytes)?;
            let moved = state.books.transfer(from, to, self.bytes, self.unbacked);
            moved.map_err(Hindrance::Short)?;
            state.settle(from);
            Ok(())
        })
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (account, place) = (self.account.path(), self.place);
        let from = if matches!(self.pot, Pot::Emergency(_)) { " from the emergency reserve" } else { "" };
        write!(f, "{} of {account} on {place}{from}", Bytes::new(self.bytes))
    }
}

/// How dear a place is: what goes to one that is worth less is demoted.
const fn worth(place: Place) -> u8 {
    match place {
        Place::Cuda(_) | Place::Gpu(_) | Place::Sim(_) => 4,
        Place::Pinned => 3,
        Place::Host => 2,
        Place::Disk => 1,
        Place::Remote => 0,
    }
}

/// More was to be split off than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked} cannot be split off {held}; split off at most {held}")]
pub struct TooMuch {
    /// What was to be split off.
    pub asked: Bytes,
    /// What there is.
    pub held: Bytes,
}

/// Two that do not belong to the same account, place and pot. The one that was to be merged is inside.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} cannot be merged into bytes of another account or place; move it there first")]
pub struct Mismatch<T: fmt::Debug>(pub T);

/// Bytes that are charged and have no memory behind them yet. Dropping it gives them back.
#[derive(Debug)]
#[must_use = "dropping a reservation gives it back"]
pub struct Reservation(Hold);

/// Bytes that are charged and have memory behind them. Drop it when the memory is really gone.
#[derive(Debug)]
#[must_use = "dropping a charge says that its memory is gone"]
pub struct Charge(Hold);

macro_rules! held {
    ($name:ident) => {
        impl $name {
            /// How much.
            pub fn bytes(&self) -> Bytes {
                Bytes::new(self.0.bytes)
            }

            /// Where.
            pub fn place(&self) -> Place {
                self.0.place
            }

            /// Whose.
            pub fn account(&self) -> &Account {
                &self.0.account
            }

            /// Whether it was taken from the emergency reserve, and so must be given back soon.
            pub fn is_emergency(&self) -> bool {
                matches!(self.0.pot, Pot::Emergency(_))
            }

            /// Splits a part off. Nothing is charged or released.
            pub fn split(&mut self, bytes: Bytes) -> Result<Self, TooMuch> {
                self.0.split(bytes).map(Self)
            }

            /// Takes over another of the same account and place. Nothing is charged or released.
            pub fn merge(&mut self, mut other: Self) -> Result<(), Mismatch<Self>> {
                if self.0.merge(&mut other.0) { Ok(()) } else { Err(Mismatch(other)) }
            }

            /// Moves all of it to another place, for an account that has a share there. Where it fits, that is one
            /// step in which no byte is charged twice or not at all; otherwise the target is reserved first, by
            /// the ladder. On a refusal everything stays where it was.
            ///
            /// For a copy that takes time, reserve the target, copy, and drop the source afterwards instead:
            /// while both exist both are charged.
            pub fn move_to(&mut self, place: Place) -> Result<(), Refusal> {
                let account = self.0.account.clone();
                self.0.transfer(&account, place)
            }

            /// Moves all of it to another account on the same place, in the same way.
            pub fn transfer_to(&mut self, account: &Account) -> Result<(), Refusal> {
                let place = self.0.place;
                self.0.transfer(account, place)
            }
        }
    };
}

held!(Reservation);
held!(Charge);

impl Reservation {
    pub(crate) fn new(account: Account, place: Place, pot: Pot, bytes: u64) -> Self {
        let hold = Hold { account, place, pot, bytes, unbacked: true };
        if bytes > 0 {
            hold.note(Kind::Charge, 0);
        }
        Self(hold)
    }

    /// The memory is there now.
    pub fn back(self) -> Charge {
        Charge(self.0.back())
    }
}
