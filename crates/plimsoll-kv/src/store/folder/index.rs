//! Which record is where. Held under a lock that is never held over I/O.

use std::collections::HashMap;
use std::sync::Arc;

use super::format::Kept;
use super::segment::Segment;
use crate::block::BlockId;
use crate::store::Listed;

/// A record that can be read.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub kept: Kept,
    pub segment: Arc<Segment>,
    /// Which entry of its segment's footer it is; none while the segment has no footer.
    pub grave: Option<u32>,
}

/// All records that can be read.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: HashMap<BlockId, Entry>,
}

impl Index {
    pub(super) fn get(&self, id: BlockId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The entry of a block, if it is still the one that stands there in a segment.
    pub(super) fn at(&mut self, id: BlockId, segment: u64, block: u32) -> Option<&mut Entry> {
        let same = |entry: &&mut Entry| entry.segment.number == segment && entry.kept.block == block;
        self.entries.get_mut(&id).filter(same)
    }

    pub(super) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        self.entries.insert(entry.kept.id, entry)
    }

    pub(super) fn remove(&mut self, id: BlockId) -> Option<Entry> {
        self.entries.remove(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Everything, parents before their children; a child whose parent is not here comes as if it had none.
    pub(super) fn listed(&self, block_bytes: u32) -> Vec<Listed> {
        let mut listed = Vec::with_capacity(self.entries.len());
        let mut told = std::collections::HashSet::with_capacity(self.entries.len());
        let mut path = Vec::new();
        for entry in self.entries.values() {
            let mut next = Some(entry);
            while let Some(entry) = next {
                // A circle cannot come of hashes; of hostile files it can. Then it ends where it began.
                if !told.insert(entry.kept.id) {
                    break;
                }
                path.push(entry);
                next = entry.kept.parent.and_then(|parent| self.entries.get(&parent));
            }
            listed.extend(path.drain(..).rev().map(|entry| entry.listed(block_bytes)));
        }
        listed
    }
}

impl Entry {
    /// Bytes that its record takes of the disk.
    pub(super) fn stored(&self, block_bytes: u32) -> u64 {
        u64::from(self.kept.blocks(block_bytes)) * u64::from(block_bytes)
    }

    fn listed(&self, block_bytes: u32) -> Listed {
        let kept = &self.kept;
        Listed {
            id: kept.id,
            parent: kept.parent,
            root: kept.root,
            tokens: kept.tokens,
            form: kept.form,
            sections: kept.sections.to_vec(),
            stored: plimsoll::Bytes::new(self.stored(block_bytes)),
            worth: kept.worth,
        }
    }
}
