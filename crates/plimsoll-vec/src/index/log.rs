//! What came since the manifest was written: each change on the disk before it is answered.
//!
//! ```text
//! record   length of what follows (4), its checksum (8), kind (1), count (4), ids (8 each), numbers (4 each; adds)
//! ```
//!
//! A record that is cut at the end of the file was never answered, and is dropped. One that does not match its checksum
//! with others behind it is damage, and is told.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::VecError;
use super::manifest::sync_folder;
use crate::segment::numbered;

const HEAD: usize = 12;
const ADD: u8 = 1;
const DELETE: u8 = 2;
/// The most that one record may be: more is added as a segment.
pub(super) const RECORD_MAX: usize = 1 << 30;

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Vectors with their ids.
    Add { ids: Vec<u64>, vectors: Vec<f32> },
    /// Ids that go.
    Delete { ids: Vec<u64> },
}

/// The log, open for writing.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    /// Begins an empty one.
    pub(super) fn create(folder: &Path, number: u64) -> Result<Self, VecError> {
        let path = numbered(folder, number, "log");
        let create = || -> io::Result<File> {
            let file = File::options().write(true).create(true).truncate(true).open(&path)?;
            file.sync_all()?;
            sync_folder(folder)?;
            Ok(file)
        };
        let file = create().map_err(|source| VecError::Folder { path: path.clone(), source })?;
        Ok(Self { path, file, length: 0 })
    }

    /// Goes on with one after its last whole record, where reading it ended.
    pub(super) fn resume(folder: &Path, number: u64, length: u64) -> Result<Self, VecError> {
        let path = numbered(folder, number, "log");
        let resume = || -> io::Result<File> {
            let file = File::options().write(true).create(true).truncate(false).open(&path)?;
            file.set_len(length)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = resume().map_err(|source| VecError::Folder { path: path.clone(), source })?;
        Ok(Self { path, file, length })
    }

    /// Writes a change and waits for the disk. What fails is taken back, so that nothing half written is followed by
    /// another record.
    pub(super) fn append(&mut self, change: &Change) -> Result<(), VecError> {
        let record = record(change);
        let written = self.file.write_all_at(&record, self.length).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            let _ = self.file.set_len(self.length);
            return Err(VecError::Folder { path: self.path.clone(), source });
        }
        self.length += record.len() as u64;
        Ok(())
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.length
    }
}

fn record(change: &Change) -> Vec<u8> {
    let (kind, ids, vectors): (u8, &[u64], &[f32]) = match change {
        Change::Add { ids, vectors } => (ADD, ids, vectors),
        Change::Delete { ids } => (DELETE, ids, &[]),
    };
    let mut record = vec![0; HEAD];
    record.push(kind);
    record.extend_from_slice(&u32::try_from(ids.len()).unwrap_or(u32::MAX).to_le_bytes());
    record.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    record.extend(vectors.iter().flat_map(|number| number.to_le_bytes()));
    let length = u32::try_from(record.len() - HEAD).unwrap_or(u32::MAX);
    let sum = xxh3_64(&record[HEAD..]);
    record[..4].copy_from_slice(&length.to_le_bytes());
    record[4..HEAD].copy_from_slice(&sum.to_le_bytes());
    record
}

/// Reads a log: each change in turn, and where the last whole record ends.
pub(super) fn replay(
    folder: &Path,
    number: u64,
    dimension: usize,
    mut each: impl FnMut(Change) -> Result<(), VecError>,
) -> Result<u64, VecError> {
    let path = numbered(folder, number, "log");
    let failed = |source| VecError::Folder { path: path.clone(), source };
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        file => file.map_err(failed)?,
    };
    let length = file.metadata().map_err(failed)?.len();
    let mut at = 0;
    while let Some((end, body)) = body(&file, at, length).map_err(failed)? {
        let change =
            change(&body, dimension).ok_or_else(|| VecError::Log { path: path.clone(), offset: at })?;
        each(change)?;
        at = end;
    }
    // What is left was cut, unless there is a whole record behind it.
    if damaged(&file, at, length).map_err(failed)? {
        return Err(VecError::Log { path, offset: at });
    }
    Ok(at)
}

