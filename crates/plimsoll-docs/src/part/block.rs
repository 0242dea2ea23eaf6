//! Passages that are packed together.

use super::{Record, Run};

/// A block is full once it has so many bytes.
const BLOCK: usize = 64 << 10;

/// Passages on their way into a part.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// Records, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// How many.
    pub(crate) count: u32,
    /// Whose they are; places count from the block's beginning.
    pub(crate) runs: Vec<Run>,
}

impl Block {
    /// Room for a full one.
    pub(crate) fn new(longest: usize) -> Self {
        Self { bytes: Vec::with_capacity(BLOCK + longest), count: 0, runs: Vec::new() }
    }

    /// Takes in a passage, the `ordinal`th of its document.
    pub(crate) fn push(&mut self, record: &Record<'_>, document: u64, ordinal: u64) {
        if self.runs.last().is_none_or(|run| run.document != document) {
            self.runs.push(Run { first: self.count, document, ordinal });
        }
        record.put(&mut self.bytes);
        self.count += 1;
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.runs.clear();
    }
}
