//! Checking and compacting a folder that nobody has open.

use std::io::{self, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll::Bytes;

use super::disk::{Disk, How};
use super::folder::{Compacted, Folder};
use super::format::{HEAD_BYTES, Head, Header, Kept, section_check};
use super::inspect::{Facts, inspect_on, named};
use super::open::{LOCK, MARKER, locked, read_marker};
use super::real::{ReadWay, RealDisk};
use super::recover::{Lost, Recovered, recover};
use super::segment::{self, name};
use super::settings::{FolderSettings, Sync};
use crate::block::BlockId;
use crate::store::StoreError;
use crate::store::folder::core::system;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments and records that were read.
    pub segments: u64,
    /// Records.
    pub records: u64,
    /// Bytes of sections whose sums were right.
    pub bytes: Bytes,
    /// Segments without a footer: what a process leaves that was killed. They are sound, and read whole at the next start.
    pub unsealed: u64,
    /// What is damaged.
    pub damaged: Vec<Damage>,
}

/// Something that does not verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In which file.
    pub file: String,
    /// From where on.
    pub offset: u64,
    /// Of which block, if that is known.
    pub block: Option<BlockId>,
    /// What does not verify.
    pub what: String,
}

/// Reads every record of a folder and checks all of it. Writes nothing. A folder that a process has open is refused: what
/// it removes meanwhile would look damaged.
pub fn verify(path: &Path) -> Result<Verified, StoreError> {
    verify_on(&RealDisk::new(path, ReadWay::Pread))
}

/// Checks a folder on a disk of any kind.
pub fn verify_on(disk: &dyn Disk) -> Result<Verified, StoreError> {
    let names = named(disk)?;
    let in_use = names.iter().any(|name| name == LOCK).then(|| disk.probe(LOCK));
    if let Some(Ok(super::disk::Lock::Other(who))) = in_use {
        let by = who.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        return Err(StoreError::InUse { path: disk.path().to_owned(), by });
    }
    let mut verified = Verified::default();
    check_marker(disk, &mut verified)?;
    for number in names.iter().filter_map(|name| segment::number(name)) {
        verified.segments += 1;
        let path = disk.path().join(name(number));
        match recover(disk, number) {
            Ok(found) => check_segment(disk, &found, &mut verified)
                .map_err(|source| system(&path, "reading", source))?,
            Err(Lost::Damaged { .. }) => {
                verified.damage(number, 0, None, "neither its beginning nor its end can be read");
            }
            Err(Lost::Strange { .. }) => {
                verified.damage(number, 0, None, "it is no segment of this folder; move it elsewhere");
            }
            Err(Lost::Foreign(why)) => return Err(StoreError::Foreign { path, why }),
            Err(Lost::System(source)) => return Err(system(&path, "reading", source)),
        }
    }
    Ok(verified)
}

fn check_marker(disk: &dyn Disk, verified: &mut Verified) -> Result<(), StoreError> {
    let file = disk.open(MARKER, How::ReadOnly);
    let read = match file.and_then(|file| read_marker(&*file)) {
        Ok((marker, wear)) => marker.is_ok() && wear.is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(source) => return Err(system(disk.path(), "reading the marker of", source)),
    };
    if !read {
        let what = "the marker does not verify; the next start makes it anew".to_owned();
        verified.damaged.push(Damage { file: MARKER.to_owned(), offset: 0, block: None, what });
    }
    Ok(())
}

