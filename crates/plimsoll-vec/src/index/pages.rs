//! Single blocks, ids and vectors that searches came back to, in caches that give way to everything else of the account.

use plimsoll::Bytes;
use plimsoll::holding::cached::{Cached, Hit, TryCachedError};

use super::VecError;
use super::budget::Budget;
use crate::column::{Column, ColumnError, PAGE_BYTES};

/// Which block of which column.
type Key = (u64, u64, Half);

/// Which half of a block of planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Half {
    Upper,
    Lower,
}

/// What of a segment's rows is kept by groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum OfRows {
    Ids,
    Originals,
}

/// Which group of which segment, and of what.
type RowsKey = (u64, u64, OfRows);

/// Blocks in memory that were read one by one, and ids and vectors of rows, by groups.
pub(super) struct Pages {
    cached: Cached<Key, Box<[u8]>>,
    rows: Cached<RowsKey, Box<[u8]>>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages")
            .field("blocks", &self.cached.stats())
            .field("rows", &self.rows.stats())
            .finish()
    }
}

/// A block as long as somebody looks at it.
pub(super) enum Page {
    Cached(Hit<Box<[u8]>>),
    /// Where there is no room for it: who looks has paid.
    Read(Box<[u8]>),
}

impl Page {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Cached(hit) => hit,
            Self::Read(bytes) => bytes,
        }
    }
}

impl Pages {
    pub(super) fn new(budget: &Budget) -> Self {
        Self { cached: budget.cached("lower planes"), rows: budget.cached("ids and originals") }
    }

    /// What it keeps, and would give back.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks_bytes() + self.rows_bytes()
    }

    /// Of it, ids and originals.
    pub(super) fn rows_bytes(&self) -> u64 {
        self.rows.stats().bytes.get()
    }

    /// Of it, blocks.
    pub(super) fn blocks_bytes(&self) -> u64 {
        self.cached.stats().bytes.get()
    }

    /// Gives back what is cheapest to have again, until so much is.
    pub(super) fn give(&self, bytes: u64) {
        if bytes > 0 {
            // Rows first: what they cost is less.
            let given = self.rows.evict(Bytes::new(bytes)).get();
            if given < bytes {
                self.cached.evict(Bytes::new(bytes - given));
            }
        }
    }

    pub(super) fn clear(&self) {
        self.cached.clear();
        self.rows.clear();
    }

    /// A group of rows, if memory has it.
    pub(super) fn group_there(&self, key: &RowsKey) -> Option<Hit<Box<[u8]>>> {
        self.rows.get(key)
    }

    /// A group of rows, from memory or from the disk; `read` grows by what came from there. None where there is no room
    /// for it: who wants it reads what is wanted of it alone.
    pub(super) fn group(
        &self,
        key: RowsKey,
        bytes: u64,
        fresh: impl FnOnce() -> Result<Box<[u8]>, ColumnError>,
        read: &mut u64,
    ) -> Result<Option<Hit<Box<[u8]>>>, VecError> {
        let group = self.rows.try_get_or_insert_sized(&key, Bytes::new(bytes), || {
            *read += bytes;
            fresh()
        });
        match group {
            Ok(hit) => Ok(Some(hit)),
            Err(TryCachedError::Failed(error)) => Err(error.into()),
            Err(TryCachedError::Cache(_)) => Ok(None),
        }
    }

    /// A block, from memory or from the disk; `read` grows by what came from there.
    pub(super) fn page(
        &self,
        key: Key,
        column: &Column,
        around: &mut Around,
        read: &mut u64,
    ) -> Result<Page, VecError> {
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
            Err(TryCachedError::Cache(_)) => Ok(Page::Read(column.read_one(unit, around)?.into())),
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
