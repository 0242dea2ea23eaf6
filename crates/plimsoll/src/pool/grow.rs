//! Getting a block when this thread's cache has none.
//!
//! In this order, cheapest first: what is free in the arena; what the device has just finished with; what this
//! thread's cache keeps in other sizes; new backing, paid by moving idle granules where that is enough and by a
//! reservation where it is not (the governor's ladder runs inside that); then, refused, everything that costs
//! more: other threads' caches, compaction, waiting for fences.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_device::{Bytes, DeviceError};

use super::block::Block;
use super::central::Central;
use super::core::PoolCore;
use super::error::LeaseError;
use crate::governor::{Refusal, Reservation};

/// How often a growth is planned again because another thread changed the arena meanwhile.
const ROUNDS: u32 = 16;

/// What a lease needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) bytes: u64,
    pub(super) align: u64,
    pub(super) within: Option<Duration>,
}

impl PoolCore {
    pub(super) fn obtain(self: &Arc<Self>, need: Need) -> Result<Box<Block>, LeaseError> {
        let mut central = self.central();
        if let Some(block) = self.search(&mut central, need) {
            return Ok(block);
        }
        drop(central);
        self.flush(false);
        // Other threads' caches are left warm unless they hold much of what is backed.
        let backed = self.central().arena.backed_bytes();
        if self.thread_cached() > backed / 16 {
            self.flush(true);
        }
        self.grow(need)
    }

    /// Looks in what is backed.
    fn search(self: &Arc<Self>, central: &mut Central, need: Need) -> Option<Box<Block>> {
        self.absorb(central);
        if !central.pending.is_empty() {
            self.poll(central);
        }
        self.place(central, need.bytes, need.align)
    }

    fn grow(self: &Arc<Self>, need: Need) -> Result<Box<Block>, LeaseError> {
        let mut reservations: Vec<Reservation> = Vec::new();
        let mut tried = Tried::default();
        for _ in 0..ROUNDS {
            let missing = {
                let mut central = self.central();
                if let Some(block) = self.search(&mut central, need) {
                    return Ok(block);
                }
                let Some(growth) = central.arena.growth(need.bytes, need.align) else {
                    return Err(self.too_large(need));
                };
                let have = reservations
                    .iter()
                    .map(|reservation| reservation.bytes().get())
                    .sum::<u64>();
                match growth
                    .back_bytes()
                    .saturating_sub(growth.give_back_bytes() + have)
                {
                    0 => match central.apply(self.device().as_ref(), &growth, &mut reservations) {
                        Ok(()) => continue,
                        Err(error) if tried.again_after(&error) => None,
                        Err(error) => return Err(error.into()),
                    },
                    missing => Some(Bytes::new(missing)),
                }
            };
            let Some(missing) = missing else {
                // The device had no room: what it still works on may give some.
                self.flush(true);
                self.settle()?;
                continue;
            };
            match self.ask(missing, need.within) {
                Ok(more) => reservations.push(more),
                Err(refusal) => {
                    reservations.clear();
                    return self.last_resort(need, refusal);
                }
            }
        }
        Err(DeviceError::System {
            what: "growing a pool",
            why: format!("other threads took what was backed for this one {ROUNDS} times; ask again"),
        }
        .into())
    }

    fn ask(&self, bytes: Bytes, within: Option<Duration>) -> Result<Reservation, Refusal> {
        let ask = self.account.reserve(self.place, bytes);
        match within {
            Some(within) => ask.within(within).wait(),
            None => ask.now(),
        }
    }

    /// The line does not carry more. Something may still be had from what the pool holds already.
    fn last_resort(self: &Arc<Self>, need: Need, refusal: Refusal) -> Result<Box<Block>, LeaseError> {
        self.flush(true);
        if let Some(block) = self.search(&mut self.central(), need) {
            return Ok(block);
        }
        if let Some(block) = self.compact_for(need)? {
            return Ok(block);
        }
        let waiting = !self.central().pending.is_empty();
        if waiting {
            // A poisoned lease is not this caller's fault: the refusal below says what is pending.
            let _poisoned = self.settle();
            if let Some(block) = self.search(&mut self.central(), need) {
                return Ok(block);
            }
            if let Some(block) = self.compact_for(need)? {
                return Ok(block);
            }
        }
        let central = self.central();
        Err(LeaseError::Refused {
            asked: Bytes::new(need.bytes),
            largest_free: Bytes::new(central.arena.largest_free()),
            pending: central.pending.bytes(),
            refusal: Box::new(refusal),
        })
    }

    fn too_large(&self, need: Need) -> LeaseError {
        LeaseError::TooLarge {
            asked: Bytes::new(need.bytes),
            limit: Bytes::new(self.largest),
        }
    }
}

/// What was done already about a device without room.
#[derive(Default)]
struct Tried {
    settled: bool,
}

impl Tried {
    /// Whether to wait for the device's fences and try once more.
    fn again_after(&mut self, error: &DeviceError) -> bool {
        matches!(error, DeviceError::OutOfMemory { .. }) && !std::mem::replace(&mut self.settled, true)
    }
}
