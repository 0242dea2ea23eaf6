//! The streams of a device, as a table that only grows.
//!
//! Asking whether a fence is signalled is on the hot path of every pool above, from many threads at once.
//! Finding the stream must therefore not write to anything that threads share, which even the read side of a
//! lock does. Streams are never removed, so a row of slots that are each set once is enough.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{DeviceError, Stream};

/// How many streams a device gives at most. They are meant to be kept, not made per operation.
const LIMIT: u32 = 1024;

/// A device's streams; `L` is what it keeps for each. Public for the back ends in other crates.
#[derive(Debug)]
pub struct Lanes<L> {
    slots: Box<[OnceLock<L>]>,
    next: AtomicU32,
}

impl<L> Lanes<L> {
    /// A table with stream 0 in it.
    pub fn new(first: L) -> Self {
        let slots: Box<[OnceLock<L>]> = (0..LIMIT).map(|_| OnceLock::new()).collect();
        let _ = slots[0].set(first);
        Self { slots, next: AtomicU32::new(1) }
    }

    /// What the device keeps for a stream.
    pub fn get(&self, stream: Stream) -> Result<&L, DeviceError> {
        self.slots.get(stream.0 as usize).and_then(OnceLock::get).ok_or(DeviceError::UnknownStream(stream))
    }

    /// Adds a stream.
    pub fn open(&self, device: &str, lane: L) -> Result<Stream, DeviceError> {
        let number = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < LIMIT).then(|| n + 1))
            .map_err(|_| DeviceError::Unsupported {
                device: device.to_owned(),
                what: "have more than 1,024 streams; keep streams and use them again",
            })?;
        let _ = self.slots[number as usize].set(lane);
        Ok(Stream(number))
    }

    /// Those that are open.
    pub fn iter(&self) -> impl Iterator<Item = &L> {
        self.slots.iter().map_while(OnceLock::get)
    }
}
