//! Streams as their user opens them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::channel::Producer;
use super::chunk::Seat;
use super::chunks::Chunks;
use super::cursor::Cursor;
use super::indexed::Indexed;
use super::leased::LeasedSlots;
use super::reader::{self, Reading};
use super::ring::{FEWEST_SLOTS, Ring, Shape};
use super::slot::{HostSlots, SlotSource};
use super::source::{FileSource, Source};
use super::{Align, StreamError};
use crate::Bytes;
use crate::governor::Shrink;
use crate::holding::Site;
use crate::pool::Pool;
use crate::sync::{Arc, Mutex};

/// How long a consumer that holds every chunk itself waits before it is told so.
const STALL: Duration = Duration::from_secs(30);

/// Data that passes through memory, however much there is of it, in a ring of few chunks.
///
/// # What it is not
/// It keeps nothing: a chunk that was dropped is gone, and reading again reads again. It does not decode; alignment
/// only decides where a chunk may be cut.
///
/// # Who owns what
/// Each stream opened here has its own ring, charged to the account from its first slot to its last. A
/// [`Chunk`](super::Chunk) borrows a slot and returns it when dropped, also when the stream is gone by then.
///
/// # Example
/// ```no_run
/// # use plimsoll::{Bytes, holding::{Site, Streaming, streaming::Align}};
/// # fn read(site: &Site) -> Result<(), Box<dyn std::error::Error>> {
/// let documents = Streaming::open(site, "documents");
/// for chunk in documents.file("corpus.txt")?.chunks(Bytes::mib(8), Align::Utf8) {
///     let chunk = chunk?; // read ahead while the last one was being used
///     println!("{} at {}", chunk.bytes(), chunk.offset());
/// }
/// # Ok(()) }
/// ```
///
/// # Formula
/// A stream is charged `slots × slot size`, between 2 slots and [`slots`](Self::slots), whatever the size of its
/// file. It opens with 2, takes more while they are free, and gives empty ones back first of all when asked.
#[derive(Clone)]
pub struct Streaming {
    name: String,
    site: Site,
    slots: Arc<dyn SlotSource>,
    most: usize,
    ahead: usize,
    readers: usize,
    stall: Duration,
    direct: bool,
}

impl Streaming {
    /// Streams over host memory that is charged to this site, under a name for reports.
    pub fn open(site: &Site, name: impl Into<String>) -> Self {
        Self::over(site, name, Arc::new(HostSlots::new(site)))
    }

    /// The same over leases of a pool that the host can see.
    pub fn pooled(pool: &Pool, name: impl Into<String>, patience: Duration) -> Self {
        let site = Site::of_pool(pool).within(patience);
        Self::over(&site, name, Arc::new(LeasedSlots::new(pool, patience)))
    }

    /// The same over slots from elsewhere.
    pub fn over(site: &Site, name: impl Into<String>, slots: Arc<dyn SlotSource>) -> Self {
        Self {
            name: name.into(),
            site: site.clone(),
            slots,
            most: 4,
            ahead: usize::MAX,
            readers: 1,
            stall: STALL,
            direct: false,
        }
    }

    /// The most slots a ring may have; 4 unless said otherwise, and never fewer than 2.
    #[must_use]
    pub fn slots(mut self, most: usize) -> Self {
        self.most = most.max(FEWEST_SLOTS);
        self
    }

    /// How many chunks an [`Indexed`] reads ahead at most; as many as it has slots, unless said otherwise. Each chunk that is
    /// read ahead stands where one that is used again later might have stayed: over a circle that is longer than the slots,
    /// 1 keeps the most, and reads the next chunk while one is used all the same.
    #[must_use]
    pub fn ahead(mut self, most: usize) -> Self {
        self.ahead = most.max(1);
        self
    }

    /// How many threads read ahead; 1 unless said otherwise. Where chunks are cut by what is in them, one reads.
    #[must_use]
    pub fn readers(mut self, threads: usize) -> Self {
        self.readers = threads.max(1);
        self
    }

    /// How long to wait for a chunk while holding all of them, before that is an error; 30 s unless said otherwise.
    #[must_use]
    pub fn stall(mut self, at_most: Duration) -> Self {
        self.stall = at_most;
        self
    }

    /// Reads files past the page cache where the system can: for what is large and read once.
    #[must_use]
    pub fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// A file. It is opened, and its length taken, now.
    pub fn file(&self, path: impl AsRef<Path>) -> Result<Feed, StreamError> {
        self.source(Arc::new(FileSource::open(path.as_ref(), self.direct)?))
    }

