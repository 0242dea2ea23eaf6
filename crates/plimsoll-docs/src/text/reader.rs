//! A file's bytes, from any place on: through a ring of its account, or at once where it is small.

use std::io;
use std::path::Path;
use std::sync::Arc;

use plimsoll::holding::Site;
use plimsoll::holding::streaming::{Align, Chunk, Chunks, FileSource, Source, StreamError, Streaming};
use plimsoll::{Bytes, EngineAccount};

use super::TextError;
use crate::room::Room;

/// How much is read, and handled, at once. What is made of it does not depend on this.
#[derive(Clone, Copy, Debug)]
pub struct Grain {
    /// A chunk of the ring.
    pub chunk: Bytes,
    /// A piece of it.
    pub piece: usize,
    /// What is read without a ring, and so without a thread.
    pub small: u64,
}

impl Default for Grain {
    fn default() -> Self {
        // A piece and what is made of it stay in the processor's cache.
        Self { chunk: Bytes::mib(1), piece: 64 << 10, small: 64 << 10 }
    }
}

/// Pieces of a file in order.
#[derive(Debug)]
pub struct Reader {
    way: Way,
    /// How much of what is held was given.
    taken: usize,
    from: u64,
    piece: usize,
}

#[derive(Debug)]
enum Way {
    Ring { chunks: Chunks, chunk: Option<Chunk> },
    Whole(Whole),
}

/// A small file. Its room goes after its bytes.
#[derive(Debug)]
struct Whole {
    content: Vec<u8>,
    _room: Room,
}

impl Reader {
    /// A file from this byte on.
    pub fn open(path: &Path, from: u64, account: &EngineAccount, grain: Grain) -> Result<Self, TextError> {
        let source = FileSource::open(path, false)?;
        let failed = |error| StreamError::Read { name: path.display().to_string(), offset: 0, source: error };
        let bytes = source.bytes_now().map_err(failed)?;
        let rest = bytes.checked_sub(from).ok_or(TextError::Position { at: from, bytes })?;
        let way = if rest <= grain.small {
            Way::Whole(Whole::read(&source, from, rest, account)?)
        } else {
            let site = Site::new(account, account.place()?);
            let feed = Streaming::open(&site, "documents").source(Arc::new(Rest { source, from }))?;
            Way::Ring { chunks: feed.chunks(grain.chunk, Align::None), chunk: None }
        };
        Ok(Self { way, taken: 0, from, piece: grain.piece })
    }

    /// The next piece and where it begins.
    pub fn piece(&mut self) -> Result<Option<(&[u8], u64)>, TextError> {
        let (held, at): (&[u8], u64) = match &mut self.way {
            Way::Whole(whole) => (&whole.content, 0),
            Way::Ring { chunks, chunk } => {
                if chunk.as_ref().is_none_or(|chunk| chunk.len() == self.taken) {
                    // Given back before the next is asked for.
                    *chunk = None;
                    *chunk = chunks.next().transpose()?;
                    self.taken = 0;
                }
                chunk.as_ref().map_or((&[], 0), |chunk| (&**chunk, chunk.offset()))
            }
        };
        let start = self.taken;
        self.taken = held.len().min(start + self.piece);
        let piece = &held[start..self.taken];
        Ok((!piece.is_empty()).then_some((piece, self.from + at + start as u64)))
    }
}

impl Whole {
    fn read(source: &FileSource, from: u64, bytes: u64, account: &EngineAccount) -> Result<Self, TextError> {
        let len = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut room = Room::new(account)?;
        room.grow(len)?;
        let mut content = vec![0; len];
        let mut filled = 0;
        while filled < len {
            let offset = from + filled as u64;
            match source.read_at(offset, &mut content[filled..]) {
                Ok(0) => {
                    let (name, expected) = (source.name().to_owned(), from + bytes);
                    return Err(StreamError::Shrunk { name, expected, found: offset }.into());
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let name = source.name().to_owned();
                    return Err(StreamError::Read { name, offset, source: error }.into());
                }
            }
        }
        Ok(Self { content, _room: room })
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
