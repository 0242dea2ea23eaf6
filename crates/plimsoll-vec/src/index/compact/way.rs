//! How a compaction uses its budget. Pure.

use super::order::ENTRY_BYTES;
use crate::BLOCK_ROWS;
use crate::index::Shape;
use crate::index::build::sums_bytes;
use crate::segment::{Ids, Originals, Starts};

/// Blocks that are read of a segment and written at once, where the budget lets them.
const BLOCKS: usize = 64;
/// Reading segments side by side takes no more than about this, also where there is room.
const READ_MOST: u64 = 32 << 20;
/// Entries of the order of ids that are read of a segment at once.
const ENTRIES: usize = 1024;
/// What writing ids and checksums takes meanwhile.
const WRITE_BYTES: u64 = 192 << 10;

/// Segments that become one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) shape: Shape,
    pub(super) segments: usize,
    /// Rows of all of them.
    pub(super) rows: u64,
    /// Of them, those that live.
    pub(super) living: u64,
    /// How many lists their rows lie in, if they do.
    pub(super) lists: Option<usize>,
}

/// How much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Blocks of a segment that are read at once, and of the new one that are written.
    pub(super) blocks: usize,
    /// Entries of the order of ids that are read of a segment at once.
    pub(super) entries: usize,
    /// What it takes of memory until the new segment is there.
    pub(super) bytes: u64,
}

impl Task {
    /// As much at once as there is room for; without room, what would do.
    pub(super) fn way(&self, room: u64) -> Result<Way, u64> {
        let (mut blocks, mut entries) = (BLOCKS, ENTRIES);
        while blocks > 1 && self.reading(blocks) > READ_MOST {
            blocks /= 2;
        }
        loop {
            let way = Way { blocks, entries, bytes: self.bytes(blocks, entries) };
            if way.bytes <= room {
                return Ok(way);
            }
            if blocks == 1 && entries == BLOCK_ROWS {
                return Err(way.bytes);
            }
            blocks = (blocks / 2).max(1);
            entries = (entries / 2).max(BLOCK_ROWS);
        }
    }

    /// What the new segment keeps in memory once it is open.
    pub(super) fn stays(&self) -> u64 {
        sums_bytes(&self.shape, self.living) + self.living / 8 + self.lists.map_or(0, Starts::heap_bytes)
    }

    /// A block with vectors and ids of its rows.
    fn block(&self) -> u64 {
        let original = if self.shape.originals { Originals::row_bytes(self.shape.dimension) } else { 0 };
        (self.shape.layout().block_bytes() + BLOCK_ROWS * (original + 8)) as u64
    }

    /// Blocks of one segment, or of all where their lists are gone through together.
    fn reading(&self, blocks: usize) -> u64 {
        let open = if self.lists.is_some() { self.segments } else { 1 };
        self.block() * (blocks * open) as u64 + Ids::read_bytes(blocks * BLOCK_ROWS)
    }

    fn bytes(&self, blocks: usize, entries: usize) -> u64 {
        let lists = self.lists.unwrap_or(1) as u64 + 1;
        let segments = self.segments as u64;
        // Living rows before each block, where each list goes, where the new lists begin and as they are written.
        let moves = (self.rows / BLOCK_ROWS as u64 + segments) * 4 + lists * segments * 4 + lists * 12;
        let moving = self.reading(blocks) + self.block() * blocks as u64;
        let ordering = segments * entries as u64 * ENTRY_BYTES + Ids::read_bytes(entries);
        moves + sums_bytes(&self.shape, self.living) + moving.max(ordering) + WRITE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Metric};

    #[test]
    fn less_room_does_less_at_once_and_what_is_asked_for_does() {
        let shape = Shape {
            dimension: 768,
            metric: Metric::L2,
            codec: Codec::Int8,
            originals: true,
            lists: None,
            reduced: None,
        };
        for lists in [None, Some(4096)] {
            let task = Task { shape, segments: 20, rows: 1_000_000, living: 900_000, lists };
            let (mut fewest, mut refused) = (usize::MAX, 0);
            for room in (0..=64).rev().map(|mib| mib << 20) {
                match task.way(room) {
                    Ok(way) => {
                        assert!(way.bytes <= room && way.blocks <= fewest && way.blocks > 0);
                        fewest = way.blocks;
                    }
                    Err(needed) => {
                        assert!(needed > room && task.way(needed).is_ok());
                        refused += 1;
                    }
                }
            }
            assert!(refused > 0 && fewest == 1, "{lists:?}: {refused} refused, {fewest} at last");
        }
    }
}
