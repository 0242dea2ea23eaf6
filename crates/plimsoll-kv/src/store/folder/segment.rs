//! A file of records.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::disk::{Disk, File, How};
use super::format::{Trailer, footer_bytes};
use super::space::Taken;
use crate::block::BlockId;

const SUFFIX: &str = ".segment";
/// One block of the file system's own book-keeping for so many records: each can cut the file into two more runs, and
/// the densest of them that is common keeps 340 runs in a block that may be half full.
const RECORDS_PER_BLOCK: u64 = 64;
/// How many files are kept open for readers.
const HANDLES: usize = 64;

/// A segment as readers know it. What it takes of the disk is given back when the last of them is done with it.
#[derive(Debug)]
pub(super) struct Segment {
    pub number: u64,
    pub salt: u64,
    handle: Mutex<Option<Arc<dyn File>>>,
    taken: Mutex<Taken>,
}

/// A segment as the writer knows it.
#[derive(Debug)]
pub(super) struct Shelf {
    pub segment: Arc<Segment>,
    /// Where the next record would begin.
    pub end: u32,
    /// Records and sections that were ever put into it.
    pub records: u64,
    pub sections: u64,
    /// Records that live, and their blocks.
    pub live: u64,
    pub live_blocks: u64,
    /// Runs of blocks that are dead and not given back yet.
    pub dead: Vec<(u32, u32)>,
    /// Its footer, once it has one.
    pub trailer: Option<Trailer>,
    /// What was put into it, in order, while it has no footer.
    pub order: Vec<BlockId>,
}

/// Files that are kept open, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Handles(Mutex<VecDeque<Weak<Segment>>>);

/// A segment with its file, for the length of a read. The file goes first: as long as it is open, its bytes are charged.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub file: Arc<dyn File>,
    _segment: Arc<Segment>,
}

/// The name of a segment's file.
pub(super) fn name(number: u64) -> String {
    format!("{number:016x}{SUFFIX}")
}

/// The number of the segment that a file is, by its name.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (self::name(number) == name).then_some(number)
}

/// What a segment takes beside its records: its head, its footer, and what the file system keeps of it.
pub(super) const fn overhead_bytes(records: u64, sections: u64, block_bytes: u32) -> u64 {
    let footer = footer_bytes(records, sections).next_multiple_of(block_bytes as u64);
    sealed_overhead_bytes(records, footer, block_bytes)
}

/// The same of a segment whose footer is there, and so long.
pub(super) const fn sealed_overhead_bytes(records: u64, footer: u64, block_bytes: u32) -> u64 {
    let block = block_bytes as u64;
    block + footer + block * (1 + records / RECORDS_PER_BLOCK)
}

impl Segment {
    pub(super) fn new(number: u64, salt: u64, file: Option<Arc<dyn File>>, taken: Taken) -> Arc<Self> {
        Arc::new(Self { number, salt, handle: Mutex::new(file), taken: Mutex::new(taken) })
    }

    /// What it has taken of the disk.
    pub(super) fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its file.
    pub(super) fn open(self: &Arc<Self>, disk: &dyn Disk, handles: &Handles) -> io::Result<Opened> {
        let mut handle = self.handle();
        if let Some(file) = &*handle {
            return Ok(Opened { file: Arc::clone(file), _segment: Arc::clone(self) });
        }
        let file = disk.open(&name(self.number), How::Old)?;
        *handle = Some(Arc::clone(&file));
        drop(handle);
        handles.keep(self);
        Ok(Opened { file, _segment: Arc::clone(self) })
    }

    /// Lets its file go; who reads it goes on.
    pub(super) fn close(&self) {
        *self.handle() = None;
    }

    fn handle(&self) -> MutexGuard<'_, Option<Arc<dyn File>>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handles {
    /// One more is open; the oldest may have to go.
    pub(super) fn keep(&self, segment: &Arc<Segment>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(Arc::downgrade(segment));
        let oldest = (open.len() > HANDLES).then(|| open.pop_front()).flatten();
        drop(open);
        if let Some(oldest) = oldest.and_then(|oldest| oldest.upgrade()) {
            oldest.close();
        }
    }
}

impl Shelf {
    /// An empty one.
    pub(super) const fn new(segment: Arc<Segment>) -> Self {
        Self {
            segment,
            end: 1,
            records: 0,
            sections: 0,
            live: 0,
            live_blocks: 0,
            dead: Vec::new(),
            trailer: None,
            order: Vec::new(),
        }
    }

    /// Blocks that are dead and not given back.
    pub(super) fn dead_blocks(&self) -> u64 {
        self.dead.iter().map(|&(_, blocks)| u64::from(blocks)).sum()
    }

    /// The range of a run of blocks in the file.
    pub(super) fn range(block: u32, blocks: u32, block_bytes: u32) -> std::ops::Range<u64> {
        let (from, bytes) = (u64::from(block), u64::from(block_bytes));
        from * bytes..(from + u64::from(blocks)) * bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_and_nothing_else_is() {
        assert_eq!(number(&name(0x1f)), Some(0x1f));
        for other in ["1f.segment", "000000000000001F.segment", "+00000000000001f.segment", "notes.txt"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
