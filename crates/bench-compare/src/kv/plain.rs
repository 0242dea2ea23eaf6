//! The disk itself, and a file a block.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags, fadvise};

use super::blocks::{Blocks, Keeper};

/// What the disk is called, by name and by what it is measured with.
pub(super) const DISK: &str = "disk";

/// One file, read from its beginning to its end: what the disk gives.
pub(super) struct Disk {
    path: PathBuf,
    direct: bool,
    file: Option<File>,
    /// Large enough to hold a block at an address that direct reads want.
    aligned: Vec<u8>,
}

const ALIGNMENT: usize = 4_096;

impl Disk {
    pub fn new(folder: &Path, direct: bool) -> Self {
        let path = folder.join(if direct { "disk-direct" } else { "disk" });
        Self { path, direct, file: None, aligned: Vec::new() }
    }
}

impl Keeper for Disk {
    fn name(&self) -> &'static str {
        DISK
    }

    fn cache(&self) -> &'static str {
        if self.direct { "page cache bypassed" } else { "page cache dropped" }
    }

    fn write(&mut self, blocks: &Blocks) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        blocks.each(|_, block| file.write_all(block))?;
        file.sync_all()?;
        let flags = if self.direct { OFlags::DIRECT.bits() } else { 0 };
        let flags = i32::try_from(flags).map_err(io::Error::other)?;
        // A file system that cannot read directly is read through the page cache, which is dropped all the same.
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(&self.path);
        self.file = Some(opened.or_else(|_| File::open(&self.path))?);
        self.aligned = vec![0; blocks.bytes + ALIGNMENT];
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), drop_pages)
    }

    fn read(&mut self, index: usize, into: &mut [u8]) -> io::Result<bool> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let at = (index * into.len()) as u64;
        if self.direct {
            let start = self.aligned.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
            let block = &mut self.aligned[start..start + into.len()];
            file.read_exact_at(block, at)?;
            // Not copied out: what the disk gives is asked for, and the first bytes say which block it is.
            let first = into.len().min(8);
            into[..first].copy_from_slice(&block[..first]);
        } else {
            file.read_exact_at(into, at)?;
        }
        Ok(true)
    }
}

/// A file a block, in folders of some hundred.
pub(super) struct Files {
    folder: PathBuf,
    count: usize,
}

impl Files {
    pub fn new(folder: &Path) -> io::Result<Self> {
        let folder = folder.join("files");
        (0..256).try_for_each(|part| std::fs::create_dir_all(folder.join(format!("{part:02x}"))))?;
        Ok(Self { folder, count: 0 })
    }

    fn path(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{:02x}", index % 256)).join(index.to_string())
    }
}

impl Keeper for Files {
    fn name(&self) -> &'static str {
        "a file a block"
    }

    fn cache(&self) -> &'static str {
        "page cache dropped"
    }

    fn write(&mut self, blocks: &Blocks) -> io::Result<()> {
        self.count = blocks.count;
        blocks.each(|index, block| {
            let mut file = File::create(self.path(index))?;
            file.write_all(block)
        })?;
        (0..blocks.count).try_for_each(|index| File::open(self.path(index))?.sync_data())
    }

    fn forget(&mut self) -> io::Result<()> {
        (0..self.count).try_for_each(|index| drop_pages(&File::open(self.path(index))?))
    }

    fn read(&mut self, index: usize, into: &mut [u8]) -> io::Result<bool> {
        File::open(self.path(index))?.read_exact(into)?;
        Ok(true)
    }
}

/// Has the page cache forget a file; what is not on the disk yet would stay, so it is brought there first.
pub(super) fn drop_pages(file: &File) -> io::Result<()> {
    file.sync_data()?;
    Ok(fadvise(file, 0, None, Advice::DontNeed)?)
}
