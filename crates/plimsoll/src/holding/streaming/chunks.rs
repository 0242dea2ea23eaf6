//! The consumer's end.

use std::fmt;
use std::iter::FusedIterator;
use std::thread::JoinHandle;

use super::StreamError;
use super::chunk::Chunk;
use super::reader;
use super::ring::Ring;
use crate::governor::Registration;
use crate::sync::Arc;

/// Chunks as they arrive, in order. Ends after the first error.
///
/// Dropping it, early or by a panic, stops the readers, waits until the read they are in has ended, and gives back
/// everything but the chunks that are still held; those give themselves back.
#[must_use = "chunks arrive only when they are asked for"]
pub struct Chunks {
    /// None when the stream could not be opened, or has ended.
    open: Option<Open>,
    failed: Option<StreamError>,
}

struct Open {
    ring: Arc<Ring>,
    readers: Vec<JoinHandle<()>>,
    _registration: Registration,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.ring.close();
        reader::finish(std::mem::take(&mut self.readers));
    }
}

impl Chunks {
    pub(super) fn open(ring: Arc<Ring>, readers: Vec<JoinHandle<()>>, registration: Registration) -> Self {
        let open = Open { ring, readers, _registration: registration };
        Self { open: Some(open), failed: None }
    }

    /// A stream whose first and only item is this error.
    pub(super) fn failed(error: StreamError) -> Self {
        Self { open: None, failed: Some(error) }
    }

    /// A stream without chunks.
    pub(super) fn none() -> Self {
        Self { open: None, failed: None }
    }

    /// How many slots the ring has now; zero when the stream has ended.
    pub fn slots(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.ring.slots())
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let open = self.open.as_ref()?;
        let item = open.ring.next();
        match item {
            Some(Ok(filled)) => Some(Ok(Chunk::new(filled, Arc::clone(&open.ring)))),
            Some(Err(error)) => {
                let goes_on = match error {
                    // The user may drop chunks and ask again.
                    StreamError::AllHeld { .. } => true,
                    // One producer's death is not the others' end; a reader's is the end of its file.
                    StreamError::ProducerDied { .. } => open.readers.is_empty(),
                    _ => false,
                };
                if !goes_on {
                    self.open = None;
                }
                Some(Err(error))
            }
            None => {
                self.open = None;
                None
            }
        }
    }
}

impl FusedIterator for Chunks {}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.open.as_ref().map(|open| &open.ring.shape.name);
        f.debug_struct("Chunks").field("of", &name).field("slots", &self.slots()).finish_non_exhaustive()
    }
}
