//! Getting a block when this thread's cache has none.
//!
//! In this order, cheapest first: what is free in the arena; what the device has just finished with; what this
//! thread's cache keeps in other sizes; new backing, paid by moving idle granules where that is enough and by a
//! reservation where it is not (the governor's ladder runs inside that); then, refused, everything that costs
//! more: other threads' caches, compaction, waiting for fences.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_device::{Bytes, DeviceError, Stream};

use super::arena::GrowthMode;
use super::block::Block;
use super::central::Central;
use super::core::PoolCore;
use super::error::LeaseError;
use super::pending::Reuse;
use crate::governor::{Refusal, Reservation};

/// How often a growth is planned again because another thread changed the arena meanwhile.
const ROUNDS: u32 = 16;

/// What a lease needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) bytes: u64,
    pub(super) align: u64,
    pub(super) effort: Effort,
    /// The stream that will use it first.
    pub(super) stream: Option<Stream>,
}

/// How much may be done to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Nothing that anybody else would notice.
    Quiet,
    /// Everything but waiting in line.
    Now,
    /// Waiting in line so long, too.
    Within(Duration),
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

    /// Looks in what is backed: first among blocks that wait for the stream that asks, because that takes nothing from
    /// anybody and asks the device nothing; then in what is free; then for several of the first that lie side by side.
    fn search(self: &Arc<Self>, central: &mut Central, need: Need) -> Option<Box<Block>> {
        self.absorb(central);
        if central.pending.is_empty() {
            return self.place(central, need.bytes, need.align);
        }
        let reuse = need.stream.and_then(|stream| {
            let (zone, bytes) = central.arena.request(need.bytes, need.align)?;
            Some(Reuse { stream, zone, bytes, align: need.align })
        });
        if let Some(reuse) = &reuse
            && let Some(block) = central.reuse(reuse)
        {
            return Some(block);
        }
        self.poll(central);
        if let Some(block) = self.place(central, need.bytes, need.align) {
            return Some(block);
        }
        reuse.and_then(|reuse| central.reuse_merged(&reuse))
    }

    /// Backs more. First with some to spare, if that much is free this moment: nobody gives anything up for our
    /// comfort. Where it is not, only what is needed, paid with our own idle memory first.
    fn grow(self: &Arc<Self>, need: Need) -> Result<Box<Block>, LeaseError> {
        let mut paid: Vec<Reservation> = Vec::new();
        let mut mode = GrowthMode::Spare;
        let mut called_in = false;
        for _ in 0..ROUNDS {
            let step = match self.attempt(need, mode, &mut paid)? {
                Step::Grown(block) => return Ok(block),
                step => step,
            };
            match step {
                Step::Unpaid(missing) if mode == GrowthMode::Spare => {
                    match self.account.reserve(self.place, missing).quietly() {
                        Ok(reserved) => paid.push(reserved),
                        Err(_) => mode = GrowthMode::Exchange,
                    }
                }
                Step::Unpaid(missing) => match self.ask(missing, need.effort) {
                    Ok(reserved) => paid.push(reserved),
                    Err(refusal) => {
                        paid.clear();
                        return self.last_resort(need)?.ok_or_else(|| self.refused(need, refusal));
                    }
                },
                Step::DeviceFull(_) if mode == GrowthMode::Spare => mode = GrowthMode::Exchange,
                Step::DeviceFull(_) if !called_in => {
                    called_in = true;
                    self.call_in(need.effort);
                }
                Step::DeviceFull(error) => {
                    paid.clear();
                    return self.last_resort(need)?.ok_or_else(|| error.into());
                }
                Step::NoRange => {
                    paid.clear();
                    let asked = Bytes::new(need.bytes);
                    return self.last_resort(need)?.ok_or(LeaseError::NoRange { asked });
                }
                Step::Lost | Step::Grown(_) => {}
            }
        }
        Err(DeviceError::System {
            what: "growing a pool",
            why: format!("other threads took what was backed for this one {ROUNDS} times; ask again"),
        }
        .into())
    }

    /// Looks once more, and else grows once, all under one lock so that no other thread takes what was backed.
    fn attempt(
        self: &Arc<Self>,
        need: Need,
        mode: GrowthMode,
        paid: &mut Vec<Reservation>,
    ) -> Result<Step, LeaseError> {
        let mut central = self.central();
        if let Some(block) = self.search(&mut central, need) {
            return Ok(Step::Grown(block));
        }
        let Some(growth) = central.arena.growth(need.bytes, need.align, mode) else {
            return Ok(self.place_anywhere(&mut central, need).map_or(Step::NoRange, Step::Grown));
        };
        let have = paid.iter().map(|paid| paid.bytes().get()).sum::<u64>();
        let missing = growth.back_bytes().saturating_sub(growth.give_back_bytes() + have);
        let step = if missing > 0 {
            Step::Unpaid(Bytes::new(missing))
        } else {
            match central.apply(self.device().as_ref(), &growth, paid) {
                Ok(()) => {
                    let placed = self.place(&mut central, need.bytes, need.align);
                    return Ok(placed.map_or(Step::Lost, Step::Grown));
                }
                Err(error @ DeviceError::OutOfMemory { .. }) => Step::DeviceFull(error),
                Err(error) => return Err(error.into()),
            }
        };
        if mode == GrowthMode::Exchange
            && let Some(block) = self.place_anywhere(&mut central, need)
        {
            // Before anybody is asked to give something up.
            return Ok(Step::Grown(block));
        }
        Ok(step)
    }

    fn ask(&self, bytes: Bytes, effort: Effort) -> Result<Reservation, Refusal> {
        let ask = self.account.reserve(self.place, bytes).not_last();
        match effort {
            Effort::Quiet => ask.quietly(),
            Effort::Now => ask.now(),
            Effort::Within(at_most) => ask.within(at_most).wait(),
        }
    }

    /// The device is full though the line is not: what is idle anywhere on it, and what it still works on, may give
    /// some.
    fn call_in(&self, effort: Effort) {
        self.flush(true);
        if effort != Effort::Quiet {
            // A fence that is stuck is not this caller's fault.
            let _poisoned = self.settle(false);
            self.account.governor().call_in(self.place);
        }
    }

    /// No more can be had. Something may still be found in what the pool holds already.
    fn last_resort(self: &Arc<Self>, need: Need) -> Result<Option<Box<Block>>, LeaseError> {
        self.flush(true);
        if let Some(block) = self.recover(need)? {
            return Ok(Some(block));
        }
        if need.effort == Effort::Quiet {
            return Ok(None);
        }
        if let Some(block) = self.compact_for(need)? {
            return Ok(Some(block));
        }
        let waiting = !self.central().pending.is_empty();
        if waiting {
            // A poisoned lease is not this caller's fault: the refusal says what is pending.
            let _poisoned = self.settle(false);
            if let Some(block) = self.recover(need)? {
                return Ok(Some(block));
            }
            return self.compact_for(need);
        }
        Ok(None)
    }

    /// What is idle may be enough: as it lies, or exchanged for memory that lies right, which takes no charge.
    fn recover(self: &Arc<Self>, need: Need) -> Result<Option<Box<Block>>, LeaseError> {
        match self.attempt(need, GrowthMode::Exchange, &mut Vec::new())? {
            Step::Grown(block) => Ok(Some(block)),
            Step::Unpaid(_) | Step::DeviceFull(_) | Step::NoRange | Step::Lost => Ok(None),
        }
    }

    fn refused(&self, need: Need, refusal: Refusal) -> LeaseError {
        if need.effort != Effort::Quiet {
            self.account.note_refusal(self.place, need.bytes, &refusal);
        }
        let central = self.central();
        LeaseError::Refused {
            asked: Bytes::new(need.bytes),
            largest_free: Bytes::new(central.arena.largest_free()),
            pending: central.pending.bytes(),
            refusal: Box::new(refusal),
        }
    }
}

/// How far one attempt came.
enum Step {
    /// Here it is.
    Grown(Box<Block>),
    /// So much more must be reserved first.
    Unpaid(Bytes),
    /// The line has room and the device has not.
    DeviceFull(DeviceError),
    /// There is no address range left that is long enough.
    NoRange,
    /// It was backed and is not where it was meant to be: look again.
    Lost,
}
