//! A slot in somebody's hands: the consumer's, with data in it, or a producer's, to be filled.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::StreamError;
use super::ring::{Filled, Ring};
use super::slot::Slot;
use crate::Bytes;
use crate::sync::{Arc, thread};

/// Data that arrived. Its bytes go back to the ring when it is dropped; hold as few as you need.
pub struct Chunk {
    slot: Option<Box<dyn Slot>>,
    start: usize,
    len: usize,
    offset: u64,
    ring: Arc<Ring>,
}

impl Chunk {
    pub(super) fn new(filled: Filled, ring: Arc<Ring>) -> Self {
        Self { slot: Some(filled.slot), start: filled.start, len: filled.len, offset: filled.offset, ring }
    }

    /// Where in its file the chunk begins; for a channel, what its producer said.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How long it is.
    pub fn bytes(&self) -> Bytes {
        Bytes::new(self.len as u64)
    }
}

impl Deref for Chunk {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.slot {
            Some(slot) => &slot.as_slice()[self.start..self.start + self.len],
            None => &[],
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.ring.give_back(slot, true);
        }
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("offset", &self.offset)
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// An empty slot to be written into and sent. Dropped unsent, it goes back to the ring.
#[must_use = "a draft that is not sent goes back to the ring"]
pub struct Draft {
    slot: Option<Box<dyn Slot>>,
    ring: Arc<Ring>,
}

impl Draft {
    /// Waits for an empty slot of the ring.
    pub(super) fn of(ring: &Arc<Ring>) -> Result<Self, StreamError> {
        let slot = Some(ring.empty_slot()?);
        let ring = Arc::clone(ring);
        Ok(Self { slot, ring })
    }

    /// Sends the first `len` bytes, which begin at `offset` of whatever the producer reads from.
    pub fn send(mut self, len: usize, offset: u64) -> Result<(), StreamError> {
        if len > self.len() {
            return Err(StreamError::TooLong {
                asked: Bytes::new(len as u64),
                chunk: Bytes::new(self.len() as u64),
            });
        }
        match self.slot.take() {
            Some(slot) => self.ring.send(Filled { slot, start: 0, len, offset }),
            None => Ok(()),
        }
    }

    pub(super) fn into_slot(mut self) -> Option<Box<dyn Slot>> {
        self.slot.take()
    }
}

impl Deref for Draft {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.slot.as_ref().map_or(&[], |slot| slot.as_slice())
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.slot.as_mut().map_or(&mut [], |slot| slot.as_mut_slice())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.ring.give_back(slot, false);
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("bytes", &self.len()).finish_non_exhaustive()
    }
}

/// A producer's seat at the ring: the ring knows when the last one is left, and whether by a panic.
pub(super) struct Seat(Arc<Ring>);

impl Seat {
    pub(super) fn at(ring: &Arc<Ring>) -> Self {
        ring.join();
        Self(Arc::clone(ring))
    }

    pub(super) fn ring(&self) -> &Arc<Ring> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.leave(thread::panicking());
    }
}
