//! The store itself.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plimsoll::Bytes;

use super::core::Core;
use super::disk::{Disk, Lock, Read};
use super::fetch::{Fetched, Spot};
use super::open;
use super::real::RealDisk;
use super::report::Report;
use super::segment::Opened;
use super::settings::FolderSettings;
use super::space::Purse;
use super::writer::Writer;
use crate::block::BlockId;
use crate::store::{Expect, Found, Listed, Record, Room, Store, StoreError, Wanted};

/// How often a read looks again when its record moved meanwhile.
const LOOKS: usize = 4;
/// How far ahead the records of a batch are announced to the disk.
const AHEAD_BYTES: usize = 16 << 20;

/// A cold store in a folder on disk.
///
/// One process has a folder at a time. All calls may come from any thread; writers wait for each other, readers for
/// nobody.
///
/// ```
/// use plimsoll::Bytes;
/// use plimsoll_kv::block::{BlockId, Root};
/// use plimsoll_kv::layout::{Element, Layout};
/// use plimsoll_kv::store::folder::{Folder, FolderSettings};
/// use plimsoll_kv::store::{Expect, Found, Record, Store as _, Worth};
///
/// let place = tempfile::tempdir()?;
/// let (folder, _) = Folder::open(&FolderSettings::new(place.path().join("cold"), Bytes::mib(8)))?;
/// let root = Root::of(b"weights", &Layout::uniform(2, 1, 4, Element::F16, 2)).build();
/// let (keys, values) = ([1_u8; 32], [2_u8; 32]);
/// folder.put(&[Record {
///     id: BlockId::new(1),
///     parent: None,
///     root: &root,
///     tokens: &[10, 11],
///     form: 0,
///     worth: Worth::default(),
///     sections: &[&keys, &values],
/// }])?;
/// let expect = Expect { parent: None, root: &root, tokens: &[10, 11], form: 0 };
/// let mut second = [0; 32];
/// assert_eq!(folder.read(BlockId::new(1), &expect, 1..2, &mut second)?, Found::Yes);
/// assert_eq!(second, values);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Folder {
    core: Core,
    writer: Mutex<Writer>,
    // Last: nobody else may have the folder before everything is closed.
    _lock: Lock,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments that were taken apart.
    pub segments: u64,
    /// Records that were moved.
    pub moved: u64,
    /// Records that were damaged, and dropped.
    pub damaged: u64,
    /// Segments that were left, for want of room or of writes for today.
    pub left: u64,
}

impl Folder {
    /// Opens a folder, makes it if need be, and brings what is there under `max_bytes` first.
    pub fn open(settings: &FolderSettings) -> Result<(Self, Report), StoreError> {
        Self::open_on(Arc::new(RealDisk::new(&settings.path, settings.reads)), settings)
    }

    /// Opens it on a disk of any kind.
    #[expect(clippy::needless_pass_by_value, reason = "the folder keeps the disk; callers give theirs away")]
    pub fn open_on(disk: Arc<dyn Disk>, settings: &FolderSettings) -> Result<(Self, Report), StoreError> {
        let open::Parts { core, writer, lock, report } = open::open(&disk, settings)?;
        Ok((Self { core, writer: Mutex::new(writer), _lock: lock }, report))
    }

    /// Bytes that were ever written to it.
    pub fn written_total(&self) -> Bytes {
        Bytes::new(self.core.wear().total())
    }

    /// Puts a footer to the segment that is written, so that the next start need not read it whole. It happens by itself
    /// when a segment is full and when the folder is dropped.
    pub fn seal(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        match writer.active.take() {
            Some(active) => writer.seal(&self.core, active),
            None => Ok(()),
        }
    }

