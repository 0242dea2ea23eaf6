//! Who writes the folder: one at a time, under a lock that no reader takes.
//!
//! # The order of things
//! Space and wear are taken before a byte is written, and a record is published (put into the index) after it is written:
//! whole, and with [`Sync::Power`] on the disk. A record is taken out of the index first, then buried (a word in the file
//! says that it is dead), then its space is given back.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::core::Core;
use super::disk::{File, How};
use super::format::{DEAD_AT, Footer, Head, Header, WEAR_SLOTS, dead_word, grave_offset};
use super::index::Entry;
use super::recover::kept;
use super::segment::{Segment, Shelf, name, overhead_bytes};
use super::settings::Sync;
use super::space::{Purse, Taken};
use crate::block::BlockId;
use crate::store::{Record, StoreError};

/// What is counted as wear beside a record, for its grave and for the marker.
const BESIDE: u64 = 64;
const ZEROS: [u8; 4096] = [0; 4096];

/// The writer's own books.
#[derive(Debug)]
pub(super) struct Writer {
    pub shelves: BTreeMap<u64, Shelf>,
    /// The segment that records are put into.
    pub active: Option<u64>,
    /// The number of the next.
    pub next: u64,
    pub marker: Arc<dyn File>,
    /// Whether the disk gives the space of a part of a file back.
    pub punches: bool,
    /// What the folder takes beside its segments.
    pub fixed: Taken,
    /// Drawn from for salts.
    pub seed: u64,
}

/// A record that is in the index no more, and is to be buried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removed {
    pub segment: u64,
    pub block: u32,
    pub blocks: u32,
    pub grave: Option<u32>,
}

