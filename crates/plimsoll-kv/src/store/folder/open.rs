//! Opening a folder: what is there is made out, brought under the limit and charged, before anybody uses it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, IoSliceMut};
use std::sync::Arc;

use plimsoll::Bytes;

use super::core::{Core, system};
use super::disk::{Disk, File, How, Lock};
use super::format::{MARKER_BYTES, Marker, Unread, WEAR_SLOTS, WearSlot};
use super::index::{Entry, Index};
use super::recover::{Lost, Recovered, recover};
use super::report::Report;
use super::segment::{self, Segment, Shelf, name, overhead_bytes, sealed_overhead_bytes};
use super::settings::{FolderSettings, Sync};
use super::space::{Purse, Space, Taken};
use super::trim::{Candidate, log_value, victims};
use super::wear::Wear;
use super::writer::{Removed, Writer};
use crate::block::BlockId;
use crate::store::StoreError;

/// The file that is locked.
pub(super) const LOCK: &str = "lock";
/// The file that says what the folder is.
pub(super) const MARKER: &str = "plimsoll-kv";
/// Blocks of the lock, and of the folder itself.
const LOCK_AND_FOLDER: u64 = 2;
/// In a small folder a segment is at most this part of it,
const SEGMENT_PART: u64 = 8;
/// but at least so many blocks.
const SEGMENT_BLOCKS_LEAST: u64 = 8;
/// From so many segments on several are read at once.
const MANY: usize = 32;
const THREADS: usize = 8;

/// A folder that is open, in its parts.
pub(super) struct Parts {
    pub core: Core,
    pub writer: Writer,
    pub lock: Lock,
    pub report: Report,
}

pub(super) fn open(disk: &Arc<dyn Disk>, settings: &FolderSettings) -> Result<Parts, StoreError> {
    let failed = |doing| {
        let path = disk.path().to_owned();
        move |source| system(&path, doing, source)
    };
    disk.make().map_err(failed("making"))?;
    let names = disk.list().map_err(failed("listing"))?;
    let ours_before = names.iter().any(|name| name == MARKER);
    let ours = |name: &String| name == LOCK || segment::number(name).is_some();
    if let Some(other) = names.iter().find(|name| !ours_before && !ours(name)) {
        let why = format!("it holds {other}, which is none of its files; name an empty folder");
        return Err(StoreError::Foreign { path: disk.path().to_owned(), why });
    }
    let lock = locked(&**disk)?;
    let names = disk.list().map_err(failed("listing"))?;
    let (marker, slot, unknown) = marked(&**disk, &names, settings)?;
    let mut report = Report { wear_unknown: unknown, reads: disk.way().to_owned(), ..Report::default() };
    let punches = punches(&*marker, disk.block_bytes());

    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    let next = next_number(&**disk, &numbers)?;
    let space = Space::unlimited(disk.path().display().to_string());
    let fixed = space.take(fixed_bytes(disk.block_bytes()), Purse::Reserve)?;
    let mut loading = Loading {
        disk: &**disk,
        punches,
        space: &space,
        shelves: BTreeMap::new(),
        fixed,
        report: &mut report,
    };
    let found = recover_all(&**disk, &numbers);
    let (index, twice) = loading.all(found)?;
    let (shelves, fixed) = (loading.shelves, loading.fixed);

    let max_bytes = settings.max_bytes.get();
    let block_bytes = u64::from(disk.block_bytes());
    let part = (max_bytes / SEGMENT_PART).max(SEGMENT_BLOCKS_LEAST * block_bytes);
    let segment_bytes = settings.segment_bytes.get().max(block_bytes * 2).min(part);
    let day = settings.calendar.day();
    let wear = Wear::resume(slot, unknown, settings.daily_bytes.map(Bytes::get), day);
    let calendar = Arc::clone(&settings.calendar);
    let core = Core::new(Arc::clone(disk), segment_bytes, settings.sync, calendar, space, index, wear);
    let seed = std::hash::RandomState::new().build_hasher().finish();
    let mut writer = Writer { shelves, active: None, next, marker, punches, fixed, seed };
    // What is there twice is buried like anything else that was removed.
    let _ = writer.bury(&core, &twice);
    fit(&core, &mut writer, settings, &mut report)?;
    for number in writer.shelves.keys().copied().collect::<Vec<_>>() {
        if writer.shelves.get(&number).is_some_and(|books| books.trailer.is_none()) {
            // Where that fails the segment is scanned again next time.
            let _ = writer.seal(&core, number);
        }
    }
    report.segments = writer.shelves.len() as u64;
    report.records = core.index().len() as u64;
    Ok(Parts { core, writer, lock, report })
}

