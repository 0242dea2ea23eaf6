//! Reading: a record's header and some of its sections, believed only when all of it verifies.

use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::sync::Arc;

use super::core::Core;
use super::disk::Read;
use super::format::{Header, section_check};
use super::index::Index;
use super::segment::{Opened, Segment};
use crate::block::BlockId;
use crate::store::Expect;

/// Sections are read and verified in groups of about so much, so that the disk works on the next while one is summed.
const GROUP_BYTES: usize = 1 << 20;
/// What is longer is announced as a whole before it is read.
const ANNOUNCE_BYTES: u64 = 256 << 10;

/// Where the sections that a reader wants are.
#[derive(Debug)]
pub(super) struct Spot {
    pub segment: Arc<Segment>,
    pub block: u32,
    header_bytes: u32,
    /// Bytes of sections before those that are wanted.
    skip: u64,
    first: usize,
    lengths: Vec<usize>,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Fetched {
    /// What is expected, whole.
    Whole(Box<Header>),
    /// A whole record, of something else.
    Other,
    /// It does not verify.
    Damaged,
}

impl Spot {
    /// Where some sections of a block are; nothing if there is no such record, or no such sections in it of `bytes`
    /// together.
    pub(super) fn find(index: &Index, id: BlockId, sections: Range<usize>, bytes: usize) -> Option<Self> {
        let entry = index.get(id)?;
        let (before, wanted) =
            (entry.kept.sections.get(..sections.start)?, entry.kept.sections.get(sections.clone())?);
        let skip = before.iter().map(|&bytes| u64::from(bytes)).sum();
        let lengths: Vec<usize> = wanted.iter().map(|&bytes| bytes as usize).collect();
        (lengths.iter().sum::<usize>() == bytes).then(|| Self {
            segment: Arc::clone(&entry.segment),
            block: entry.kept.block,
            header_bytes: entry.kept.header_bytes,
            skip,
            first: sections.start,
            lengths,
        })
    }

    fn base(&self, core: &Core) -> u64 {
        u64::from(self.block) * u64::from(core.block_bytes)
    }

    fn data_at(&self, core: &Core) -> u64 {
        self.base(core).saturating_add(u64::from(self.header_bytes)).saturating_add(self.skip)
    }

    /// From the header to the end of what is wanted.
    fn range(&self, core: &Core) -> Range<u64> {
        let bytes: usize = self.lengths.iter().sum();
        self.base(core)..self.data_at(core).saturating_add(bytes as u64)
    }

    /// Opens the file that it is in.
    pub(super) fn open(&self, core: &Core) -> io::Result<Opened> {
        self.segment.open(&*core.disk, &core.handles)
    }

    /// Whether several lie in the file one right behind the other.
    pub(super) fn are_run(core: &Core, spots: &[Option<(Self, Opened)>]) -> bool {
        let mut before = None;
        spots.iter().all(|spot| {
            let Some((spot, _)) = spot else { return false };
            let (range, number) = (spot.range(core), spot.segment.number);
            let next = (number, range.end.next_multiple_of(core.block_bytes.into()));
            let before = before.replace(next);
            before.is_none_or(|before| spot.skip == 0 && before == (number, range.start))
        })
    }

    /// Says that it will be read soon.
    pub(super) fn announce(&self, core: &Core, opened: &Opened) {
        let range = self.range(core);
        // From the middle of a record, what is between its header and there is not wanted.
        if self.skip < ANNOUNCE_BYTES {
            opened.file.expect(range);
        } else {
            opened.file.expect(self.data_at(core)..range.end);
        }
    }