/// The record at an offset, if it is whole and what was written.
fn body(file: &File, at: u64, length: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let Some((end, sum)) = head(file, at, length)? else { return Ok(None) };
    let mut body = vec![0; usize::try_from(end - at).unwrap_or(0).saturating_sub(HEAD)];
    file.read_exact_at(&mut body, at + HEAD as u64)?;
    Ok((xxh3_64(&body) == sum).then_some((end, body)))
}

/// Where a record says that it ends, within the file.
fn head(file: &File, at: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    if length.saturating_sub(at) < HEAD as u64 {
        return Ok(None);
    }
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, at)?;
    let [a, b, c, d, sum @ ..] = head;
    let bytes = u32::from_le_bytes([a, b, c, d]);
    let end = at + (HEAD as u64) + u64::from(bytes);
    let whole = bytes > 0 && bytes as usize <= RECORD_MAX && end <= length;
    Ok(whole.then(|| (end, u64::from_le_bytes(sum))))
}

/// Whether a record that does not match is followed by one that does.
fn damaged(file: &File, at: u64, length: u64) -> io::Result<bool> {
    let Some((end, _)) = head(file, at, length)? else { return Ok(false) };
    Ok(body(file, end, length)?.is_some())
}

fn change(body: &[u8], dimension: usize) -> Option<Change> {
    let (&kind, rest) = body.split_first()?;
    let (count, rest) = rest.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (ids, numbers) = rest.split_at_checked(count.checked_mul(8)?)?;
    let ids = ids.chunks_exact(8).map(|id| u64::from_le_bytes(id.try_into().unwrap_or_default())).collect();
    match kind {
        DELETE if numbers.is_empty() => Some(Change::Delete { ids }),
        ADD if numbers.len() == count.checked_mul(dimension)?.checked_mul(4)? => {
            let number = |number: &[u8]| f32::from_le_bytes(number.try_into().unwrap_or_default());
            Some(Change::Add { ids, vectors: numbers.chunks_exact(4).map(number).collect() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> [Change; 3] {
        [
            Change::Add { ids: vec![1, 2], vectors: vec![0.5, 1.0, -2.0, 8.0] },
            Change::Delete { ids: vec![1] },
            Change::Add { ids: vec![1], vectors: vec![3.0, 4.0] },
        ]
    }

    fn read(folder: &Path) -> Result<(Vec<Change>, u64), VecError> {
        let mut read = Vec::new();
        let end = replay(folder, 1, 2, |change| {
            read.push(change);
            Ok(())
        })?;
        Ok((read, end))
    }

    #[test]
    fn a_log_cut_anywhere_keeps_what_was_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::create(folder.path(), 1).unwrap();
        let mut ends = vec![0];
        for change in changes() {
            log.append(&change).unwrap();
            ends.push(log.bytes());
        }
        assert_eq!(read(folder.path()).unwrap(), (changes().to_vec(), ends[3]));
        let path = numbered(folder.path(), 1, "log");
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
            assert_eq!(
                read(folder.path()).unwrap(),
                (changes()[..whole].to_vec(), ends[whole]),
                "cut at {cut}"
            );
        }
        // And what goes on after a cut is found.
        let mut log = Log::resume(folder.path(), 1, ends[2]).unwrap();
        log.append(&changes()[1]).unwrap();
        assert_eq!(read(folder.path()).unwrap().0.len(), 3);
    }

    #[test]
    fn damage_before_the_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::create(folder.path(), 1).unwrap();
        for change in changes() {
            log.append(&change).unwrap();
        }
        let path = numbered(folder.path(), 1, "log");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEAD + 6] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(read(folder.path()), Err(VecError::Log { offset: 0, .. })));
    }
}
