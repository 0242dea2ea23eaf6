//! A request that stands in the queues, until it is granted or leaves.

use std::task::Waker;
use std::time::Instant;

use super::Account;
use super::hold::{Pot, Reservation};
use super::ladder::{self, Climbed};
use super::refusal::{Fault, Refusal, Why, draw_up, refuse, why};
use super::state::Standing;
use crate::Place;
use crate::ledger::NodeId;
use crate::sync::Arc;

/// Stands in the queues for a request. Dropping it leaves them; bytes granted and not collected go back.
#[derive(Debug)]
pub(crate) struct Waiting {
    account: Account,
    place: Place,
    number: usize,
    node: NodeId,
    bytes: u64,
    ticket: u64,
    collected: bool,
    since: Instant,
    faults: Vec<Fault>,
}

impl Waiting {
    pub fn enter(account: &Account, place: Place, bytes: u64) -> Result<Self, Refusal> {
        let (Some(node), Some(number)) = (account.node(place), account.inner.charter.place(place)) else {
            return Err(refuse(account, place, bytes, Why::NoShare));
        };
        Ok(Self {
            ticket: account.inner.with(|state| state.enqueue(node, bytes)),
            account: account.clone(),
            place,
            number,
            node,
            bytes,
            collected: false,
            since: Instant::now(),
            faults: Vec::new(),
        })
    }

    /// Asks holders to give back what this request lacks, if it is its turn.
    pub fn climb(&mut self) -> Climbed {
        ladder::climb(&self.account.inner, self.number, self.ticket, &mut self.faults)
    }

    /// Sleeps until there is a reason to look again, or until then; whether it was granted.
    pub fn sleep(&self, until: Option<Instant>) -> bool {
        self.account.inner.sleep(self.ticket, until)
    }

    /// The reservation, once granted.
    pub fn collect(&mut self) -> Option<Reservation> {
        self.account.inner.with(|state| {
            let seat = state.collect(self.ticket)?;
            // It may have been told of a turn that it has no use for.
            state.offer_turn(self.number);
            Some(seat)
        })?;
        self.collected = true;
        Some(Reservation::new(self.account.clone(), self.place, Pot::Share(self.node), self.bytes))
    }

    pub fn take_nudge(&self) -> bool {
        let nudged =
            |state: &mut super::state::State| Some(std::mem::take(&mut state.seat(self.ticket)?.nudged));
        self.account.inner.with(nudged).unwrap_or(false)
    }

    /// From now on this task is woken, and only this one. Whether it was nudged before, when nobody could be woken.
    pub fn wake_with(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let replaced = self.account.inner.with(|state| {
            let seat = state.seat(self.ticket)?;
            Some((seat.waker.replace(waker), seat.nudged))
        });
        // The one that was there is foreign code: it goes after the lock.
        replaced.is_some_and(|(_before, nudged)| nudged)
    }

    /// Leaves the queues: with the reservation if it was granted in the meantime, else saying why not.
    pub fn finish(&mut self, timed_out: bool) -> Result<Reservation, Refusal> {
        let inner = Arc::clone(&self.account.inner);
        let mut told = ladder::tell(&inner, self.number, self.node);
        told.faults.append(&mut self.faults);
        let waited = timed_out.then(|| self.since.elapsed());
        self.collected = true;
        inner.with(|state| {
            let found = match state.standing(self.ticket) {
                Some(Standing::HeldUp(hindrance, _)) => why(state, &inner.charter, hindrance),
                Some(Standing::Granted) | None => {
                    state.collect(self.ticket);
                    state.offer_turn(self.number);
                    let pot = Pot::Share(self.node);
                    return Ok(Reservation::new(self.account.clone(), self.place, pot, self.bytes));
                }
            };
            state.cancel(self.ticket, self.node, self.bytes);
            Err(draw_up(state, &self.account, self.place, self.bytes, found, told, waited))
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.collected {
            self.account.inner.with(|state| state.cancel(self.ticket, self.node, self.bytes));
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]
mod tests {
    use super::*;
    use crate::Bytes;
    use crate::governor::Governor;
    use crate::ledger::{AccountSettings, LedgerSettings, LineSettings};

    fn account() -> Account {
        let line = Bytes::new(100);
        let settings = LedgerSettings {
            places: vec![LineSettings::new(Place::Host, line)],
            accounts: vec![AccountSettings::new("a").share(Place::Host, Bytes::ZERO, line)],
        };
        Governor::open(&settings).unwrap().account("a").unwrap()
    }

    #[test]
    fn a_nudge_before_there_is_a_waker_is_told_with_the_waker() {
        let account = account();
        let _all = account.reserve(Place::Host, Bytes::new(100)).now().unwrap();
        let first = Waiting::enter(&account, Place::Host, 10).unwrap();
        let second = Waiting::enter(&account, Place::Host, 10).unwrap();
        assert!(!second.wake_with(Waker::noop()));
        let third = Waiting::enter(&account, Place::Host, 10).unwrap();
        drop((first, second));
        assert!(third.wake_with(Waker::noop()), "it is first now and would sleep for ever");
    }

    #[test]
    fn a_turn_passes_over_one_that_was_granted_meanwhile() {
        let account = account();
        let mut all = account.reserve(Place::Host, Bytes::new(100)).now().unwrap();
        let mut granted = Waiting::enter(&account, Place::Host, 10).unwrap();
        let wants = Waiting::enter(&account, Place::Host, 50).unwrap();
        account.inner.with(|state| {
            state.turns[0].taken = true;
            state.turns[0].next.extend([granted.ticket, wants.ticket]);
        });
        drop(all.split(Bytes::new(10)));
        wants.take_nudge();
        account.inner.with(|state| state.pass_turn(0));
        assert!(wants.take_nudge(), "the turn was given to one that has no use for it");
        drop(granted.collect().unwrap());
    }
}
