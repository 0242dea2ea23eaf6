//! A file's bytes through a ring of its account, from any place on.

use std::io;
use std::path::Path;
use std::sync::Arc;

use plimsoll::holding::Site;
use plimsoll::holding::streaming::{Align, Chunk, Chunks, FileSource, Source, Streaming};
use plimsoll::{Bytes, EngineAccount};

use super::TextError;

/// How much is read, and handled, at once. What is made of it does not depend on this.
#[derive(Clone, Copy, Debug)]
pub struct Grain {
    /// A chunk of the ring.
    pub chunk: Bytes,
    /// A piece of it.
    pub piece: usize,
}

impl Default for Grain {
    fn default() -> Self {
        // A piece and what is made of it stay in the processor's cache.
        Self { chunk: Bytes::mib(1), piece: 64 << 10 }
    }
}

/// Pieces of a file in order.
#[derive(Debug)]
pub struct Reader {
    chunks: Chunks,
    chunk: Option<Chunk>,
    taken: usize,
    from: u64,
    piece: usize,
}

impl Reader {
    /// A file from this byte on.
    pub fn open(path: &Path, from: u64, account: &EngineAccount, grain: Grain) -> Result<Self, TextError> {
        let source = FileSource::open(path, false)?;
        let bytes = source.bytes_now().unwrap_or(0);
        if from > bytes {
            return Err(TextError::Position { at: from, bytes });
        }
        let site = Site::new(account, account.place()?);
        let streaming = Streaming::open(&site, "documents");
        let feed = streaming.source(Arc::new(Rest { source, from }))?;
        let chunks = feed.chunks(grain.chunk, Align::None);
        Ok(Self { chunks, chunk: None, taken: 0, from, piece: grain.piece })
    }

    /// The next piece and where it begins.
    pub fn piece(&mut self) -> Result<Option<(&[u8], u64)>, TextError> {
        if self.chunk.as_ref().is_none_or(|chunk| chunk.len() == self.taken) {
            // Given back before the next is asked for.
            self.chunk = None;
            self.chunk = self.chunks.next().transpose()?;
            self.taken = 0;
        }
        let Some(chunk) = &self.chunk else { return Ok(None) };
        let start = self.taken;
        self.taken = chunk.len().min(start + self.piece);
        Ok(Some((&chunk[start..self.taken], self.from + chunk.offset() + start as u64)))
    }
}

/// The rest of a file.
struct Rest {
    source: FileSource,
    from: u64,
}

impl Source for Rest {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn bytes_now(&self) -> io::Result<u64> {
        Ok(self.source.bytes_now()?.saturating_sub(self.from))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.source.read_at(self.from + offset, into)
    }
}
