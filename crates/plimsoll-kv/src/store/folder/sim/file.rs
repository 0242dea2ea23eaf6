//! A file of the simulated disk: what the process sees, and what is on the disk.

use std::ops::Range;

/// What survives a loss of power is decided by the sector.
const SECTOR: usize = 512;

/// Bytes, and which blocks of them take space.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub bytes: Vec<u8>,
    pub blocks: Vec<bool>,
}

/// One change that is not on the disk yet.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Punch(Range<u64>),
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub now: Content,
    pub durable: Content,
    pub pending: Vec<Change>,
    /// How many names and open handles it has.
    pub names: usize,
    pub opens: usize,
}

impl Content {
    pub(super) fn allocated(&self) -> u64 {
        self.blocks.iter().filter(|&&there| there).count() as u64
    }

    pub(super) fn apply(&mut self, change: &Change, block: usize) {
        match change {
            Change::Write(at, bytes) => self.write(*at, bytes, block),
            Change::Truncate(bytes) => {
                let bytes = size(*bytes);
                self.bytes.resize(bytes, 0);
                self.blocks.resize(bytes.div_ceil(block), false);
            }
            Change::Punch(range) => self.punch(range, block),
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8], block: usize) {
        let at = size(at);
        let end = at + bytes.len();
        if bytes.is_empty() {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
        let last = end.div_ceil(block);
        if self.blocks.len() < last {
            self.blocks.resize(last, false);
        }
        self.blocks[at / block..last].fill(true);
    }

    fn punch(&mut self, range: &Range<u64>, block: usize) {
        let (from, to) = (size(range.start).min(self.bytes.len()), size(range.end).min(self.bytes.len()));
        if from >= to {
            return;
        }
        self.bytes[from..to].fill(0);
        // Only whole blocks come free; the last of a file may be a part of one.
        let last = if to == self.bytes.len() { to.div_ceil(block) } else { to / block };
        let first = from.div_ceil(block);
        if first < last {
            self.blocks[first..last].fill(false);
        }
    }
}

impl Inode {
    pub(super) fn change(&mut self, change: Change, block: usize) {
        self.now.apply(&change, block);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.pending.clear();
    }

    /// What the disk has after a loss of power: of each change any part.
    pub(super) fn lose(&mut self, block: usize, mut coin: impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write(at, bytes) => {
                    let mut from = 0;
                    while from < bytes.len() {
                        let within = (size(at) + from) % SECTOR;
                        let to = (from + SECTOR - within).min(bytes.len());
                        if coin() {
                            self.durable.write(at + from as u64, &bytes[from..to], block);
                        }
                        from = to;
                    }
                }
                other if coin() => self.durable.apply(&other, block),
                _ => {}
            }
        }
        self.now.clone_from(&self.durable);
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
