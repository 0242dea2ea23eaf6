//! The memory that transfers go through where the host cannot reach the target: slots of one buffer, used again
//! and again, and never more of them.
//!
//! A slot is taken by an upload or a download, and comes back when the GPU has finished the work that uses it.
//! When all are taken the caller hands in what is still being recorded and waits for the oldest work: that is
//! what bounds it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wgpu::SubmissionIndex;

use crate::backing::{HostBuffer, Part, UNIT};
use crate::core::Core;
use crate::platform::MapError;

/// So that a large transfer fills one while the GPU empties others.
pub(crate) const SLOTS: u64 = 8;

/// The slots of a device.
#[derive(Debug)]
pub(crate) struct Staging {
    memory: HostBuffer,
    slot_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: Vec<u64>,
    /// Work that was handed in with slots, the oldest first.
    busy: VecDeque<SubmissionIndex>,
}

impl Staging {
    pub(crate) fn new(core: &Core, bytes: u64, unified: bool) -> Result<Arc<Self>, MapError> {
        let slot_bytes = (bytes / SLOTS).next_multiple_of(UNIT);
        let memory = HostBuffer::new(core, slot_bytes * SLOTS, UNIT, unified)?;
        let state = State { free: (0..SLOTS).rev().collect(), busy: VecDeque::new() };
        Ok(Arc::new(Self { memory, slot_bytes, state: Mutex::new(state) }))
    }

    pub(crate) const fn slot_bytes(&self) -> u64 {
        self.slot_bytes
    }

    /// A slot, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        let number = self.state().free.pop()?;
        Some(Slot { number, used: 0, staging: Arc::clone(self) })
    }

    /// Work with slots was handed in.
    pub(crate) fn submitted(&self, index: &SubmissionIndex) {
        let mut state = self.state();
        state.busy.push_back(index.clone());
        // Each has a slot at least, so older ones are done.
        while state.busy.len() as u64 > SLOTS {
            state.busy.pop_front();
        }
    }

    /// The oldest work with slots, to be waited for.
    pub(crate) fn oldest(&self) -> Option<SubmissionIndex> {
        self.state().busy.pop_front()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A piece of staging memory; dropped, it is free for others.
#[derive(Debug)]
pub(crate) struct Slot {
    number: u64,
    used: u64,
    staging: Arc<Staging>,
}

impl Slot {
    /// The next so many bytes of it, at an offset that is `phase` modulo `step`, if it has them.
    pub(crate) fn place(&mut self, bytes: u64, step: u64, phase: u64) -> Option<Staged> {
        let start = self.used.next_multiple_of(step) + phase;
        let end = start.checked_add(bytes).filter(|&end| end <= self.staging.slot_bytes)?;
        self.used = end;
        let start = self.number * self.staging.slot_bytes + start;
        Some(Staged { staging: Arc::clone(&self.staging), start, bytes })
    }

    /// How many bytes there is still room for behind such an offset.
    pub(crate) fn room(&self, step: u64, phase: u64) -> u64 {
        self.staging.slot_bytes.saturating_sub(self.used.next_multiple_of(step) + phase)
    }
}

/// Some bytes of a slot. The slot itself is kept by whoever put the work on the stream.
#[derive(Debug)]
pub(crate) struct Staged {
    staging: Arc<Staging>,
    start: u64,
    bytes: u64,
}

impl Staged {
    pub(crate) fn write(&self, from: &[u8]) {
        self.staging.memory.write(self.start, from);
    }

    pub(crate) fn read(&self, from: u64, into: &mut [u8]) {
        self.staging.memory.read(self.start + from, into);
    }

    pub(crate) fn part(&self) -> Part<'_> {
        Part::of_host(&self.staging.memory, self.start, self.bytes)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.staging.state().free.push(self.number);
    }
}