    /// Takes every segment apart in which something is dead or that is less than half full, and drops what is damaged in
    /// all of them. What lives is copied, so this costs wear.
    pub fn compact(&self) -> Result<Compacted, StoreError> {
        self.seal()?;
        let mut writer = self.writer();
        writer.clear_condemned(&self.core);
        let half = self.core.segment_bytes / u64::from(self.core.block_bytes) / 2;
        let worth_it: Vec<u64> = writer
            .shelves
            .iter()
            .filter(|(_, books)| books.records > books.live || books.live_blocks < half)
            .map(|(&number, _)| number)
            .collect();
        let mut done = Compacted::default();
        // One small segment alone would only be written again.
        let alone = worth_it.len() == 1 && writer.shelves.values().all(|books| books.records == books.live);
        for number in worth_it.into_iter().filter(|_| !alone) {
            match writer.relocate(&self.core, number, Purse::Reserve) {
                Ok(moved) => {
                    done.segments += 1;
                    done.moved += moved.records;
                    done.damaged += moved.damaged;
                }
                Err(StoreError::Full { .. } | StoreError::Worn { .. } | StoreError::Refused(_)) => {
                    done.left += 1;
                }
                Err(error) => return Err(error),
            }
        }
        drop(writer);
        self.seal()?;
        Ok(done)
    }

    /// Reads every record and drops those that are damaged; how many.
    pub fn scrub(&self) -> Result<u64, StoreError> {
        let all: Vec<(BlockId, usize, u64)> = {
            let index = self.core.index();
            let entries = index.entries();
            entries.map(|entry| (entry.kept.id, entry.kept.sections.len(), entry.kept.data_bytes())).collect()
        };
        let (mut damaged, mut into) = (0, Vec::new());
        for (id, sections, bytes) in all {
            into.resize(usize::try_from(bytes).unwrap_or(0), 0);
            let before = self.core.index().len();
            self.look(id, None, 0..sections, &mut into)?;
            damaged += u64::from(self.core.index().len() < before);
        }
        self.writer().clear_condemned(&self.core);
        Ok(damaged)
    }

    /// What marker, lock and folder are taken to need.
    pub fn fixed(&self) -> Bytes {
        Bytes::new(self.writer().fixed_bytes())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: BlockId, sections: Range<usize>, bytes: usize) -> Option<Spot> {
        Spot::find(&self.core.index(), id, sections, bytes)
    }

    fn look(
        &self,
        id: BlockId,
        expect: Option<&Expect<'_>>,
        sections: Range<usize>,
        into: &mut [u8],
    ) -> Result<Found, StoreError> {
        for _ in 0..LOOKS {
            let Some(spot) = self.find(id, sections.clone(), into.len()) else { return Ok(Found::No) };
            let fetched =
                spot.open(&self.core).and_then(|opened| spot.read(&self.core, &opened, id, expect, into));
            // Nothing: it was moved or removed while it was read. Look where it is now.
            if let Some(told) = self.told(id, &spot, fetched) {
                return told;
            }
        }
        Ok(Found::No)
    }

    /// What is to be told of a read; nothing if it is worth looking again.
    fn told(
        &self,
        id: BlockId,
        spot: &Spot,
        fetched: io::Result<Fetched>,
    ) -> Option<Result<Found, StoreError>> {
        let gone = [io::ErrorKind::NotFound, io::ErrorKind::UnexpectedEof];
        match fetched {
            Ok(Fetched::Whole(_)) => Some(Ok(Found::Yes)),
            Ok(Fetched::Other) => Some(Ok(Found::No)),
            Err(error) if !gone.contains(&error.kind()) => Some(Err(self.core.system("reading", error))),
            // If it still stands where it was read, it is damaged: it goes, so that it can be put again.
            Ok(Fetched::Damaged) | Err(_) => {
                self.core.condemn(id, spot.segment.number, spot.block).then_some(Ok(Found::No))
            }
        }
    }

