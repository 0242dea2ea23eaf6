//! What a pool's threads share: the arena, what is behind it, and the charge for it.
//!
//! Everything here runs under the pool's one mutex. It never asks for charges, because the governor may then come
//! back to this pool for idle memory, and it releases none, because that wakes whoever waits for memory: what is no
//! longer charged is set aside and released when the lock is let go.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Weak};

use plimsoll_device::{Bytes, Device, DeviceError, Region, Request, StorageMode};

use super::arena::{Arena, Growth, NodeId, Swap};
use super::block::Block;
use super::movable::Site;
use super::pending::{Pending, Reuse};
use crate::governor::{Charge, Mismatch, Reservation};
use crate::record::{Kind, Tape};

/// What an arena's offsets stand for on the device.
pub(super) enum Backing {
    /// One address range, backed granule by granule.
    Range(Arc<Region>),
    /// Separate allocations, by the offset at which each begins.
    Slabs(BTreeMap<u64, Arc<Region>>),
}

pub(super) struct Central {
    pub(super) arena: Arena,
    pub(super) backing: Backing,
    pub(super) mode: StorageMode,
    pub(super) tape: Tape,
    /// In all for exactly what is backed. One, but for what was paid from the emergency reserve.
    charges: Vec<Charge>,
    /// No longer ours. Releasing it wakes whoever waits for memory, so it is done after the lock is let go.
    pub(super) spent: Vec<Charge>,
    pub(super) pending: Pending,
    /// Leases that may be moved, by the block that they have now.
    pub(super) sites: HashMap<NodeId, Weak<Site>>,
    pub(super) maps: u64,
    /// Growths that idle memory paid for, and trims.
    pub(super) exchanges: u64,
    pub(super) moved: u64,
    pub(super) peak_backed: u64,
    /// The most that was live, as far as it was looked at.
    pub(super) peak_live_seen: u64,
}

impl Central {
    pub(super) fn new(arena: Arena, backing: Backing, mode: StorageMode, tape: Tape) -> Self {
        Self {
            tape,
            arena,
            backing,
            mode,
            charges: Vec::new(),
            spent: Vec::new(),
            pending: Pending::default(),
            sites: HashMap::new(),
            maps: 0,
            exchanges: 0,
            moved: 0,
            peak_backed: 0,
            peak_live_seen: 0,
        }
    }

    /// The pool is gone, and with it every block: the address range goes back to the device.
    pub(super) fn close(&mut self, device: &dyn Device) {
        let backing = std::mem::replace(&mut self.backing, Backing::Slabs(BTreeMap::new()));
        if let Backing::Range(region) = backing
            && let Ok(region) = Arc::try_unwrap(region)
        {
            // A device that refuses has lost the range, or its own books are wrong: either way it is not ours.
            let _refused = device.free(region);
        }
    }

    /// A block waits for its fences, in the arena if it has none.
    pub(super) fn wait_for(&mut self, block: Box<Block>) {
        if let Some(ready) = self.pending.push(&self.arena, block) {
            ready.note_settled();
            self.arena.release(ready.node);
        }
    }

    /// A block that waits for a stream alone, for a request on that stream.
    pub(super) fn reuse(&mut self, want: &Reuse) -> Option<Box<Block>> {
        self.pending.reuse(&mut self.arena, want)
    }

    /// The same from several that lie side by side.
    pub(super) fn reuse_merged(&mut self, want: &Reuse) -> Option<Box<Block>> {
        self.pending.reuse_merged(&mut self.arena, want)
    }

    /// The region behind an offset of the arena, and the offset within it.
    pub(super) fn locate(&self, offset: u64) -> (Arc<Region>, u64) {
        match &self.backing {
            Backing::Range(region) => (Arc::clone(region), offset),
            Backing::Slabs(slabs) => match slabs.range(..=offset).next_back() {
                Some((base, region)) => (Arc::clone(region), offset - base),
                None => unreachable!("the arena placed a block where there is no slab"),
            },
        }
    }

    /// Carries a growth out, paying with `reservations`, which cover it.
    ///
    /// When the device fails half-way, what was backed so far stays (idle, charged), and the rest of the
    /// reservations is left to the caller.
    pub(super) fn apply(
        &mut self,
        device: &dyn Device,
        growth: &Growth,
        reservations: &mut Vec<Reservation>,
    ) -> Result<(), DeviceError> {
        self.maps += 1;
        self.exchanges += u64::from(!growth.give_back.is_empty());
        let result = self.exchange(device, growth, reservations);
        self.settle_charge();
        self.peak_backed = self.peak_backed.max(self.arena.backed_bytes());
        result
    }

    /// Gives back what is over, moves what can be moved, and takes the rest anew: at no moment is more backed than
    /// charged.
    fn exchange(
        &mut self,
        device: &dyn Device,
        growth: &Growth,
        reservations: &mut Vec<Reservation>,
    ) -> Result<(), DeviceError> {
        let growable = matches!(self.backing, Backing::Range(_));
        let swap = if growable { growth.swap() } else { Swap::none(growth) };
        swap.give_back.iter().try_for_each(|range| self.unback(device, range))?;
        swap.moved.iter().try_for_each(|(from, to)| self.remap(device, from, to))?;
        self.back(device, &swap.back, reservations)
    }