fn check_segment(disk: &dyn Disk, found: &Recovered, verified: &mut Verified) -> io::Result<()> {
    let number = found.number;
    verified.unsealed += u64::from(found.trailer.is_none());
    if found.spoiled_footer {
        verified.damage(number, u64::from(found.end) * u64::from(disk.block_bytes()), None, "its footer");
    }
    if found.damaged_blocks > 0 {
        let what = format!("{} blocks between its records", found.damaged_blocks);
        verified.damage(number, 0, None, &what);
    }
    let file = disk.open(&name(number), How::ReadOnly)?;
    let mut head = [0; HEAD_BYTES];
    // The second is for whoever cannot read the first; both must be right.
    file.read_at(0, &mut [IoSliceMut::new(&mut head)])?;
    if !Head::is_whole(&head) {
        verified.damage(number, 0, None, "its head");
    }
    for (kept, _) in &found.kept {
        let at = u64::from(kept.block) * u64::from(disk.block_bytes());
        verified.records += 1;
        match check_record(&*file, kept, found, at) {
            Ok(bytes) => verified.bytes = verified.bytes.saturating_add(Bytes::new(bytes)),
            Err(Unsound::What(what)) => verified.damage(number, at, Some(kept.id), &what),
            Err(Unsound::System(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                verified.damage(number, at, Some(kept.id), "the file ends before it");
            }
            Err(Unsound::System(error)) => return Err(error),
        }
    }
    Ok(())
}

enum Unsound {
    What(String),
    System(io::Error),
}

impl From<io::Error> for Unsound {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// The bytes of a record's sections, if all of it verifies.
fn check_record(
    file: &dyn super::disk::File,
    kept: &Kept,
    found: &Recovered,
    at: u64,
) -> Result<u64, Unsound> {
    let mut head = vec![0; kept.header_bytes as usize];
    file.read_at(at, &mut [IoSliceMut::new(&mut head)])?;
    let header = Header::read(&head, found.number, found.salt, kept.block)
        .map_err(|_| Unsound::What("its header".to_owned()))?;
    let tokens = u32::try_from(header.tokens.len()).unwrap_or(u32::MAX);
    let same = header.id == kept.id && header.sections[..] == kept.sections[..] && tokens == kept.tokens;
    if !same {
        return Err(Unsound::What("its header is not what the footer says".to_owned()));
    }
    let mut at = at + u64::from(kept.header_bytes);
    let mut section = Vec::new();
    for (index, (&bytes, &check)) in header.sections.iter().zip(&header.checks).enumerate() {
        section.resize(bytes as usize, 0);
        file.read_at(at, &mut [IoSliceMut::new(&mut section)])?;
        if section_check(kept.id, index, &section) != check {
            return Err(Unsound::What(format!("section {index}")));
        }
        at += u64::from(bytes);
    }
    Ok(header.data_bytes())
}

impl Verified {
    fn damage(&mut self, number: u64, offset: u64, block: Option<BlockId>, what: &str) {
        self.damaged.push(Damage { file: name(number), offset, block, what: what.to_owned() });
    }
}

/// Compacts a folder that nobody has open, under the limit that it was last opened with: drops what is damaged, moves what
/// lives together. What it was before, what was done, what it is now.
pub fn compact(path: &Path) -> Result<(Facts, Compacted, Facts), StoreError> {
    let path: PathBuf = path.to_owned();
    compact_on(&(Arc::new(RealDisk::new(path, ReadWay::Pread)) as Arc<dyn Disk>))
}

/// Compacts a folder on a disk of any kind.
pub fn compact_on(disk: &Arc<dyn Disk>) -> Result<(Facts, Compacted, Facts), StoreError> {
    let _ = named(&**disk)?;
    drop(locked(&**disk)?);
    let before = inspect_on(&**disk)?;
    let max_bytes = before.max_bytes.unwrap_or(Bytes::MAX);
    // What is written by hand is not held to a day's limit, and is counted.
    let settings = FolderSettings { sync: Sync::Power, ..FolderSettings::new(disk.path(), max_bytes) };
    let (folder, report) = Folder::open_on(Arc::clone(disk), &settings)?;
    let scrubbed = folder.scrub()?;
    let mut done = folder.compact()?;
    done.damaged += scrubbed + report.damaged_segments;
    drop(folder);
    let after = inspect_on(&**disk)?;
    Ok((before, done, after))
}
