//! Making room without losing anything: records that live are moved out of segments where little does.
//!
//! Where the disk gives the space of a part of a file back, a removed record is free at once and nothing is moved, except
//! that segments with few records left are put together now and then: each takes a head and a footer. Where it does not,
//! what was removed is dead until its segment goes, and a part of the folder (`Purse::Reserve`) is kept for moving.

use super::core::Core;
use super::fetch::{Fetched, Spot};
use super::index::Entry;
use super::space::Purse;
use super::writer::{Writer, removed};
use crate::block::BlockId;
use crate::store::StoreError;

/// Segments beyond those that are needed, before they are put together.
const SPARE_SEGMENTS: u64 = 16;
/// How many times as many as are needed there may be.
const SEGMENTS_FACTOR: u64 = 4;

/// What became of a segment that was to be moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub records: u64,
    pub damaged: u64,
}

impl Writer {
    /// Puts the emptiest segment's records to the others if there are far more segments than are needed. One a call, so
    /// that nobody waits long; what does not fit now is tried again later.
    pub(super) fn merge(&mut self, core: &Core) {
        let live: u64 = self.shelves.values().map(|shelf| shelf.live_blocks).sum();
        let needed = live.saturating_mul(core.block_bytes.into()) / core.segment_bytes.max(1) + 1;
        if (self.shelves.len() as u64) <= SPARE_SEGMENTS + SEGMENTS_FACTOR * needed {
            return;
        }
        let emptiest = self.shelves.iter().filter(|&(&number, _)| self.active != Some(number));
        let emptiest = emptiest.min_by_key(|(_, shelf)| shelf.live_blocks).map(|(&number, _)| number);
        if let Some(number) = emptiest {
            let _ = self.relocate(core, number, Purse::Open);
        }
    }

    /// Frees what can be freed, until so many bytes more would fit or nothing is left to do.
    pub(super) fn make_room(&mut self, core: &Core, bytes: u64) {
        let numbers: Vec<u64> = self.shelves.keys().copied().collect();
        for number in numbers {
            let empty = self.shelves.get(&number).is_some_and(|shelf| shelf.live == 0);
            let _ = if empty && self.active != Some(number) {
                self.forget(core, number)
            } else {
                self.free(core, number)
            };
        }
        while core.space.take(bytes, Purse::Open).is_err() {
            let Some(number) = self.deadest() else { return };
            if self.active == Some(number) {
                self.active = None;
                let _ = self.seal(core, number);
            }
            let before = core.space.standing().dead;
            // What cannot be moved now would not be a moment later.
            if self.relocate(core, number, Purse::Reserve).is_err() || core.space.standing().dead >= before {
                return;
            }
        }
    }

    /// The segment that moving gains most in.
    fn deadest(&self) -> Option<u64> {
        let dead = self.shelves.iter().map(|(&number, shelf)| (shelf.dead_blocks(), number));
        dead.filter(|&(dead, _)| dead > 0).max().map(|(_, number)| number)
    }

    /// Moves what lives in a segment to the one that is written, and forgets it. Each record is published in its new
    /// place before the old one is buried; after a crash in between it is there twice, and the newer holds.
    pub(super) fn relocate(&mut self, core: &Core, number: u64, purse: Purse) -> Result<Moved, StoreError> {
        let index = core.index();
        let here = index.entries().filter(|entry| entry.segment.number == number);
        let mut ids: Vec<(u32, BlockId)> = here.map(|entry| (entry.kept.block, entry.kept.id)).collect();
        drop(index);
        ids.sort_unstable();
        let mut moved = Moved::default();
        for (_, id) in ids {
            match self.relocate_one(core, id, number, purse)? {
                Some(true) => moved.records += 1,
                Some(false) => moved.damaged += 1,
                None => {}
            }
        }
        let empty = self.shelves.get(&number).is_some_and(|shelf| shelf.live == 0);
        if empty && self.active != Some(number) {
            self.forget(core, number)?;
        }
        Ok(moved)
    }

    /// Whether it was moved, or was damaged and so dropped; nothing if it is not there any more.
    fn relocate_one(
        &mut self,
        core: &Core,
        id: BlockId,
        from: u64,
        purse: Purse,
    ) -> Result<Option<bool>, StoreError> {
        let failed = |source| core.system("compacting", source);
        let index = core.index();
        let Some(entry) = index.get(id).filter(|entry| entry.segment.number == from) else { return Ok(None) };
        let (entry, sections) = (entry.clone(), entry.kept.sections.len());
        let mut bytes = vec![0; usize::try_from(entry.kept.data_bytes()).unwrap_or(0)];
        let spot = Spot::find(&index, id, 0..sections, bytes.len());
        drop(index);
        let Some(spot) = spot else { return Ok(None) };
        let opened = spot.open(core).map_err(failed)?;
        let header = match spot.read(core, &opened, id, None, &mut bytes) {
            Ok(Fetched::Whole(header)) => header,
            Ok(_) => return self.drop_damaged(core, &entry),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return self.drop_damaged(core, &entry);
            }
            Err(error) => return Err(failed(error)),
        };
        drop(opened);
        if !self.has_room_for(core, entry.kept.blocks(core.block_bytes)) {
            self.turn(core)?;
        }
        let mut rest = &bytes[..];
        let cut = |&length: &u32| {
            let (section, after) = rest.split_at(length as usize);
            rest = after;
            section
        };
        let parts: Vec<&[u8]> = header.sections.iter().map(cut).collect();
        let mut fresh = vec![self.append(core, &header, &parts, purse)?];
        self.publish(core, &mut fresh)?;
        Ok(Some(true))
    }

    fn drop_damaged(&mut self, core: &Core, entry: &Entry) -> Result<Option<bool>, StoreError> {
        let mut index = core.index_mut();
        if index.at(entry.kept.id, entry.segment.number, entry.kept.block).is_some() {
            index.remove(entry.kept.id);
        }
        drop(index);
        self.bury(core, &[removed(core, entry)])?;
        Ok(Some(false))
    }
}