    fn back(
        &mut self,
        device: &dyn Device,
        ranges: &[Range<u64>],
        reservations: &mut Vec<Reservation>,
    ) -> Result<(), DeviceError> {
        let wanted = ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        self.pay((self.arena.backed_bytes() + wanted).saturating_sub(self.charged()), reservations);
        for range in ranges {
            match &mut self.backing {
                Backing::Range(region) => device.commit(region, range.clone())?,
                Backing::Slabs(slabs) => {
                    let bytes = Bytes::new(range.end - range.start);
                    let request = Request::new(bytes, self.mode).align(device.facts().page);
                    slabs.insert(range.start, Arc::new(device.allocate(request)?));
                }
            }
            self.arena.backed(range.clone());
            self.note(Kind::Back, range);
        }
        Ok(())
    }

    /// The memory behind one part of the range comes to lie behind another.
    fn remap(&mut self, device: &dyn Device, from: &Range<u64>, to: &Range<u64>) -> Result<(), DeviceError> {
        let Backing::Range(region) = &self.backing else {
            unreachable!("only parts of an address range are moved")
        };
        match device.remap(region, from.clone(), to.clone()) {
            Ok(()) => {}
            // Refused before anything was done.
            Err(error @ DeviceError::BadRange { .. }) => return Err(error),
            Err(error) => {
                // It failed before or after the first part was given back, and it is given back in either case now.
                match device.decommit(region, from.clone()) {
                    Ok(()) | Err(DeviceError::BadRange { .. } | DeviceError::Lost { .. }) => {
                        self.note(Kind::GiveBack, from);
                        self.arena.given_back(from.clone());
                    }
                    Err(_) => {}
                }
                return Err(error);
            }
        }
        self.note(Kind::GiveBack, from);
        self.arena.given_back(from.clone());
        self.arena.backed(to.clone());
        self.note(Kind::Back, to);
        Ok(())
    }

    /// Takes wholly free backing away from the device, and its charge from the account.
    pub(super) fn give_back(&mut self, device: &dyn Device, at_least: u64) -> Result<Bytes, DeviceError> {
        let before = self.arena.backed_bytes();
        let ranges = self.arena.give_back(at_least);
        let mut result = Ok(());
        if !ranges.is_empty() {
            self.maps += 1;
            self.exchanges += 1;
        }
        for range in &ranges {
            result = self.unback(device, range);
            if result.is_err() {
                break;
            }
        }
        self.settle_charge();
        result.map(|()| Bytes::new(before - self.arena.backed_bytes()))
    }

    fn unback(&mut self, device: &dyn Device, range: &Range<u64>) -> Result<(), DeviceError> {
        // A slab is gone afterwards, and its address with it.
        let address = self.address(range.start);
        match &mut self.backing {
            Backing::Range(region) => match device.decommit(region, range.clone()) {
                // A lost device holds nothing any more.
                Ok(()) | Err(DeviceError::Lost { .. }) => {}
                Err(error) => return Err(error),
            },
            Backing::Slabs(slabs) => {
                let Some(region) = slabs.remove(&range.start) else {
                    unreachable!("the arena gave back a slab that is not there")
                };
                match Arc::try_unwrap(region) {
                    Ok(region) => {
                        if let Err(failed) = device.free(region)
                            && !matches!(failed.error, DeviceError::Lost { .. })
                        {
                            slabs.insert(range.start, Arc::new(failed.region));
                            return Err(failed.error);
                        }
                    }
                    Err(_) => unreachable!("a wholly free slab is still used by a lease"),
                }
            }
        }
        self.arena.given_back(range.clone());
        self.tape.note(Kind::GiveBack, range.end - range.start, address);
        Ok(())
    }

    fn address(&self, offset: u64) -> u64 {
        let (region, offset) = self.locate(offset);
        region.address() + offset
    }

    /// Writes down what became of a part of what is backed.
    fn note(&self, kind: Kind, range: &Range<u64>) {
        self.tape.note(kind, range.end - range.start, self.address(range.start));
    }

    fn charged(&self) -> u64 {
        self.charges.iter().map(|charge| charge.bytes().get()).sum()
    }

    /// Moves so much from the reservations to the charges.
    fn pay(&mut self, bytes: u64, reservations: &mut Vec<Reservation>) {
        let mut due = bytes;
        while due > 0 {
            let Some(mut whole) = reservations.pop() else {
                unreachable!("memory is backed only after all of it was reserved")
            };
            let part = whole.bytes().get().min(due);
            let paid = whole.split(Bytes::new(part)).map(Reservation::back);
            if whole.bytes() > Bytes::ZERO {
                reservations.push(whole);
            }
            let Ok(mut paid) = paid else { unreachable!("a part is at most the whole") };
            due -= part;
            for charge in &mut self.charges {
                match charge.merge(paid) {
                    Ok(()) => return self.pay(due, reservations),
                    Err(Mismatch(other)) => paid = other,
                }
            }
            self.charges.push(paid);
        }
    }

    /// Releases what is charged over what is backed, the last that came first: an emergency is over soonest.
    fn settle_charge(&mut self) {
        let mut over = self.charged().saturating_sub(self.arena.backed_bytes());
        while over > 0
            && let Some(mut charge) = self.charges.pop()
        {
            let part = charge.bytes().get().min(over);
            over -= part;
            self.spent.extend(charge.split(Bytes::new(part)));
            if charge.bytes() > Bytes::ZERO {
                self.charges.push(charge);
            }
        }
        debug_assert_eq!(self.charged(), self.arena.backed_bytes(), "backed memory is charged exactly once");
    }
}
