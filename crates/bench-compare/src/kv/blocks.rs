//! The blocks, and who may keep them.

use std::io;

/// Someone who keeps blocks on the disk.
pub(super) trait Keeper {
    fn name(&self) -> &'static str;
    /// What happens to the page cache.
    fn cache(&self) -> &'static str;
    /// Keeps all blocks, so that they are on the disk when it returns.
    fn write(&mut self, blocks: &Blocks) -> io::Result<()>;
    /// Has the page cache forget them.
    fn forget(&mut self) -> io::Result<()>;
    /// Reads a block; whether it is there.
    fn read(&mut self, index: usize, into: &mut [u8]) -> io::Result<bool>;
    /// Reads blocks that follow each other; how many are there. Whoever can do several at once does.
    fn run(&mut self, indices: std::ops::Range<usize>, into: &mut [u8]) -> io::Result<usize> {
        let bytes = into.len() / indices.len().max(1);
        let mut there = 0;
        for (index, block) in indices.zip(into.chunks_mut(bytes)) {
            there += usize::from(self.read(index, block)?);
        }
        Ok(there)
    }
}

/// The blocks: numbers that do not compress, another sequence for each block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    pub count: usize,
    pub bytes: usize,
}

impl Blocks {
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
}
