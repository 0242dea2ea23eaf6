//! A bounded ring: slots go from producers to one consumer and back.
//!
//! The ring takes its smallest number of slots when it is opened and never gives them up while it lives, so it can
//! always make progress with what it has: it asks for more only when more is free at that moment, and never waits
//! for the governor while it runs. That is why a ring cannot deadlock on its own bytes, and why pressure only makes
//! it slower.
//!
//! Back-pressure works both ways by the slots alone: without an empty one a producer waits, without a filled one the
//! consumer does. A place in the order of delivery is taken when a producer has its slot, not when the slot is
//! filled; so several readers may fill slots at once and the consumer still sees them in order, and the first place
//! in the order always has a slot that will arrive.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::StreamError;
use super::slot::{Slot, SlotSource, Want};
use crate::Bytes;
use crate::governor::{Emergency, HolderKind, Offer, Shrink};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, lock};

/// The fewest slots that let a producer and the consumer work at the same time.
pub const FEWEST_SLOTS: usize = 2;

/// What a ring is made of.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) slot_bytes: Bytes,
    pub(super) align: u64,
    pub(super) most: usize,
    /// How many chunks an indexed file may read ahead of the one that was asked for.
    pub(super) ahead: usize,
    /// How long the consumer may wait while it holds every slot itself.
    pub(super) stall: Duration,
}

/// A slot with data in it.
pub(super) struct Filled {
    pub(super) slot: Box<dyn Slot>,
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) offset: u64,
}

type Item = Result<Filled, StreamError>;

pub(super) struct Ring {
    pub(super) shape: Shape,
    source: Arc<dyn SlotSource>,
    state: Mutex<State>,
    /// Signals producers: a slot is empty, or the consumer is gone.
    room: Condvar,
    /// Signals the consumer: the first place is filled, or the last producer is gone.
    filled: Condvar,
}

#[derive(Default)]
struct State {
    empty: Vec<Box<dyn Slot>>,
    /// Places in the order of delivery; `None` until its slot is filled.
    order: VecDeque<Option<Item>>,
    /// The number of the first place.
    first: u64,
    /// Slots that exist, wherever they are, and those that are being asked for.
    slots: usize,
    /// Slots that are being asked for, and may not be given.
    hoped: usize,
    /// Slots that the consumer holds.
    held: usize,
    /// How many slots there may be; fewer than the shape allows after the ring was asked to shrink.
    target: usize,
    /// Deliveries until the ring may grow again.
    calm: usize,
    producers: usize,
    closed: bool,
}

impl State {
    /// Slots beyond those that the ring never gives up. One that is only hoped for cannot stand in for them.
    fn spare(&self) -> usize {
        (self.slots - self.hoped).saturating_sub(FEWEST_SLOTS)
    }
}

impl Ring {
    /// A ring with its smallest number of slots and no producers.
    pub(super) fn open(shape: Shape, source: Arc<dyn SlotSource>) -> Result<Arc<Self>, StreamError> {
        let most = shape.most.max(FEWEST_SLOTS);
        let mut empty = source.first(FEWEST_SLOTS, shape.slot_bytes, shape.align)?;
        // Room for what comes later is made here: giving a slot back must not allocate.
        empty.reserve(most);
        let state = State { target: most, slots: empty.len(), empty, ..State::default() };
        Ok(Arc::new(Self {
            shape,
            source,
            state: Mutex::new(state),
            room: Condvar::new(),
            filled: Condvar::new(),
        }))
    }

    pub(super) fn closed_error(&self) -> StreamError {
        StreamError::Closed { name: self.shape.name.clone() }
    }

    /// One producer more.
    pub(super) fn join(&self) {
        lock(&self.state).producers += 1;
    }

    /// One producer less; one that died leaves word of it.
    pub(super) fn leave(&self, died: bool) {
        let mut state = lock(&self.state);
        assert!(state.producers > 0, "a producer left a ring that has none");
        state.producers -= 1;
        if died && !state.closed {
            let name = self.shape.name.clone();
            state.order.push_back(Some(Err(StreamError::ProducerDied { name })));
        }
        drop(state);
        self.filled.notify_all();
    }

    /// An empty slot; waits for one. An error when the consumer is gone.
    pub(super) fn empty_slot(&self) -> Result<Box<dyn Slot>, StreamError> {
        let mut state = lock(&self.state);
        let mut may_ask = true;
        loop {
            if state.closed {
                return Err(self.closed_error());
            }
            if let Some(slot) = state.empty.pop() {
                return Ok(slot);
            }
            let eager = state.calm == 0 || state.held == state.slots;
            if may_ask && eager && state.slots < state.target {
                let (back, slot) = self.grow(state);
                if let Some(slot) = slot {
                    return Ok(slot);
                }
                state = back;
                may_ask = false;
                continue;
            }
            state = self.room.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
            may_ask = true;
        }
    }

