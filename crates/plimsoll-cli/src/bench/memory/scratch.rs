//! A file to measure with, that nobody has to remove.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use plimsoll::Bytes;
use plimsoll::machine::{Disk, Machine};

use super::MemoryError;

/// A file that has no name any more: it is gone when it is closed, whatever ends this program.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) file: File,
    /// The folder whose file system it is on.
    pub(super) folder: PathBuf,
    /// What is known of that file system.
    pub(super) disk: Disk,
}

/// What stays free on a disk that is measured, a tenth of it or this much: programs fail on a full one.
const LEFT_FREE: Bytes = Bytes::gib(4);
/// A file smaller than this tells nothing of a disk.
const LEAST: Bytes = Bytes::mib(64);

impl Scratch {
    /// Makes a file in this folder. What it will hold is written later.
    pub(super) fn open(folder: &Path) -> Result<Self, MemoryError> {
        let failed = |source| MemoryError::Folder { folder: folder.to_owned(), source };
        if !std::fs::metadata(folder).map_err(failed)?.is_dir() {
            return Err(failed(io::Error::from(io::ErrorKind::NotADirectory)));
        }
        let path = folder.join(format!(".plimsoll-bench-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        std::fs::remove_file(&path).map_err(failed)?;
        let disk = Machine::read_for(folder).disk;
        let disk = disk.ok_or_else(|| failed(io::Error::other("its file system tells nothing of itself")))?;
        Ok(Self { file, folder: folder.to_owned(), disk })
    }

    /// How large the file may be: as wanted, or the largest power of two that leaves the disk some room.
    pub(super) fn size(&self, wanted: Bytes) -> Result<Bytes, MemoryError> {
        fitting(wanted, self.disk.total, self.disk.free).ok_or_else(|| MemoryError::NoRoom {
            folder: self.folder.clone(),
            free: self.disk.free,
            total: self.disk.total,
        })
    }
}

fn fitting(wanted: Bytes, total: Bytes, free: Bytes) -> Option<Bytes> {
    let room = free.saturating_sub(total.fraction(0.1).min(LEFT_FREE));
    if room >= wanted {
        return Some(wanted);
    }
    let power = Bytes::new(1 << room.get().checked_ilog2()?);
    (power >= LEAST).then_some(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(scratch.file.metadata().unwrap().len(), 0);
    }

    #[test]
    fn a_folder_must_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for wrong in [file, folder.path().join("missing")] {
            let error = Scratch::open(&wrong).unwrap_err();
            assert!(matches!(&error, MemoryError::Folder { folder, .. } if *folder == wrong), "{error}");
        }
    }

    #[test]
    fn some_of_the_disk_stays_free() {
        let gib = Bytes::gib;
        assert_eq!(fitting(gib(1), gib(100), gib(50)), Some(gib(1)));
        assert_eq!(fitting(gib(1), gib(10), Bytes::mib(1024 + 700)), Some(Bytes::mib(512)));
        assert_eq!(fitting(gib(1), gib(100), gib(5)), Some(gib(1)));
        assert_eq!(fitting(gib(1), gib(100), gib(4)), None);
        assert_eq!(fitting(gib(1), gib(100), Bytes::ZERO), None);
        assert_eq!(fitting(gib(1), Bytes::mib(600), Bytes::mib(100)), None);
        assert_eq!(fitting(Bytes::mib(4), Bytes::mib(600), Bytes::mib(100)), Some(Bytes::mib(4)));
    }
}
