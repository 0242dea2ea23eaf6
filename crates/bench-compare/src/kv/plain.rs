//! A file a block, in folders of some hundred.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

use super::blocks::{Blocks, Keeper};

/// The files.
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

    fn read(&mut self, indices: Range<usize>, into: &mut [u8]) -> io::Result<usize> {
        let bytes = into.len() / indices.len().max(1);
        let mut files = Vec::with_capacity(indices.len());
        for index in indices {
            let file = File::open(self.path(index))?;
            // The disk reads the later ones on while the first is copied.
            fadvise(&file, 0, None, Advice::WillNeed)?;
            files.push(file);
        }
        for (file, block) in files.iter_mut().zip(into.chunks_mut(bytes)) {
            file.read_exact(block)?;
        }
        Ok(files.len())
    }
}

/// Has the page cache forget a file; what is not on the disk yet would stay, so it is brought there first.
pub(super) fn drop_pages(file: &File) -> io::Result<()> {
    file.sync_data()?;
    Ok(fadvise(file, 0, None, Advice::DontNeed)?)
}

/// Has the page cache forget all files of a folder.
pub(super) fn drop_pages_of(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            drop_pages(&File::open(entry.path())?)?;
        }
    }
    Ok(())
}
