//! Single blocks that searches came back to, in a cache that gives way to everything else of the account.

use plimsoll::Bytes;
use plimsoll::holding::cached::{Cached, Hit, TryCachedError};

use super::VecError;
use crate::column::{Column, PAGE_BYTES};

/// Which block of which column.
type Key = (u64, u64, Half);

/// Which half of a block of planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Half {
    Upper,
    Lower,
}

/// Blocks in memory that were read one by one.
pub(super) struct Pages {
    cached: Cached<Key, Box<[u8]>>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("stats", &self.cached.stats()).finish()
    }
}

/// A block as long as somebody looks at it.
pub(super) enum Page<'d> {
    Cached(Hit<Box<[u8]>>),
    /// Where there is no room for it.
    Read(&'d [u8]),
}

impl Page<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Cached(hit) => hit,
            Self::Read(bytes) => bytes,
        }
    }
}

impl Pages {
    pub(super) fn new(cached: Cached<Key, Box<[u8]>>) -> Self {
        Self { cached }
    }

    /// What it keeps, and would give back.
    pub(super) fn bytes(&self) -> u64 {
        self.cached.stats().bytes.get()
    }

    /// Gives back what is cheapest to have again, until so much is.
    pub(super) fn give(&self, bytes: u64) {
        if bytes > 0 {
            self.cached.evict(Bytes::new(bytes));
        }
    }

    pub(super) fn clear(&self) {
        self.cached.clear();
    }

    /// A block, from memory or from the disk; `read` grows by what came from there.
    pub(super) fn page<'d>(
        &self,
        key: Key,
        column: &Column,
        around: &'d mut Around,
        read: &mut u64,
    ) -> Result<Page<'d>, VecError> {
        if let Some(hit) = self.cached.get(&key) {
            return Ok(Page::Cached(hit));
        }
        let bytes = column.header().unit_bytes;
        *read += bytes;
        let (unit, around) = (key.1, around.bytes());
        let fresh = self.cached.try_get_or_insert_sized(&key, Bytes::new(bytes), || {
            column.read_one(unit, around).map(Box::from)
        });
        match fresh {
            Ok(hit) => Ok(Page::Cached(hit)),
            Err(TryCachedError::Failed(error)) => Err(error.into()),
            Err(TryCachedError::Cache(_)) => Ok(Page::Read(column.read_one(unit, around)?)),
        }
    }
}

/// Memory for one block in whole pages, as direct reads want it. The pass has paid for it.
pub(super) struct Around {
    bytes: Vec<u8>,
    start: usize,
}

impl Around {
    /// For units of so many bytes.
    pub(super) fn new(unit_bytes: usize) -> Self {
        let bytes = vec![0; Self::heap_bytes(unit_bytes)];
        let start = bytes.as_ptr().align_offset(PAGE_BYTES);
        Self { bytes, start }
    }

    /// What it takes.
    pub(super) fn heap_bytes(unit_bytes: usize) -> usize {
        // A page more, so that one begins within it.
        Column::around_bytes(unit_bytes).saturating_add(PAGE_BYTES)
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}
