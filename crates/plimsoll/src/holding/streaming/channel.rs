//! Many producers, one consumer, one ring.

use std::fmt;

use super::StreamError;
use super::chunk::{Draft, Seat};
use crate::Bytes;

/// The sending end of a channel. Clone it for more producers; the consumer's stream ends when the last is dropped.
///
/// A producer that panics is told to the consumer, after what it had sent, as
/// [`StreamError::ProducerDied`]; the others go on.
pub struct Producer {
    seat: Seat,
}

impl Producer {
    pub(super) fn new(seat: Seat) -> Self {
        Self { seat }
    }

    /// Waits for an empty slot to write into, without a copy.
    pub fn draft(&self) -> Result<Draft, StreamError> {
        Draft::of(self.seat.ring())
    }

    /// Copies `data` into an empty slot, when there is one, and sends it.
    pub fn send(&self, data: &[u8]) -> Result<(), StreamError> {
        let chunk = self.seat.ring().shape.slot_bytes;
        if data.len() > chunk.as_usize() {
            let asked = Bytes::new(data.len() as u64);
            return Err(StreamError::TooLong { asked, chunk });
        }
        let mut draft = self.draft()?;
        draft[..data.len()].copy_from_slice(data);
        draft.send(data.len(), 0)
    }
}

impl Clone for Producer {
    fn clone(&self) -> Self {
        Self::new(Seat::at(self.seat.ring()))
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("to", &self.seat.ring().shape.name).finish_non_exhaustive()
    }
}
