//! Getting a block when this thread's cache has none.
//!
//! In this order, cheapest first: what is free in the arena; what the device has just finished with; what this
//! thread's cache keeps in other sizes; new backing, paid by moving idle granules where that is enough and by a
//! reservation where it is not (the governor's ladder runs inside that); then, refused, everything that costs
//! more: other threads' caches, compaction, waiting for fences.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_device::{Bytes, DeviceError};

use super::arena::GrowthMode;
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

    /// Backs more. First with some to spare, if that much is free this moment: nobody gives anything up for our
    /// comfort. Where it is not, only what is needed, paid with our own idle memory first.
    fn grow(self: &Arc<Self>, need: Need) -> Result<Box<Block>, LeaseError> {
        let mut paid: Vec<Reservation> = Vec::new();
        let mut mode = GrowthMode::Spare;
        let mut settled = false;
        for _ in 0..ROUNDS {
            let step = {
                let mut central = self.central();
                if let Some(block) = self.search(&mut central, need) {
                    return Ok(block);
                }
                self.grow_once(&mut central, need, mode, &mut paid)?
            };
            match step {
                Step::Grown => {}
                Step::Unpaid(missing) if mode == GrowthMode::Spare => {
                    match self.account.reserve(self.place, missing).quietly() {
                        Ok(reserved) => paid.push(reserved),
                        Err(_) => mode = GrowthMode::Exchange,
                    }
                }
                Step::Unpaid(missing) => match self.ask(missing, need.within) {
                    Ok(reserved) => paid.push(reserved),
                    Err(refusal) => {
                        paid.clear();
                        return self.last_resort(need, refusal);
                    }
                },
                Step::DeviceFull(_) if mode == GrowthMode::Spare => mode = GrowthMode::Exchange,
                Step::DeviceFull(_) if !settled => {
                    // What the device still works on may give some, and so may other threads' caches.
                    settled = true;
                    self.flush(true);
                    self.settle()?;
                }
                Step::DeviceFull(error) => return Err(error.into()),
            }
        }
        Err(DeviceError::System {
            what: "growing a pool",
            why: format!("other threads took what was backed for this one {ROUNDS} times; ask again"),
        }
        .into())
    }

    /// Plans a growth and carries it out if it is paid for.
    fn grow_once(
        &self,
        central: &mut Central,
        need: Need,
        mode: GrowthMode,
        paid: &mut Vec<Reservation>,
    ) -> Result<Step, LeaseError> {
        let Some(growth) = central.arena.growth(need.bytes, need.align, mode) else {
            return Err(LeaseError::TooLarge {
                asked: Bytes::new(need.bytes),
                limit: Bytes::new(self.largest),
            });
        };
        let have = paid.iter().map(|paid| paid.bytes().get()).sum::<u64>();
        let missing = growth.back_bytes().saturating_sub(growth.give_back_bytes() + have);
        if missing > 0 {
            return Ok(Step::Unpaid(Bytes::new(missing)));
        }
        match central.apply(self.device().as_ref(), &growth, paid) {
            Ok(()) => Ok(Step::Grown),
            Err(error @ DeviceError::OutOfMemory { .. }) => Ok(Step::DeviceFull(error)),
            Err(error) => Err(error.into()),
        }
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
}

/// How far one attempt to grow came.
enum Step {
    /// The device has backed it: the next search finds room, unless another thread was quicker.
    Grown,
    /// So much more must be reserved first.
    Unpaid(Bytes),
    /// The line has room and the device has not.
    DeviceFull(DeviceError),
}