impl Writer {
    /// Keeps records. What was written before an error is published.
    pub(super) fn put(&mut self, core: &Core, records: &[Record<'_>]) -> Result<(), StoreError> {
        self.clear_condemned(core);
        self.merge(core);
        let mut fresh = Vec::new();
        let mut outcome = Ok(());
        for record in records {
            let there = core.index().get(record.id).is_some();
            if there || fresh.iter().any(|entry: &Entry| entry.kept.id == record.id) {
                continue;
            }
            outcome = self.put_one(core, record, &mut fresh);
            if outcome.is_err() {
                break;
            }
        }
        let published = self.publish(core, &mut fresh);
        outcome.and(published)
    }

    fn put_one(
        &mut self,
        core: &Core,
        record: &Record<'_>,
        fresh: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        let too_large = || {
            let why = "a record has at most 4 million tokens and sections, and a section less than 4 GiB";
            core.system("keeping a record in", io::Error::new(io::ErrorKind::InvalidInput, why))
        };
        let header = Header::of(record).ok_or_else(too_large)?;
        let blocks = kept(&header, 0).blocks(core.block_bytes);
        if blocks == u32::MAX {
            return Err(too_large());
        }
        if !self.has_room_for(core, blocks) {
            self.publish(core, fresh)?;
            self.turn(core)?;
        }
        match self.append(core, &header, record.sections, Purse::Open) {
            Err(StoreError::Full { .. }) => {}
            other => return other.map(|entry| fresh.push(entry)),
        }
        self.publish(core, fresh)?;
        self.make_room(core, u64::from(blocks) * u64::from(core.block_bytes));
        if !self.has_room_for(core, blocks) {
            self.turn(core)?;
        }
        self.append(core, &header, record.sections, Purse::Open).map(|entry| fresh.push(entry))
    }

    /// Whether so many blocks go into the segment that is written. A segment that is empty takes any record.
    pub(super) fn has_room_for(&self, core: &Core, blocks: u32) -> bool {
        let Some(books) = self.active.and_then(|active| self.shelves.get(&active)) else { return false };
        let end = u64::from(books.end) + u64::from(blocks);
        books.records == 0 || end * u64::from(core.block_bytes) <= core.segment_bytes
    }

    /// Closes the segment that is written, and begins another with the next record.
    pub(super) fn turn(&mut self, core: &Core) -> Result<(), StoreError> {
        if let Some(active) = self.active.take() {
            // A segment without a footer is as good, only slower to open.
            let _ = self.seal(core, active);
        }
        self.begin(core)
    }

    fn begin(&mut self, core: &Core) -> Result<(), StoreError> {
        let number = self.next;
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let salt = self.seed ^ (self.seed >> 31);
        let overhead = overhead_bytes(0, 0, core.block_bytes);
        self.spend(core, overhead)?;
        let taken = core.space.take(overhead, Purse::Reserve)?;
        // The number is used up even if this fails: what is left of the file must never be taken for another's.
        self.next = number.saturating_add(1);
        let failed = |source| core.system("making a segment in", source);
        let file = core.disk.open(&name(number), How::New).map_err(failed)?;
        let head = Head { number, salt, block_bytes: core.block_bytes }.write();
        let rest = vec![0; (core.block_bytes as usize).saturating_sub(head.len())];
        let written = file.write_at(0, &[&head, &rest]);
        let written = written.and_then(|()| if core.sync == Sync::Power { core.disk.sync() } else { Ok(()) });
        let segment = Segment::new(number, salt, Some(file), taken);
        if let Err(error) = written {
            if core.disk.unlink(&name(number)).is_err() {
                // It is there, and stays charged until it can be forgotten.
                self.shelves.insert(number, Shelf::new(segment));
            }
            return Err(failed(error));
        }
        core.handles.keep(&segment);
        self.shelves.insert(number, Shelf::new(segment));
        self.active = Some(number);
        Ok(())
    }

    /// Writes a record behind the others. It is not published yet.
    pub(super) fn append(
        &mut self,
        core: &Core,
        header: &Header,
        data: &[&[u8]],
        purse: Purse,
    ) -> Result<Entry, StoreError> {
        if self.active.is_none() {
            self.begin(core)?;
        }
        let vanished = || core.system("writing to", io::ErrorKind::NotFound.into());
        let number = self.active.ok_or_else(vanished)?;
        let books = self.shelves.get(&number).ok_or_else(vanished)?;
        let (segment, block, block_bytes) = (Arc::clone(&books.segment), books.end, core.block_bytes);
        let kept = kept(header, block);
        let blocks = kept.blocks(block_bytes);
        let sections = kept.sections.len() as u64;
        let overhead = |records, sections| overhead_bytes(records, sections, block_bytes);
        let more =
            overhead(books.records + 1, books.sections + sections) - overhead(books.records, books.sections);
        let bytes = u64::from(blocks) * u64::from(block_bytes);
        // Room first: where there is none, nothing is counted as written.
        let taken = core.space.take(bytes.saturating_add(more), purse)?;
        self.spend(core, bytes.saturating_add(more))?;
        let failed = |source| core.system("writing to", source);
        let opened = segment.open(&*core.disk, &core.handles).map_err(failed)?;
        let head = header.write(number, segment.salt, block);
        let mut parts: Vec<&[u8]> = vec![&head];
        parts.extend(data);
        let pad = bytes - kept.data_bytes() - u64::from(header.own_bytes);
        pad_with(&mut parts, pad);
        let range = Shelf::range(block, blocks, block_bytes);
        let written = opened.file.write_at(range.start, &parts);
        let Some(books) = self.shelves.get_mut(&number) else { return Err(vanished()) };
        if let Err(error) = written {
            // What was written of it is cut off; where that fails too it stays charged, and is stepped over.
            if opened.file.truncate(range.start).is_err() {
                segment.taken().merge(taken);
                books.dead.push((block, blocks));
                books.end = books.end.saturating_add(blocks);
                core.space.dead(bytes, 0);
            }
            return Err(failed(error));
        }
        segment.taken().merge(taken);
        books.end = books.end.saturating_add(blocks);
        books.records += 1;
        books.sections += sections;
        books.live += 1;
        books.live_blocks += u64::from(blocks);
        books.order.push(kept.id);
        Ok(Entry { kept, segment, grave: None })
    }

    /// Makes what was written found.
    pub(super) fn publish(&mut self, core: &Core, fresh: &mut Vec<Entry>) -> Result<(), StoreError> {
        let Some(last) = fresh.last() else { return Ok(()) };
        let segment = Arc::clone(&last.segment);
        if let Err(error) = Self::settle(core, &segment) {
            // Nobody was told of them; they are as good as never written.
            let removed: Vec<Removed> = fresh.drain(..).map(|entry| removed(core, &entry)).collect();
            let _ = self.bury(core, &removed);
            return Err(core.system("writing to", error));
        }
        let mut replaced = Vec::new();
        let mut index = core.index_mut();
        for entry in fresh.drain(..) {
            replaced.extend(index.insert(entry).map(|old| removed(core, &old)));
        }
        drop(index);
        self.bury(core, &replaced)
    }

    /// What was written of a segment is as safe as was asked, and charged as it is.
    fn settle(core: &Core, segment: &Arc<Segment>) -> io::Result<()> {
        let opened = segment.open(&*core.disk, &core.handles)?;
        if core.sync == Sync::Power {
            opened.file.sync()?;
        }
        let facts = opened.file.facts()?;
        if !facts.linked {
            // Someone has removed the file, and the folder with it as like as not: nothing in it would be there tomorrow.
            return Err(io::Error::new(io::ErrorKind::NotFound, "the segment was removed by someone else"));
        }
        cover(core, segment, facts.allocated);
        Ok(())
    }

    /// Writes a segment's footer; a segment in which nothing lives is forgotten instead.
    pub(super) fn seal(&mut self, core: &Core, number: u64) -> Result<(), StoreError> {
        let Some(books) = self.shelves.get(&number) else { return Ok(()) };
        if books.live == 0 {
            return self.forget(core, number);
        }
        let segment = Arc::clone(&books.segment);
        let index = core.index();
        let here = |id: &BlockId| index.get(*id).filter(|entry| entry.segment.number == number);
        let mut all: Vec<_> = books.order.iter().filter_map(here).map(|entry| entry.kept.clone()).collect();
        drop(index);
        all.sort_by_key(|kept| kept.block);
        all.dedup_by_key(|kept| kept.block);
        let block_bytes = core.block_bytes;
        let at = u64::from(books.end) * u64::from(block_bytes);
        let (bytes, trailer) = Footer::write(&all, number, segment.salt, block_bytes, at);
        let failed = |source| core.system("closing a segment in", source);
        let opened = segment.open(&*core.disk, &core.handles).map_err(failed)?;
        let written = opened.file.write_at(at, &[&bytes]);
        let written =
            written.and_then(|()| if core.sync == Sync::Power { opened.file.sync() } else { Ok(()) });
        if let Err(error) = written {
            let _ = opened.file.truncate(at);
            return Err(failed(error));
        }
        // Readers look at the grave only by way of this index, under the writer's lock.
        let mut index = core.index_mut();
        for (grave, kept) in all.iter().enumerate() {
            if let Some(entry) = index.at(kept.id, number, kept.block) {
                entry.grave = u32::try_from(grave).ok();
            }
        }
        drop(index);
        let Some(books) = self.shelves.get_mut(&number) else { return Ok(()) };
        books.order = Vec::new();
        books.trailer = Some(trailer);
        let promised = overhead_bytes(books.records, books.sections, block_bytes);
        let footer = super::format::footer_bytes(books.records, books.sections);
        let unused = footer.next_multiple_of(u64::from(block_bytes)).saturating_sub(bytes.len() as u64);
        segment.taken().give(unused.min(promised));
        if let Ok(facts) = opened.file.facts() {
            cover(core, &segment, facts.allocated);
        }
        Ok(())
    }

    /// Forgets blocks.
    pub(super) fn remove(&mut self, core: &Core, ids: &[BlockId]) -> Result<(), StoreError> {
        self.clear_condemned(core);
        let mut index = core.index_mut();
        let gone: Vec<Entry> = ids.iter().filter_map(|&id| index.remove(id)).collect();
        drop(index);
        let gone: Vec<Removed> = gone.iter().map(|entry| removed(core, entry)).collect();
        self.bury(core, &gone)
    }

    /// Buries records that are in the index no more, and gives their space back. Goes on after an error, and returns the
    /// first.
    pub(super) fn bury(&mut self, core: &Core, gone: &[Removed]) -> Result<(), StoreError> {
        let mut by_segment: BTreeMap<u64, Vec<Removed>> = BTreeMap::new();
        for removed in gone {
            by_segment.entry(removed.segment).or_default().push(*removed);
        }
        let mut outcome = Ok(());
        for (number, gone) in by_segment {
            let Some(books) = self.shelves.get_mut(&number) else { continue };
            for removed in &gone {
                books.live = books.live.saturating_sub(1);
                books.live_blocks = books.live_blocks.saturating_sub(removed.blocks.into());
            }
            let done = if books.live == 0 && self.active != Some(number) {
                self.mourn(core, number, &gone);
                self.forget(core, number)
            } else {
                self.bury_in(core, number, &gone)
            };
            outcome = outcome.and(done);
        }
        outcome
    }

    /// Counts records as dead until their space is given back.
    fn mourn(&mut self, core: &Core, number: u64, gone: &[Removed]) {
        let Some(books) = self.shelves.get_mut(&number) else { return };
        books.dead.extend(gone.iter().map(|removed| (removed.block, removed.blocks)));
        let blocks: u64 = gone.iter().map(|removed| u64::from(removed.blocks)).sum();
        core.space.dead(blocks * u64::from(core.block_bytes), 0);
    }

    fn bury_in(&mut self, core: &Core, number: u64, gone: &[Removed]) -> Result<(), StoreError> {
        self.mourn(core, number, gone);
        let Some(books) = self.shelves.get(&number) else { return Ok(()) };
        let (segment, trailer) = (Arc::clone(&books.segment), books.trailer);
        let failed = |source| core.system("removing blocks from", source);
        let opened = segment.open(&*core.disk, &core.handles).map_err(failed)?;
        let mut outcome = Ok(());
        for removed in gone {
            let word = dead_word(segment.salt, removed.block).to_le_bytes();
            let in_header = u64::from(removed.block) * u64::from(core.block_bytes) + DEAD_AT;
            let mut at = vec![];
            if let (Some(trailer), Some(grave)) = (trailer, removed.grave) {
                at.push(grave_offset(trailer.footer_at, trailer.footer_bytes, grave));
            }
            // Where the header goes with the record it need not be marked, if the footer is.
            if at.is_empty() || !self.punches {
                at.push(in_header);
            }
            for at in at {
                outcome = outcome.and(opened.file.write_at(at, &[&word]));
            }
        }
        if core.sync == Sync::Power && !self.punches {
            outcome = outcome.and(opened.file.sync());
        }
        drop(opened);
        let freed = self.free(core, number);
        outcome.map_err(failed).and(freed)
    }

    /// Gives the space of a segment's dead runs back, where the disk can.
    pub(super) fn free(&mut self, core: &Core, number: u64) -> Result<(), StoreError> {
        let Some(books) = self.shelves.get_mut(&number) else { return Ok(()) };
        if !self.punches || books.dead.is_empty() {
            return Ok(());
        }
        let failed = |source| core.system("freeing space in", source);
        let opened = books.segment.open(&*core.disk, &core.handles).map_err(failed)?;
        let (mut freed, mut outcome) = (0, Ok(()));
        let mut kept = Vec::new();
        for (block, blocks) in join(std::mem::take(&mut books.dead)) {
            let range = Shelf::range(block, blocks, core.block_bytes);
            match opened.file.punch(range) {
                Ok(()) => freed += u64::from(blocks),
                Err(error) => {
                    kept.push((block, blocks));
                    outcome = Err(error);
                }
            }
        }
        books.dead = kept;
        if core.sync == Sync::Power && freed > 0 {
            // What is given away again before this is on the disk could be there twice after a loss of power.
            if let Err(error) = opened.file.sync() {
                outcome = Err(error);
            }
        }
        let bytes = freed * u64::from(core.block_bytes);
        books.segment.taken().give(bytes);
        core.space.dead(0, bytes);
        outcome.map_err(failed)
    }

    /// Forgets a segment in which nothing lives. Its bytes are charged until the last reader has let it go.
    pub(super) fn forget(&mut self, core: &Core, number: u64) -> Result<(), StoreError> {
        match core.disk.unlink(&name(number)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(core.system("removing a segment from", error)),
        }
        if core.sync == Sync::Power {
            core.disk.sync().map_err(|error| core.system("removing a segment from", error))?;
        }
        if self.active == Some(number) {
            self.active = None;
        }
        if let Some(books) = self.shelves.remove(&number) {
            core.space.dead(0, books.dead_blocks() * u64::from(core.block_bytes));
            books.segment.close();
        }
        Ok(())
    }

    /// What readers found damaged is buried.
    pub(super) fn clear_condemned(&mut self, core: &Core) {
        let condemned =
            std::mem::take(&mut *core.condemned.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let gone: Vec<Removed> = condemned
            .iter()
            .map(|one| Removed {
                segment: one.segment,
                block: one.block,
                blocks: one.blocks,
                grave: one.grave,
            })
            .collect();
        // What cannot be buried now is dead in memory all the same.
        let _ = self.bury(core, &gone);
    }

    /// So much is about to be written: it must be within the day's limit, and the disk must know before.
    fn spend(&self, core: &Core, bytes: u64) -> Result<(), StoreError> {
        let bytes = bytes.saturating_add(BESIDE);
        let day = core.calendar.day();
        let mut wear = core.wear();
        wear.may(bytes, day).map_err(|over| StoreError::Worn {
            name: core.name.clone(),
            written: plimsoll::Bytes::new(over.today),
            daily: plimsoll::Bytes::new(over.daily),
        })?;
        let promise = wear.count(bytes, day);
        drop(wear);
        let Some(slot) = promise else { return Ok(()) };
        let at = WEAR_SLOTS[usize::from(slot.turn % 2 == 1)];
        let written = self.marker.write_at(at, &[&slot.write()]);
        let written =
            written.and_then(|()| if core.sync == Sync::Power { self.marker.sync() } else { Ok(()) });
        written.map_err(|error| core.system("counting what is written to", error))
    }

    /// An orderly end: a footer for what has none, and what was written exactly.
    pub(super) fn close(&mut self, core: &Core) {
        self.clear_condemned(core);
        if let Some(active) = self.active.take() {
            let _ = self.seal(core, active);
        }
        let slot = core.wear().close();
        let _ = self.marker.write_at(WEAR_SLOTS[usize::from(slot.turn % 2 == 1)], &[&slot.write()]);
    }
}

/// What to bury of an entry.
pub(super) fn removed(core: &Core, entry: &Entry) -> Removed {
    let blocks = entry.kept.blocks(core.block_bytes);
    Removed { segment: entry.segment.number, block: entry.kept.block, blocks, grave: entry.grave }
}

/// A file system that keeps more of its own than was thought is charged as it is, as far as there is room.
fn cover(core: &Core, segment: &Segment, allocated: u64) {
    let mut taken = segment.taken();
    if let Some(more) = allocated.checked_sub(taken.bytes()).filter(|&more| more > 0)
        && let Ok(more) = core.space.take(more, Purse::Reserve)
    {
        taken.merge(more);
    }
}

fn pad_with(parts: &mut Vec<&[u8]>, mut bytes: u64) {
    while bytes > 0 {
        let some = bytes.min(ZEROS.len() as u64);
        parts.push(&ZEROS[..usize::try_from(some).unwrap_or(ZEROS.len())]);
        bytes -= some;
    }
}

/// Runs that touch are one.
fn join(mut runs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    runs.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(runs.len());
    for (block, blocks) in runs {
        match joined.last_mut() {
            Some((at, run)) if at.saturating_add(*run) == block => *run = run.saturating_add(blocks),
            _ => joined.push((block, blocks)),
        }
    }
    joined
}
