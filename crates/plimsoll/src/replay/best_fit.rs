//! The yardstick: a plain best fit in one range that is never given back.

use std::collections::{BTreeMap, BTreeSet};

use super::{ReplayError, Replayer};

/// Best fit with coalescing, lowest address among equals; the range grows at its end by exactly what is missing.
///
/// Written for plainness rather than speed: it is what a pool is compared with.
#[derive(Debug)]
pub struct BestFit {
    unit: u64,
    by_size: BTreeSet<(u64, u64)>,
    by_offset: BTreeMap<u64, u64>,
    end: u64,
    blocks: Vec<(u64, u64)>,
}

impl BestFit {
    /// With sizes rounded up to `unit`.
    pub fn new(unit: u64) -> Self {
        Self {
            unit: unit.max(1),
            by_size: BTreeSet::new(),
            by_offset: BTreeMap::new(),
            end: 0,
            blocks: Vec::new(),
        }
    }

    fn insert(&mut self, offset: u64, bytes: u64) {
        self.by_size.insert((bytes, offset));
        self.by_offset.insert(offset, bytes);
    }

    fn remove(&mut self, offset: u64, bytes: u64) {
        self.by_size.remove(&(bytes, offset));
        self.by_offset.remove(&offset);
    }

    fn find(&mut self, bytes: u64) -> Option<u64> {
        if let Some(&(found, offset)) = self.by_size.range((bytes, 0)..).next() {
            self.remove(offset, found);
            if found > bytes {
                self.insert(offset + bytes, found - bytes);
            }
            return Some(offset);
        }
        let last = self.by_offset.last_key_value().map(|(&offset, &bytes)| (offset, bytes));
        let offset = match last {
            Some((offset, free)) if offset + free == self.end => {
                self.remove(offset, free);
                offset
            }
            _ => self.end,
        };
        self.end = offset.checked_add(bytes)?;
        Some(offset)
    }
}

impl Replayer for BestFit {
    fn alloc(&mut self, block: u32, bytes: u64, _stream: u16) -> Result<(), ReplayError> {
        let refused = ReplayError::refused(bytes, self.end, "the range is at its end");
        let rounded = bytes.checked_next_multiple_of(self.unit).ok_or_else(|| refused.clone())?;
        let offset = self.find(rounded).ok_or(refused)?;
        let index = block as usize;
        if self.blocks.len() <= index {
            self.blocks.resize(index + 1, (0, 0));
        }
        self.blocks[index] = (offset, rounded);
        Ok(())
    }

    fn free_requested(&mut self, _block: u32, _stream: u16) {}

    fn free_completed(&mut self, block: u32) {
        let (mut offset, mut bytes) = self.blocks[block as usize];
        if let Some(&after) = self.by_offset.get(&(offset + bytes)) {
            self.remove(offset + bytes, after);
            bytes += after;
        }
        if let Some((&before, &free)) = self.by_offset.range(..offset).next_back()
            && before + free == offset
        {
            self.remove(before, free);
            offset = before;
            bytes += free;
        }
        self.insert(offset, bytes);
    }

    fn peak_reserved_bytes(&self) -> u64 {
        self.end
    }

    fn map_events(&self) -> u64 {
        0
    }

    fn exchange_events(&self) -> u64 {
        0
    }
}