    /// Reads it, group after group.
    pub(super) fn read(
        &self,
        core: &Core,
        opened: &Opened,
        id: BlockId,
        expect: Option<&Expect<'_>>,
        into: &mut [u8],
    ) -> io::Result<Fetched> {
        if !core.disk.reads_ahead() && into.len() as u64 > ANNOUNCE_BYTES {
            self.announce(core, opened);
        }
        let mut head = vec![0; self.header_bytes as usize];
        let mut header = None;
        let (mut at, mut rest, mut section) = (self.data_at(core), into, 0);
        loop {
            let group = self.group(section);
            let bytes: usize = self.lengths[group.clone()].iter().sum();
            let (now, later) = std::mem::take(&mut rest).split_at_mut(bytes);
            if header.is_none() && self.skip == 0 {
                let mut parts = [IoSliceMut::new(&mut head), IoSliceMut::new(now)];
                opened.file.read_at(self.base(core), &mut parts)?;
            } else {
                if header.is_none() {
                    opened.file.read_at(self.base(core), &mut [IoSliceMut::new(&mut head)])?;
                }
                opened.file.read_at(at, &mut [IoSliceMut::new(now)])?;
            }
            let sound = match header.take() {
                Some(header) => Ok(header),
                None => self.header(&head, id, expect),
            };
            let sound = match sound {
                Ok(header) => header,
                Err(fetched) => return Ok(fetched),
            };
            if !self.verifies(&sound, group.clone(), now) {
                return Ok(Fetched::Damaged);
            }
            (at, rest, section) = (at.saturating_add(bytes as u64), later, group.end);
            if section >= self.lengths.len() {
                return Ok(Fetched::Whole(sound));
            }
            header = Some(sound);
        }
    }

    /// The reads that bring all of it: one if it begins with the header.
    pub(super) fn reads<'a>(
        &self,
        core: &Core,
        opened: &Opened,
        head: &'a mut Vec<u8>,
        into: &'a mut [u8],
    ) -> Vec<Read<'a>> {
        head.resize(self.header_bytes as usize, 0);
        let read = |at, parts| Read { file: Arc::clone(&opened.file), at, parts, done: Ok(()) };
        let none = || &mut [][..];
        if self.skip == 0 {
            return vec![read(self.base(core), [&mut head[..], into])];
        }
        vec![read(self.base(core), [&mut head[..], none()]), read(self.data_at(core), [into, none()])]
    }

    /// What was read by all reads of it.
    pub(super) fn judge(&self, head: &[u8], id: BlockId, expect: &Expect<'_>, into: &[u8]) -> Fetched {
        match self.header(head, id, Some(expect)) {
            Ok(header) if self.verifies(&header, 0..self.lengths.len(), into) => Fetched::Whole(header),
            Ok(_) => Fetched::Damaged,
            Err(fetched) => fetched,
        }
    }

    fn group(&self, from: usize) -> Range<usize> {
        let mut bytes = 0_usize;
        let more = self.lengths[from..].iter().take_while(|&&length| {
            let fits = bytes < GROUP_BYTES;
            bytes = bytes.saturating_add(length);
            fits
        });
        from..from + more.count()
    }

    fn header(&self, head: &[u8], id: BlockId, expect: Option<&Expect<'_>>) -> Result<Box<Header>, Fetched> {
        let Segment { number, salt, .. } = *self.segment;
        let header = Header::read(head, number, salt, self.block).map_err(|_| Fetched::Damaged)?;
        let lengths = header.sections.get(self.first..).unwrap_or_default();
        let same = lengths.iter().zip(&self.lengths).filter(|&(&one, &other)| one as usize == other);
        if header.id != id || same.count() != self.lengths.len() {
            return Err(Fetched::Damaged);
        }
        if expect.is_some_and(|expect| !header.is(id, expect)) {
            return Err(Fetched::Other);
        }
        Ok(Box::new(header))
    }

    fn verifies(&self, header: &Header, group: Range<usize>, mut bytes: &[u8]) -> bool {
        group.into_iter().all(|section| {
            let Some((one, rest)) = bytes.split_at_checked(self.lengths[section]) else { return false };
            bytes = rest;
            let index = self.first + section;
            header.checks.get(index) == Some(&section_check(header.id, index, one))
        })
    }
}
