//! Steps whose buffers lie where a plan put them.

use std::sync::Arc;

use plimsoll::Bytes;

use super::arena::{Arena, Slot};
use super::book::Rehearsal;
use super::stage::{Holding, Mode, Stage};
use super::storage::Backing;
use crate::TensorError;
use crate::pack::{Buffer, Effort, pack_least};

/// Where buffers start in a plan: what every device is content with, and what the widest load wants.
const ALIGN: Bytes = Bytes::new(64);

/// Work that goes into a plan: a fraction of a second, once.
const EFFORT: u64 = 1 << 22;

/// Steps whose buffers lie where a plan put them: one lease, and no more asking.
///
/// # What it promises
/// A step that makes the same tensors in the same order as the rehearsed one gets each at its place. One that does not
/// goes on with leases from there on, so that it is slower and never wrong.
///
/// # Who owns what
/// It owns the arena; dropped, steps are leased again, and the arena goes when the last tensor in it does.
#[derive(Debug)]
pub struct Held {
    stage: Stage,
    facts: PlanFacts,
}

#[derive(Clone, Copy, Debug)]
struct PlanFacts {
    arena: Bytes,
    bound: Bytes,
}

/// How a step went beside its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepFacts {
    /// Buffers that lay where the plan put them.
    pub placed: u64,
    /// Buffers that were leased: those that outlive a step, and all from the first that was not rehearsed.
    pub leased: u64,
    /// Whether the step did what was rehearsed.
    pub as_planned: bool,
    /// The most bytes that tensors had at once in it, with those from before.
    pub peak: Bytes,
}

impl Stage {
    /// Packs what a rehearsal found into one lease, and holds later steps to it.
    pub fn hold(&self, rehearsal: &Rehearsal) -> Result<Held, TensorError> {
        let mut buffers = Vec::new();
        let mut order = Vec::with_capacity(rehearsal.buffers.len());
        for noted in &rehearsal.buffers {
            let slot = noted.died.map(|died| {
                buffers.push(
                    Buffer::new(noted.born.into(), died.into(), Bytes::new(noted.bytes)).aligned(ALIGN),
                );
                u32::try_from(buffers.len() - 1).unwrap_or(u32::MAX)
            });
            order.push((noted.bytes, slot));
        }
        let packed = pack_least(&buffers, &mut Effort::steps(EFFORT));
        let packed = packed.map_err(|error| TensorError::shape("a plan", error.to_string()))?;
        let slots = buffers.iter().zip(&packed.offsets);
        let slots =
            slots.map(|(buffer, offset)| Slot { offset: offset.get(), bytes: buffer.size.get() }).collect();
        let arena = Arc::new(Arena::new(self.lease_arena(packed.height.get())?, slots, self.users()));
        let facts = PlanFacts { arena: packed.height, bound: packed.bound };
        let holding = Holding { arena, order: order.into(), next: 0, on_plan: false, placed: 0, leased: 0 };
        let mut mode = self.mode();
        if !matches!(*mode, Mode::Online) {
            return Err(TensorError::Mode("a plan is held or made already; drop it first"));
        }
        *mode = Mode::Held(holding);
        drop(mode);
        Ok(Held { stage: self.clone(), facts })
    }
}

impl Held {
    /// What the plan's one lease has.
    pub fn arena(&self) -> Bytes {
        self.facts.arena
    }

    /// What no packing could be below: the most that lives at once.
    pub fn bound(&self) -> Bytes {
        self.facts.bound
    }

    /// Runs a step and tells how it went beside the plan.
    pub fn step<T, E: From<TensorError>>(
        &self,
        step: impl FnOnce() -> Result<T, E>,
    ) -> Result<(T, StepFacts), E> {
        self.each_holding(|holding| {
            (holding.next, holding.on_plan) = (0, true);
            (holding.placed, holding.leased) = (0, 0);
        });
        self.stage.restart_peak();
        let done = step();
        let peak = self.stage.peak();
        let mut facts = StepFacts { placed: 0, leased: 0, as_planned: false, peak };
        self.each_holding(|holding| {
            facts.placed = holding.placed;
            facts.leased = holding.leased;
            facts.as_planned = holding.on_plan && holding.next == holding.order.len();
            holding.on_plan = false;
        });
        Ok((done?, facts))
    }

    fn each_holding(&self, mut work: impl FnMut(&mut Holding)) {
        if let Mode::Held(holding) = &mut *self.stage.mode() {
            work(holding);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut mode = self.stage.mode();
        if matches!(*mode, Mode::Held(_)) {
            *mode = Mode::Online;
        }
    }
}

impl Holding {
    /// The place of the next buffer, if it is the one that was rehearsed and its place is free.
    pub(super) fn place(&mut self, bytes: u64) -> Option<Backing> {
        if !self.on_plan {
            self.leased += 1;
            return None;
        }
        let slot = match self.order.get(self.next) {
            Some((planned, slot)) if *planned == bytes => *slot,
            _ => {
                self.on_plan = false;
                self.leased += 1;
                return None;
            }
        };
        self.next += 1;
        let slot = slot.filter(|slot| self.arena.take(*slot));
        let Some(slot) = slot else {
            self.leased += 1;
            return None;
        };
        self.placed += 1;
        Some(Backing::Placed { arena: Arc::clone(&self.arena), slot })
    }
}