    /// Anything that can be read at offsets.
    pub fn source(&self, source: Arc<dyn Source>) -> Result<Feed, StreamError> {
        let end = source.bytes_now().map_err(|error| StreamError::Read {
            name: source.name().to_owned(),
            offset: 0,
            source: error,
        })?;
        Ok(Feed { streaming: self.clone(), source, end, follow: false })
    }

    /// A ring between producers and one consumer: chunks of at most so many bytes, in the order they are sent.
    pub fn channel(&self, chunk: Bytes) -> Result<(Producer, Chunks), StreamError> {
        let ring = Ring::open(self.shape(self.name.clone(), chunk, 1), Arc::clone(&self.slots))?;
        let producer = Producer::new(Seat::at(&ring));
        let registration = self.register(&ring);
        Ok((producer, Chunks::open(ring, Vec::new(), registration)))
    }

    fn register(&self, ring: &Arc<Ring>) -> crate::governor::Registration {
        let holder: Arc<dyn Shrink> = ring.clone();
        self.site.register(&holder)
    }

    fn shape(&self, name: String, slot_bytes: Bytes, align: u64) -> Shape {
        Shape { name, slot_bytes, align, most: self.most, ahead: self.ahead, stall: self.stall }
    }
}

impl fmt::Debug for Streaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming")
            .field("name", &self.name)
            .field("slots", &self.most)
            .finish_non_exhaustive()
    }
}

/// A file, or something like one, that is about to be read.
///
/// It is read to the length it had when it was opened. What is appended later is left out, unless
/// [`follow`](Self::follow) was said; a file that becomes shorter is an error.
#[derive(Clone)]
pub struct Feed {
    streaming: Streaming,
    source: Arc<dyn Source>,
    end: u64,
    follow: bool,
}

impl Feed {
    /// Reads to where the file ends when reading gets there: the length is taken once more before the last chunk.
    /// It does not wait for more.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follow = true;
        self
    }

    /// The length that was found.
    pub fn bytes(&self) -> Bytes {
        Bytes::new(self.end)
    }

    /// Chunks of at most so many bytes in the file's order, read ahead by a thread. What is wrong with the request
    /// is the first item; an empty file has no chunks, takes no memory and starts no thread.
    pub fn chunks(self, chunk: Bytes, align: Align) -> Chunks {
        self.try_chunks(chunk, align).unwrap_or_else(Chunks::failed)
    }

    fn try_chunks(self, chunk: Bytes, align: Align) -> Result<Chunks, StreamError> {
        let whole = align.chunk_bytes(chunk).ok_or(StreamError::ChunkTooSmall { chunk, align })?;
        if self.end == 0 && !self.follow {
            return Ok(Chunks::none());
        }
        // A file smaller than a chunk needs no more than its own size, unless it may grow.
        let whole = match align {
            Align::None | Align::Utf8 | Align::Record(_) if !self.follow => {
                whole.min(Bytes::new(self.end.max(4)))
            }
            _ => whole,
        };
        let grain = self.source.grain();
        let slot_bytes =
            reader::slot_bytes(whole, grain).ok_or(StreamError::ChunkTooSmall { chunk, align })?;
        let streaming = &self.streaming;
        let name = format!("{}: {}", streaming.name, self.source.name());
        let ring = Ring::open(streaming.shape(name, slot_bytes, grain), Arc::clone(&streaming.slots))?;
        let registration = streaming.register(&ring);
        let reading = Arc::new(Reading {
            cursor: Mutex::new(Cursor::new(self.end, whole, align, self.follow)),
            source: self.source,
            align,
            chunk: whole,
        });
        let readers = reader::start(&ring, &reading, streaming.readers)?;
        Ok(Chunks::open(ring, readers, registration))
    }

    /// Chunks of so many bytes in any order: a few are kept, and what is asked for next is learnt and read ahead.
    pub fn indexed(self, chunk: Bytes) -> Result<Indexed, StreamError> {
        let align = Align::None;
        let too_small = || StreamError::ChunkTooSmall { chunk, align };
        let whole = align.chunk_bytes(chunk).ok_or_else(too_small)?;
        let slot_bytes = reader::slot_bytes(whole, self.source.grain()).ok_or_else(too_small)?;
        let name = format!("{}: {}", self.streaming.name, self.source.name());
        let shape = self.streaming.shape(name, slot_bytes, self.source.grain());
        Indexed::open(&self.streaming.site, shape, self.streaming.slots, self.source, self.end, whole)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("of", &self.source.name())
            .field("bytes", &self.end)
            .finish_non_exhaustive()
    }
}