/// What marker, lock and folder take.
fn fixed_bytes(block_bytes: u32) -> u64 {
    let block = u64::from(block_bytes);
    (MARKER_BYTES as u64).next_multiple_of(block) + LOCK_AND_FOLDER * block
}

/// The number of the next segment: above all that are there, whosever they are.
fn next_number(disk: &dyn Disk, numbers: &[u64]) -> Result<u64, StoreError> {
    let Some(&last) = numbers.last() else { return Ok(1) };
    last.checked_add(1).ok_or_else(|| {
        let why = "no number comes after that of its name; move it elsewhere, or name another folder";
        StoreError::Foreign { path: disk.path().join(name(last)), why: why.to_owned() }
    })
}

/// The lock, or who has it.
pub(super) fn locked(disk: &dyn Disk) -> Result<Lock, StoreError> {
    match disk.lock(LOCK).map_err(|error| system(disk.path(), "locking", error))? {
        Lock::Other(who) => {
            let by = who.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            Err(StoreError::InUse { path: disk.path().to_owned(), by })
        }
        held @ Lock::Held(_) => Ok(held),
    }
}

/// What the folder says of itself, and what was written to it; the last is whether that is damaged.
pub(super) fn read_marker(file: &dyn File) -> io::Result<(Result<Marker, Unread>, Option<WearSlot>)> {
    let mut bytes = vec![0; MARKER_BYTES];
    let there = usize::try_from(file.facts()?.bytes).unwrap_or(MARKER_BYTES).min(MARKER_BYTES);
    file.read_at(0, &mut [IoSliceMut::new(&mut bytes[..there])])?;
    Ok((Marker::read(&bytes), WearSlot::latest(&bytes)))
}

type Marked = (Arc<dyn File>, Option<WearSlot>, bool);

fn marked(disk: &dyn Disk, names: &[String], settings: &FolderSettings) -> Result<Marked, StoreError> {
    let failed = |source| system(disk.path(), "reading the marker of", source);
    let there = names.iter().any(|name| name == MARKER);
    let how = if there { How::Old } else { How::New };
    let file = disk.open(MARKER, how).map_err(failed)?;
    let (marker, slot) = read_marker(&*file).map_err(failed)?;
    if let Err(Unread::Version(version)) = marker {
        let why = format!("it has format {version}, and this program reads {}", super::format::VERSION);
        return Err(StoreError::Foreign { path: disk.path().to_owned(), why });
    }
    let ours = Marker { max_bytes: settings.max_bytes.get() };
    // Segments without a marker, or with one that is damaged, are ours all the same; what was written today is not known.
    let segments = names.iter().any(|name| segment::number(name).is_some());
    let unknown = slot.is_none() && segments;
    if marker != Ok(ours) || slot.is_none() {
        let wear = slot.unwrap_or_default();
        let blank = vec![0; MARKER_BYTES - 512];
        let mut written = file.write_at(0, &[&ours.write()]);
        if slot.is_none() {
            written = written.and_then(|()| file.write_at(512, &[&blank]));
            written = written.and_then(|()| file.write_at(WEAR_SLOTS[0], &[&wear.write()]));
        }
        if settings.sync == Sync::Power {
            written = written.and_then(|()| file.sync()).and_then(|()| disk.sync());
        }
        written.map_err(|source| system(disk.path(), "writing the marker of", source))?;
    }
    Ok((file, slot, unknown))
}

/// Whether the disk can give the space of a part of a file back. Tried behind the marker's end, where nothing is.
fn punches(marker: &dyn File, block_bytes: u32) -> bool {
    let from = u64::from(block_bytes) * 4;
    let tried = marker.punch(from..from + u64::from(block_bytes));
    !tried.is_err_and(|error| error.kind() == io::ErrorKind::Unsupported)
}

