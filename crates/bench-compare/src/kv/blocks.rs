//! The blocks, and who may keep them.

use std::io;
use std::ops::Range;

/// Someone who keeps blocks on the disk.
pub(super) trait Keeper {
    fn name(&self) -> &'static str;
    /// What happens to the page cache.
    fn cache(&self) -> &'static str;
    /// Keeps all blocks, so that they are on the disk when it returns.
    fn write(&mut self, blocks: &Blocks) -> io::Result<()>;
    /// Gets ready to be read, and has the page cache forget the blocks.
    fn forget(&mut self) -> io::Result<()>;
    /// Does nothing more until it is its turn again.
    fn rest(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Reads blocks that follow each other, all of them in flight at once as far as this keeper can; how many are there.
    fn read(&mut self, indices: Range<usize>, into: &mut [u8]) -> io::Result<usize>;
}

/// The blocks: numbers that do not compress, another sequence for each block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    pub count: usize,
    pub bytes: usize,
}

impl Blocks {
    /// So many bytes' worth; one at least.
    pub fn within(total_bytes: u64, bytes: usize) -> Self {
        let count = usize::try_from(total_bytes).unwrap_or(usize::MAX) / bytes.max(1);
        Self { count: count.max(1), bytes }
    }

    pub fn fill(index: usize, into: &mut [u8]) {
        let mut state = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for chunk in into.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let bytes = state.to_le_bytes();
            let length = chunk.len();
            chunk.copy_from_slice(&bytes[..length]);
        }
    }

    /// Goes through all of them once, each with its bytes.
    pub fn each(self, mut act: impl FnMut(usize, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut block = vec![0; self.bytes];
        (0..self.count).try_for_each(|index| {
            Self::fill(index, &mut block);
            act(index, &block)
        })
    }

    /// The first bytes are enough to see that a block is the one that was asked for.
    pub fn check(index: usize, block: &[u8]) -> io::Result<()> {
        let mut first = [0; 8];
        Self::fill(index, &mut first);
        if block.starts_with(&first) {
            Ok(())
        } else {
            Err(io::Error::other(format!("block {index} is another")))
        }
    }
}
