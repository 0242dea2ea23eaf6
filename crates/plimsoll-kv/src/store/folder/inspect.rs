//! What a folder holds, read without touching it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use plimsoll::Bytes;

use super::calendar::DAY;
use super::disk::{Disk, How, Lock};
use super::format::VERSION;
use super::open::{LOCK, MARKER, read_marker, recover_all};
use super::real::{ReadWay, RealDisk};
use super::recover::Lost;
use super::segment::{self, name};
use crate::block::Root;
use crate::store::StoreError;
use crate::store::folder::core::system;

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The format's version.
    pub version: u32,
    /// The unit in which space is given.
    pub block_bytes: u32,
    /// What it may hold, as whoever opened it last said.
    pub max_bytes: Option<Bytes>,
    /// Segments, and how many of them have a footer.
    pub segments: u64,
    /// Those with a footer.
    pub sealed: u64,
    /// Those of which neither beginning nor end can be read.
    pub unreadable: u64,
    /// Records that live.
    pub records: u64,
    /// Tokens that they stand for.
    pub tokens: u64,
    /// What they take.
    pub live: Bytes,
    /// What removed records still take.
    pub dead: Bytes,
    /// What all segments take of the disk.
    pub allocated: Bytes,
    /// Written on the last day on which anything was, as far as promised, and which day that was, in days since 1970.
    pub written_that_day: Bytes,
    /// That day.
    pub day: u64,
    /// Ever written.
    pub written_total: Bytes,
    /// The roots that records descend from, most bytes first.
    pub roots: Vec<RootFacts>,
    /// On which days records were last used, as far as the store was told: it is when they are written. The last day
    /// first.
    pub last_used: Vec<DayFacts>,
    /// Whether a process has it open, and which, if that is known.
    pub in_use: Option<Option<u32>>,
}

/// What descends from one root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootFacts {
    /// The root.
    pub root: Root,
    /// Records.
    pub records: u64,
    /// What they take.
    pub bytes: Bytes,
}

/// What was last used on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayFacts {
    /// In days since 1970, UTC.
    pub day: u64,
    /// Records.
    pub records: u64,
    /// What they take.
    pub bytes: Bytes,
}

/// Looks at a folder. Works while a process has it open; what that is writing may be missing then.
pub fn inspect(path: &Path) -> Result<Facts, StoreError> {
    inspect_on(&RealDisk::new(path, ReadWay::Pread))
}

/// Looks at a folder on a disk of any kind.
pub fn inspect_on(disk: &dyn Disk) -> Result<Facts, StoreError> {
    let names = named(disk)?;
    // A lock that is had for a moment tells whether somebody has it for long.
    let in_use = match names.iter().any(|name| name == LOCK).then(|| disk.probe(LOCK)) {
        Some(Ok(Lock::Other(who))) => Some(who),
        _ => None,
    };
    let mut facts = Facts { version: VERSION, block_bytes: disk.block_bytes(), in_use, ..Facts::default() };
    if let Ok(file) = disk.open(MARKER, How::ReadOnly) {
        let (marker, wear) =
            read_marker(&*file).map_err(|source| system(disk.path(), "reading the marker of", source))?;
        let wear = wear.unwrap_or_default();
        facts.max_bytes = marker.ok().map(|marker| Bytes::new(marker.max_bytes));
        (facts.day, facts.written_that_day) = (wear.day, Bytes::new(wear.today));
        facts.written_total = Bytes::new(wear.total);
    }
    let numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    let block = u64::from(disk.block_bytes());
    let mut roots: BTreeMap<Root, RootFacts> = BTreeMap::new();
    let mut days: BTreeMap<u64, DayFacts> = BTreeMap::new();
    for (number, found) in recover_all(disk, &numbers) {
        let found = match found {
            Ok(found) => found,
            Err(Lost::Damaged { allocated } | Lost::Strange { allocated }) => {
                facts.unreadable += 1;
                facts.allocated = facts.allocated.saturating_add(Bytes::new(allocated));
                continue;
            }
            Err(Lost::Foreign(why)) => {
                return Err(StoreError::Foreign { path: disk.path().join(name(number)), why });
            }
            Err(Lost::System(error)) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(Lost::System(error)) => {
                return Err(system(&disk.path().join(name(number)), "reading", error));
            }
        };
        facts.segments += 1;
        facts.sealed += u64::from(found.trailer.is_some());
        facts.allocated = facts.allocated.saturating_add(Bytes::new(found.allocated));
        let mut live = 0;
        for (kept, _) in &found.kept {
            let bytes = u64::from(kept.blocks(disk.block_bytes())) * block;
            live += bytes;
            facts.records += 1;
            facts.tokens += u64::from(kept.tokens);
            let none = RootFacts { root: kept.root, records: 0, bytes: Bytes::ZERO };
            let root = roots.entry(kept.root).or_insert(none);
            root.records += 1;
            root.bytes = root.bytes.saturating_add(Bytes::new(bytes));
            let day = kept.worth.used_at / DAY;
            let none = DayFacts { day, records: 0, bytes: Bytes::ZERO };
            let day = days.entry(day).or_insert(none);
            day.records += 1;
            day.bytes = day.bytes.saturating_add(Bytes::new(bytes));
        }
        let dead: u64 = found.dead.iter().map(|&(_, blocks)| u64::from(blocks) * block).sum();
        facts.live = facts.live.saturating_add(Bytes::new(live));
        // What was given back takes nothing: dead is what the file has beyond what lives.
        let beyond = found.allocated.saturating_sub(live);
        facts.dead = facts.dead.saturating_add(Bytes::new(dead.min(beyond)));
    }
    facts.last_used = days.into_values().rev().collect();
    facts.roots = roots.into_values().collect();
    facts.roots.sort_by_key(|root| std::cmp::Reverse((root.bytes, root.root)));
    Ok(facts)
}

/// The names of a folder that is ours; whoever only looks makes none.
pub(super) fn named(disk: &dyn Disk) -> Result<Vec<String>, StoreError> {
    let names = disk.list().map_err(|source| system(disk.path(), "listing", source))?;
    let ours = |name: &String| name == MARKER || segment::number(name).is_some();
    if names.iter().any(ours) {
        return Ok(names);
    }
    let why = "it has neither a marker nor segments; check the path".to_owned();
    Err(StoreError::Foreign { path: disk.path().to_owned(), why })
}