    /// All through one ring; what was not right at the first look goes the way of a single read.
    fn read_at_once(&self, wanted: &mut [Wanted<'_>], spots: &[Option<(Spot, Opened)>]) -> bool {
        let mut heads: Vec<Vec<u8>> = spots.iter().map(|_| Vec::new()).collect();
        let mut reads: Vec<Read<'_>> = Vec::new();
        let mut owners = Vec::new();
        for (index, ((wanted, spot), head)) in wanted.iter_mut().zip(spots).zip(&mut heads).enumerate() {
            let Some((spot, opened)) = spot else { continue };
            let more = spot.reads(&self.core, opened, head, wanted.into);
            owners.extend(more.iter().map(|_| index));
            reads.extend(more);
        }
        if !self.core.disk.read_many(&mut reads) {
            return false;
        }
        let done: Vec<bool> = reads.iter().map(|read| read.done.is_ok()).collect();
        drop(reads);
        for (index, wanted) in wanted.iter_mut().enumerate() {
            let all = owners.iter().zip(&done).filter(|&(&owner, _)| owner == index).all(|(_, &done)| done);
            let Some((spot, _)) = spots[index].as_ref() else {
                wanted.found = Ok(Found::No);
                continue;
            };
            let whole = all
                && matches!(
                    spot.judge(&heads[index], wanted.id, &wanted.expect, wanted.into),
                    Fetched::Whole(_)
                );
            wanted.found = if whole {
                Ok(Found::Yes)
            } else {
                self.look(wanted.id, Some(&wanted.expect), wanted.sections.clone(), wanted.into)
            };
        }
        true
    }
}

impl Store for Folder {
    fn name(&self) -> &str {
        &self.core.name
    }

    fn put(&self, records: &[Record<'_>]) -> Result<(), StoreError> {
        self.writer().put(&self.core, records)
    }

    fn read(
        &self,
        id: BlockId,
        expect: &Expect<'_>,
        sections: Range<usize>,
        into: &mut [u8],
    ) -> Result<Found, StoreError> {
        self.look(id, Some(expect), sections, into)
    }

    fn read_many(&self, wanted: &mut [Wanted<'_>]) {
        let spot = |wanted: &Wanted<'_>| {
            let spot = self.find(wanted.id, wanted.sections.clone(), wanted.into.len())?;
            let opened = spot.open(&self.core).ok()?;
            Some((spot, opened))
        };
        let spots: Vec<Option<(Spot, Opened)>> = wanted.iter().map(spot).collect();
        if wanted.len() > 1 && self.read_at_once(wanted, &spots) {
            return;
        }
        // One after the other, those that follow announced, so that the disk reads on while one is verified. Where the
        // system reads ahead by itself, it does so in larger requests and pages than when it is told.
        let stream = self.core.disk.reads_ahead() && Spot::are_run(&self.core, &spots);
        let (mut announced, mut ahead) = (if stream { wanted.len() } else { 0 }, 0_usize);
        for index in 0..wanted.len() {
            while announced < wanted.len() && (announced <= index || ahead < AHEAD_BYTES) {
                if let Some((spot, opened)) = &spots[announced] {
                    spot.announce(&self.core, opened);
                }
                ahead = ahead.saturating_add(wanted[announced].into.len());
                announced += 1;
            }
            let one = &mut wanted[index];
            ahead = ahead.saturating_sub(one.into.len());
            one.found = self.look(one.id, Some(&one.expect), one.sections.clone(), one.into);
        }
    }

    fn call_bytes(&self) -> Bytes {
        // Short calls come back one after the other while the system reads ahead of all of them; announcing pays only
        // for what a call brings.
        if self.core.disk.reads_ahead() { Bytes::mib(1) } else { Bytes::mib(4) }
    }

    fn remove(&self, ids: &[BlockId]) -> Result<(), StoreError> {
        self.writer().remove(&self.core, ids)
    }

    fn list(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        let listed = self.core.index().listed(self.core.block_bytes);
        listed.into_iter().for_each(tell);
        Ok(())
    }

    fn room(&self) -> Room {
        let standing = self.core.space.standing();
        let day = self.core.calendar.day();
        let wear = self.core.wear();
        Room {
            capacity: Bytes::new(standing.capacity),
            used: Bytes::new(standing.used),
            dead: Bytes::new(standing.dead),
            blocks: self.core.index().len() as u64,
            written_today: Bytes::new(wear.on(day)),
            daily: wear.daily().map(Bytes::new),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        writer.close(&self.core);
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("name", &self.core.name).finish_non_exhaustive()
    }
}