    /// Asks for one slot more, without the lock: whoever finds the memory may have to ask this ring.
    fn grow<'ring>(
        &'ring self,
        mut state: MutexGuard<'ring, State>,
    ) -> (MutexGuard<'ring, State>, Option<Box<dyn Slot>>) {
        state.slots += 1;
        state.hoped += 1;
        drop(state);
        let asked = self.source.slot(self.shape.slot_bytes, self.shape.align, Want::Spare);
        let mut state = lock(&self.state);
        let slot = asked.ok().flatten();
        state.hoped -= 1;
        if slot.is_none() {
            state.slots -= 1;
            state.calm = 2 * self.shape.most;
            // The consumer may have seen the slot that was hoped for.
            self.filled.notify_all();
        }
        (state, slot)
    }

    /// Takes the next place in the order of delivery.
    pub(super) fn place(&self) -> u64 {
        let mut state = lock(&self.state);
        state.order.push_back(None);
        state.first + (state.order.len() - 1) as u64
    }

    /// Fills a place that was taken.
    pub(super) fn fill(&self, place: u64, item: Item) {
        let mut state = lock(&self.state);
        if state.closed {
            drop(state);
            drop(item);
            return;
        }
        let at = usize::try_from(place - state.first).unwrap_or(usize::MAX);
        let spot = &mut state.order[at];
        assert!(spot.is_none(), "place {place} of a ring is filled twice");
        *spot = Some(item);
        drop(state);
        self.filled.notify_all();
    }

    /// Delivers after everything sent so far.
    pub(super) fn send(&self, filled: Filled) -> Result<(), StreamError> {
        let mut state = lock(&self.state);
        if state.closed {
            drop(state);
            drop(filled);
            return Err(self.closed_error());
        }
        state.order.push_back(Some(Ok(filled)));
        drop(state);
        self.filled.notify_all();
        Ok(())
    }

    /// The next item in order; waits for it. `None` when no producer is left and all has been delivered.
    pub(super) fn next(&self) -> Option<Item> {
        let mut state = lock(&self.state);
        let mut stalled_since: Option<Instant> = None;
        loop {
            if matches!(state.order.front(), Some(Some(_))) {
                let item = state.order.pop_front().flatten();
                state.first += 1;
                state.held += usize::from(matches!(item, Some(Ok(_))));
                state.calm = state.calm.saturating_sub(1);
                if state.calm == 0 {
                    state.target = self.shape.most.max(FEWEST_SLOTS);
                }
                return item;
            }
            if state.producers == 0 || state.closed {
                return None;
            }
            if state.held < state.slots {
                stalled_since = None;
                state = self.filled.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            }
            let waited = stalled_since
                .get_or_insert_with(|| {
                    // A producer may find that there is memory for one slot more by now.
                    self.room.notify_one();
                    Instant::now()
                })
                .elapsed();
            let Some(left) = self.shape.stall.checked_sub(waited).filter(|left| !left.is_zero()) else {
                let (name, slots) = (self.shape.name.clone(), state.held);
                return Some(Err(StreamError::AllHeld { name, slots, waited }));
            };
            let woken = self.filled.wait_timeout(state, left);
            state = woken.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// A slot comes back: `held` by the consumer, or unused by a producer.
    pub(super) fn give_back(&self, slot: Box<dyn Slot>, held: bool) {
        let mut state = lock(&self.state);
        state.held -= usize::from(held);
        let excess = if state.closed || state.slots > state.target {
            state.slots -= 1;
            Some(slot)
        } else {
            state.empty.push(slot);
            None
        };
        drop(state);
        drop(excess);
        self.room.notify_one();
        self.filled.notify_all();
    }

    /// The consumer is gone: what is in the ring is released, producers are told at their next step.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        let empty = std::mem::take(&mut state.empty);
        let order = std::mem::take(&mut state.order);
        state.first += order.len() as u64;
        let unread = order.iter().filter(|item| matches!(item, Some(Ok(_)))).count();
        state.slots -= empty.len() + unread;
        drop(state);
        drop((empty, order));
        self.room.notify_all();
        self.filled.notify_all();
    }

    /// Slots that exist now.
    pub(super) fn slots(&self) -> usize {
        let state = lock(&self.state);
        state.slots - state.hoped
    }
}

/// Only empty slots are offered, at no cost: what was read ahead stays, since the consumer is about to use it.
impl Shrink for Ring {
    fn name(&self) -> &str {
        &self.shape.name
    }

    fn kind(&self) -> HolderKind {
        HolderKind::Idle
    }

    fn offer(&self) -> Offer {
        let state = lock(&self.state);
        let spare = state.spare();
        let bytes = state.empty.iter().take(spare).map(|slot| slot.charged()).sum();
        Offer { bytes, worth: 0.0 }
    }

    fn shrink(&self, want: Bytes, _emergency: &Emergency) -> Bytes {
        let mut released = Bytes::ZERO;
        let mut state = lock(&self.state);
        state.calm = 2 * self.shape.most;
        while released < want && state.spare() > 0 {
            let Some(slot) = state.empty.pop() else {
                break;
            };
            state.slots -= 1;
            released += slot.charged();
            drop(state);
            drop(slot);
            state = lock(&self.state);
        }
        // What could not be given now is given when it comes back.
        state.target = if released < want { FEWEST_SLOTS } else { state.slots.max(FEWEST_SLOTS) };
        drop(state);
        if released.is_zero() {
            return released;
        }
        self.source.settle(released)
    }
}
