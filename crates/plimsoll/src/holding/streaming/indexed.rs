//! A file whose chunks are asked for in any order: a few are kept, and what comes next is learnt.

use std::fmt;
use std::ops::Deref;
use std::thread::JoinHandle;

use super::StreamError;
use super::pages::{Loaded, Shared};
use super::ring::Shape;
use super::slot::SlotSource;
use super::source::Source;
use crate::Bytes;
use crate::governor::{Registration, Shrink};
use crate::holding::Site;
use crate::sync::Arc;

/// Random access to the chunks of a file, within the memory of a ring.
///
/// Chunk `i` is the bytes from `i × size` on. Each request teaches the order of the requests (scans, strides, cycles);
/// while one holds, a thread reads ahead, and the chunk that is needed latest is the one that makes room. Under a
/// random order nothing is read that was not asked for. The file is read to the length it had when it was opened.
pub struct Indexed {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
    _registration: Registration,
}

/// What an indexed file has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexedStats {
    /// Requests for a chunk that was there.
    pub hits: u64,
    /// Of those, chunks that had been read ahead.
    pub hits_ahead: u64,
    /// Requests that waited for a chunk which was being read ahead.
    pub waits: u64,
    /// Requests that read their chunk themselves.
    pub misses: u64,
    /// Chunks that were read ahead.
    pub read_ahead: u64,
    /// Predictions of the very next request that came true.
    pub predicted: u64,
    /// Predictions that did not; each ends reading ahead until an order has shown itself anew.
    pub mispredicted: u64,
}

impl Indexed {
    pub(super) fn open(
        site: &Site,
        shape: Shape,
        slots: Arc<dyn SlotSource>,
        source: Arc<dyn Source>,
        bytes: u64,
        chunk: Bytes,
    ) -> Result<Self, StreamError> {
        let shared = Shared::open(shape, slots, source, bytes, chunk)?;
        let holder: Arc<dyn Shrink> = shared.clone();
        let registration = site.register(&holder);
        let ahead = Arc::clone(&shared);
        let reader = std::thread::Builder::new()
            .name("plimsoll-ahead".to_owned())
            .spawn(move || ahead.read_ahead())
            // Without a thread nothing is read ahead; everything else works.
            .ok();
        Ok(Self { shared, reader, _registration: registration })
    }

    /// How many chunks the file has; the last may be shorter.
    pub fn chunks(&self) -> u64 {
        self.shared.bytes.div_ceil(self.shared.chunk)
    }

    /// A chunk. It stays in memory while the page lives.
    pub fn at(&self, index: u64) -> Result<Page, StreamError> {
        if index >= self.chunks() {
            return Err(StreamError::NoSuchChunk {
                name: self.shared.source.name().to_owned(),
                index,
                chunks: self.chunks(),
            });
        }
        let loaded = self.shared.at(index)?;
        Ok(Page { loaded, _pin: Pin { shared: Arc::clone(&self.shared), index } })
    }

    /// What it has done.
    pub fn stats(&self) -> IndexedStats {
        self.shared.stats()
    }
}

impl Drop for Indexed {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        // What was read meanwhile.
        self.shared.close();
    }
}

impl fmt::Debug for Indexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexed")
            .field("of", &self.shared.shape.name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// A chunk in use.
pub struct Page {
    // Before the pin: a chunk without pins has no other owner than the book.
    loaded: Arc<Loaded>,
    _pin: Pin,
}

struct Pin {
    shared: Arc<Shared>,
    index: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.shared.unpin(self.index);
    }
}

impl Deref for Page {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.loaded.as_slice()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("bytes", &self.len()).finish_non_exhaustive()
    }
}