/// Makes out all segments; many at once, because a disk has them sooner so.
pub(super) fn recover_all(disk: &dyn Disk, numbers: &[u64]) -> Vec<(u64, Result<Recovered, Lost>)> {
    let one = |&number: &u64| (number, recover(disk, number));
    if numbers.len() < MANY {
        return numbers.iter().map(one).collect();
    }
    let chunks = numbers.chunks(numbers.len().div_ceil(THREADS));
    std::thread::scope(|scope| {
        let threads: Vec<_> = chunks
            .map(|chunk| (chunk, scope.spawn(move || chunk.iter().map(one).collect::<Vec<_>>())))
            .collect();
        let joined = threads.into_iter().flat_map(|(chunk, thread)| {
            // A thread that died has said why; its segments are read again here.
            thread.join().unwrap_or_else(|_| chunk.iter().map(one).collect())
        });
        joined.collect()
    })
}

/// Segments on their way into the writer's books.
struct Loading<'a> {
    disk: &'a dyn Disk,
    punches: bool,
    space: &'a Arc<Space>,
    shelves: BTreeMap<u64, Shelf>,
    /// What the folder takes beside its segments.
    fixed: Taken,
    report: &'a mut Report,
}

impl Loading<'_> {
    fn all(
        &mut self,
        found: Vec<(u64, Result<Recovered, Lost>)>,
    ) -> Result<(Index, Vec<Removed>), StoreError> {
        let (mut index, mut twice) = (Index::default(), Vec::new());
        let block_bytes = self.disk.block_bytes();
        for (number, found) in found {
            let path = || self.disk.path().join(name(number));
            match found {
                Ok(found) => {
                    for entry in self.one(found)? {
                        // The later segment holds: a compaction wrote it.
                        if let Some(old) = index.insert(entry) {
                            let blocks = old.kept.blocks(block_bytes);
                            let (segment, block) = (old.segment.number, old.kept.block);
                            twice.push(Removed { segment, block, blocks, grave: old.grave });
                        }
                    }
                }
                Err(Lost::Damaged { .. }) => {
                    self.report.damaged_segments += 1;
                    let removed = self.disk.unlink(&name(number));
                    removed.map_err(|error| system(&path(), "removing", error))?;
                }
                // Whose it is cannot be told, so it stays; it has one of our names, so it counts.
                Err(Lost::Strange { allocated }) => {
                    self.report.strange_files += 1;
                    self.report.strange = self.report.strange.saturating_add(Bytes::new(allocated));
                    self.fixed.merge(self.space.take(allocated, Purse::Reserve)?);
                }
                Err(Lost::Foreign(why)) => return Err(StoreError::Foreign { path: path(), why }),
                Err(Lost::System(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(Lost::System(error)) => return Err(system(&path(), "reading", error)),
            }
        }
        self.report.twice = twice.len() as u64;
        Ok((index, twice))
    }

    /// One segment: its books, and its records as entries.
    fn one(&mut self, mut found: Recovered) -> Result<Vec<Entry>, StoreError> {
        let block_bytes = self.disk.block_bytes();
        let block = u64::from(block_bytes);
        self.report.torn = self.report.torn.saturating_add(Bytes::new(found.torn_blocks * block));
        self.report.scanned += u64::from(found.trailer.is_none());
        let live: u64 = found.kept.iter().map(|(kept, _)| u64::from(kept.blocks(block_bytes))).sum();
        let overhead = match &found.trailer {
            Some(trailer) => {
                let footer = found.bytes.saturating_sub(trailer.footer_at);
                sealed_overhead_bytes(found.records, footer, block_bytes)
            }
            None => overhead_bytes(found.records, found.sections, block_bytes),
        };
        let needed = (live * block).saturating_add(overhead);
        self.tidy(&mut found, needed);
        let dead: u64 = found.dead.iter().map(|&(_, blocks)| u64::from(blocks)).sum();
        let taken =
            self.space.take(needed.saturating_add(dead * block).max(found.allocated), Purse::Reserve)?;
        self.space.dead(dead * block, 0);
        let segment = Segment::new(found.number, found.salt, None, taken);
        let entry = |(kept, grave)| Entry { kept, segment: Arc::clone(&segment), grave };
        let entries: Vec<Entry> = found.kept.into_iter().map(entry).collect();
        let books = Shelf {
            end: found.end,
            records: found.records,
            sections: found.sections,
            live: entries.len() as u64,
            live_blocks: live,
            dead: found.dead,
            trailer: found.trailer,
            order: entries.iter().map(|entry| entry.kept.id).collect(),
            ..Shelf::new(segment)
        };
        self.shelves.insert(found.number, books);
        Ok(entries)
    }

    /// Cuts off what is torn, and gives back what was removed and not given back before the process ended.
    fn tidy(&self, found: &mut Recovered, needed: u64) {
        let end = u64::from(found.end) * u64::from(self.disk.block_bytes());
        let torn = found.trailer.is_none() && found.bytes > end;
        let full = found.allocated > needed && !found.dead.is_empty();
        if !torn && !full {
            if self.punches {
                found.dead.clear();
            }
            return;
        }
        let Ok(file) = self.disk.open(&name(found.number), How::Old) else { return };
        if torn && file.truncate(end).is_ok() {
            found.bytes = end;
        }
        if self.punches {
            let range = |&(block, blocks): &(u32, u32)| Shelf::range(block, blocks, self.disk.block_bytes());
            found.dead.retain(|run| file.punch(range(run)).is_err());
        }
        if let Ok(facts) = file.facts() {
            found.allocated = facts.allocated;
        }
    }
}

/// Brings what is there under the limit, and has it charged.
fn fit(
    core: &Core,
    writer: &mut Writer,
    settings: &FolderSettings,
    report: &mut Report,
) -> Result<(), StoreError> {
    let limit = settings.max_bytes.get();
    if !writer.punches {
        core.space.keep_back(core.segment_bytes.saturating_add(overhead_bytes(1, 1, core.block_bytes) * 2));
    }
    shrink(core, writer, limit, report);
    let used = core.space.standing().used;
    if used > limit && !report.strange.is_zero() {
        let (path, files, strange) = (core.disk.path().to_owned(), report.strange_files, report.strange);
        return Err(StoreError::Strange { path, files, strange, capacity: settings.max_bytes });
    }
    match core.space.settle(limit, settings.account.as_ref()) {
        // The account has less than this folder may take: what is least worth goes for that too.
        Err(StoreError::Refused(refusal)) => {
            shrink(core, writer, refusal.fits_now.get(), report);
            core.space.settle(limit, settings.account.as_ref())
        }
        other => other,
    }
}

/// Removes what is least worth until no more than so much is taken, or nothing is left.
fn shrink(core: &Core, writer: &mut Writer, limit: u64, report: &mut Report) {
    let before = core.space.standing().used;
    loop {
        let used = core.space.standing().used;
        let index = core.index();
        if used <= limit || index.len() == 0 {
            break;
        }
        let now = core.calendar.unix_seconds();
        let candidates: Vec<(u64, Candidate)> = index
            .entries()
            .map(|entry| {
                let (id, parent, worth) = (entry.kept.id, entry.kept.parent, entry.kept.worth);
                let bytes = entry.stored(core.block_bytes);
                (entry.segment.number, Candidate { id, parent, bytes, worth })
            })
            .collect();
        drop(index);
        let mut ids = if writer.punches {
            let all: Vec<Candidate> = candidates.iter().map(|&(_, candidate)| candidate).collect();
            victims(&all, used - limit, now)
        } else {
            of_poorest_segment(&candidates, now)
        };
        if ids.is_empty() {
            ids = candidates.iter().map(|(_, candidate)| candidate.id).collect();
        }
        report.trimmed += ids.len() as u64;
        // What cannot be given back shows in the books, and the next turn looks there.
        let _ = writer.remove(core, &ids);
    }
    let freed = before.saturating_sub(core.space.standing().used);
    report.trimmed_bytes = report.trimmed_bytes.saturating_add(Bytes::new(freed));
}

/// Where only whole segments can be given back: all records of the one that is worth least, by the mean of its bytes.
fn of_poorest_segment(candidates: &[(u64, Candidate)], now: u64) -> Vec<BlockId> {
    let mut segments: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for (number, candidate) in candidates {
        #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^52")]
        let bytes = candidate.bytes as f64;
        let (worth, all) = segments.entry(*number).or_default();
        *worth += log_value(candidate, now) * bytes;
        *all += bytes;
    }
    let mean = |&(worth, bytes): &(f64, f64)| worth / bytes;
    let poorest = segments.iter().min_by(|one, other| mean(one.1).total_cmp(&mean(other.1)));
    let Some((&poorest, _)) = poorest else { return Vec::new() };
    candidates.iter().filter(|&&(number, _)| number == poorest).map(|(_, candidate)| candidate.id).collect()
}

/// So that the space of marker, lock and folder lives as long as the writer.
impl Writer {
    pub(super) const fn fixed_bytes(&self) -> u64 {
        Taken::bytes(&self.fixed)
    }
}
