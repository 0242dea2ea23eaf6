//! How ggml gives room within a buffer: best fit over free blocks, and as a last resort at the end, which grows.

/// A free run.
#[derive(Clone, Copy, Debug)]
struct Block {
    offset: u64,
    bytes: u64,
}

/// The room of one buffer: what is free of it, and how much it had to be at most.
#[derive(Clone, Debug)]
pub(super) struct Room {
    align: u64,
    blocks: Vec<Block>,
    peak: u64,
}

impl Room {
    pub(super) fn new(align: u64) -> Self {
        // The end is one large block, as long as any address can be.
        Self { align: align.max(1), blocks: vec![Block { offset: 0, bytes: u64::MAX / 2 }], peak: 0 }
    }

    /// What the buffer must hold.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    pub(super) fn aligned(&self, bytes: u64) -> u64 {
        bytes.checked_next_multiple_of(self.align).unwrap_or(u64::MAX)
    }

    /// Takes the smallest block that is large enough, the last of equals; the end only when no other is.
    pub(super) fn take(&mut self, bytes: u64) -> u64 {
        let bytes = self.aligned(bytes);
        let last = self.blocks.len().saturating_sub(1);
        let mut best: Option<usize> = None;
        for (index, block) in self.blocks.iter().enumerate().take(last) {
            if block.bytes >= bytes && best.is_none_or(|best| block.bytes <= self.blocks[best].bytes) {
                best = Some(index);
            }
        }
        let index = best.unwrap_or(last);
        let Some(block) = self.blocks.get_mut(index) else { return 0 };
        let offset = block.offset;
        block.offset = block.offset.saturating_add(bytes);
        block.bytes = block.bytes.saturating_sub(bytes);
        // The end is never used up: a size that nothing holds is reported as the peak instead.
        if block.bytes == 0 && index != last {
            self.blocks.remove(index);
        }
        self.peak = self.peak.max(offset.saturating_add(bytes));
        offset
    }

    /// Returns a run.
    pub(super) fn give(&mut self, offset: u64, bytes: u64) {
        let bytes = self.aligned(bytes);
        let end = offset.saturating_add(bytes);
        for index in 0..self.blocks.len() {
            let block = self.blocks[index];
            if block.offset.saturating_add(block.bytes) == offset {
                self.blocks[index].bytes = block.bytes.saturating_add(bytes);
                self.join(index);
                return;
            }
            if end == block.offset {
                self.blocks[index] = Block { offset, bytes: block.bytes.saturating_add(bytes) };
                if let Some(before) = index.checked_sub(1) {
                    self.join(before);
                }
                return;
            }
        }
        let place = self.blocks.partition_point(|block| block.offset < offset);
        self.blocks.insert(place, Block { offset, bytes });
    }

    /// Makes a block and the one behind it one, where they touch.
    fn join(&mut self, index: usize) {
        let Some(next) = self.blocks.get(index + 1).copied() else { return };
        let block = &mut self.blocks[index];
        if block.offset.saturating_add(block.bytes) == next.offset {
            block.bytes = block.bytes.saturating_add(next.bytes);
            self.blocks.remove(index + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_hole_that_fits_is_taken_and_the_end_grows_only_when_none_does() {
        let mut room = Room::new(32);
        let runs: Vec<_> =
            [100, 64, 200, 64, 32].into_iter().map(|bytes| (room.take(bytes), bytes)).collect();
        assert_eq!(room.peak(), 128 + 64 + 224 + 64 + 32);
        room.give(runs[0].0, runs[0].1);
        room.give(runs[2].0, runs[2].1);
        assert_eq!(room.take(120), 0, "the hole of 128");
        assert_eq!(room.take(300), 512, "neither hole");
        room.give(runs[1].0, runs[1].1);
        room.give(runs[3].0, runs[3].1);
        assert_eq!(room.take(224 + 64 + 64), 128, "three that touch are one");
        assert_eq!(room.peak(), 512 + 320);
    }

    #[test]
    fn sizes_that_nothing_holds_end_at_the_largest_number() {
        let mut room = Room::new(128);
        room.take(u64::MAX);
        room.take(u64::MAX);
        assert_eq!(room.peak(), u64::MAX);
    }
}
