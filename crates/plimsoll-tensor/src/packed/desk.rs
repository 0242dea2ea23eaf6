//! The working memory of products.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::panel::Panel;
use super::rounded::Rounded;

/// Inputs that are multiplied side by side at most; more are done in turns.
pub(super) const SIDE: usize = 256;
/// Columns that a thread computes at a time, of a product with the transpose.
pub(super) const BACK: usize = 256;

/// What products need for a moment: rounded inputs, and for each thread a panel of weights and its totals.
///
/// All of it is taken when the desk is made, so that it can be charged before; products that fit take nothing.
#[derive(Debug)]
pub struct Desk {
    pub(super) rounded: Rounded,
    slots: Vec<Mutex<Slot>>,
}

/// What one thread needs.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) panel: Panel,
    pub(super) totals: Vec<f32>,
}

impl Desk {
    /// For a crew of so many threads, and inputs of at most so many numbers, at most so many at once.
    pub fn new(threads: usize, columns: usize, inputs: usize) -> Self {
        let side = inputs.clamp(1, SIDE);
        let slot = |_| Mutex::new(Slot { panel: Panel::new(), totals: vec![0.0; side * BACK] });
        let slots = (0..threads.max(1)).map(slot).collect();
        Self { rounded: Rounded::with_room(side * columns), slots }
    }

    /// Bytes that one takes.
    pub const fn bytes(threads: usize, columns: usize, inputs: usize) -> usize {
        let side = if inputs == 0 {
            1
        } else if inputs > SIDE {
            SIDE
        } else {
            inputs
        };
        let threads = if threads == 0 { 1 } else { threads };
        Rounded::room_bytes(side * columns)
            + threads * (Panel::BYTES + side * BACK * size_of::<f32>() + size_of::<Mutex<Slot>>())
    }

    /// How many threads it has room for.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// One thread's part, with room for so many inputs.
    pub(super) fn slot(&self, number: usize, inputs: usize) -> MutexGuard<'_, Slot> {
        let mut slot = self.slots[number].lock().unwrap_or_else(PoisonError::into_inner);
        if slot.totals.len() < inputs * BACK {
            slot.totals.resize(inputs * BACK, 0.0);
        }
        slot
    }
}
