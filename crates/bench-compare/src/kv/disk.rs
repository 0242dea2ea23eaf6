//! The disk itself: one file, read from its beginning to its end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::fs::{Advice, OFlags, fadvise};

use super::blocks::{Blocks, Keeper};
use super::plain::drop_pages;

/// What the disk is called.
pub(super) const DISK: &str = "disk";

/// What the disk gives to direct reads, by threads that each have one in flight and copy nothing anywhere.
pub(super) struct Direct {
    path: PathBuf,
    crew: Vec<Sender<(usize, usize)>>,
    done: Option<Receiver<Done>>,
    bypasses: bool,
}

/// A block's index and its first bytes.
type Done = io::Result<(usize, [u8; 8])>;

const ALIGNMENT: usize = 4_096;

impl Direct {
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("disk-direct"), crew: Vec::new(), done: None, bypasses: true }
    }

    /// Starts as many threads as blocks are in flight at most.
    fn hire(&mut self, file: &Arc<File>, bytes: usize) {
        let (give, take) = channel();
        self.crew.clear();
        for _ in 0..super::beside::IN_FLIGHT_MOST {
            let (ask, asked) = channel::<(usize, usize)>();
            let (file, give) = (Arc::clone(file), give.clone());
            std::thread::spawn(move || {
                // An address that direct reads want lies within.
                let mut room = vec![0; bytes + ALIGNMENT];
                let start = room.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
                for (index, length) in asked {
                    let block = &mut room[start..start + length];
                    let read = file.read_exact_at(block, (index * length) as u64);
                    let first = block.first_chunk().copied().unwrap_or_default();
                    // Whoever asked may have gone.
                    let _ = give.send(read.map(|()| (index, first)));
                }
            });
            self.crew.push(ask);
        }
        self.done = Some(take);
    }
}

impl Keeper for Direct {
    fn name(&self) -> &'static str {
        DISK
    }

    fn cache(&self) -> &'static str {
        if self.bypasses { "page cache bypassed" } else { "page cache dropped" }
    }

    fn write(&mut self, blocks: &Blocks) -> io::Result<()> {
        write(&self.path, blocks)?;
        let flags = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(&self.path);
        // A file system that cannot read directly is read through the page cache, which is dropped all the same.
        self.bypasses = opened.is_ok();
        let file = Arc::new(opened.or_else(|_| File::open(&self.path))?);
        self.hire(&file, blocks.bytes);
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        drop_pages(&File::open(&self.path)?)
    }

    fn read(&mut self, indices: Range<usize>, into: &mut [u8]) -> io::Result<usize> {
        let (first, count) = (indices.start, indices.len());
        let bytes = into.len() / count.max(1);
        for (index, ask) in indices.zip(self.crew.iter().cycle()) {
            ask.send((index, bytes)).map_err(io::Error::other)?;
        }
        let Some(done) = &self.done else {
            return Ok(0);
        };
        for _ in 0..count {
            // Not copied out: what the disk gives is asked for, and the first bytes say which block it is.
            let (index, start) = done.recv().map_err(io::Error::other)??;
            let at = (index - first) * bytes;
            into[at..at + 8].copy_from_slice(&start);
        }
        Ok(count)
    }
}

/// The same file read through the page cache, announced ahead.
pub(super) struct Cached {
    path: PathBuf,
    file: Option<File>,
}

impl Cached {
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("disk"), file: None }
    }
}

impl Keeper for Cached {
    fn name(&self) -> &'static str {
        DISK
    }

    fn cache(&self) -> &'static str {
        "page cache dropped"
    }

    fn write(&mut self, blocks: &Blocks) -> io::Result<()> {
        write(&self.path, blocks)?;
        self.file = Some(File::open(&self.path)?);
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), drop_pages)
    }

    fn read(&mut self, indices: Range<usize>, into: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &self.file else {
            return Ok(0);
        };
        let bytes = into.len() / indices.len().max(1);
        let at = (indices.start * bytes) as u64;
        let length = std::num::NonZeroU64::new(into.len() as u64);
        fadvise(file, at, length, Advice::WillNeed)?;
        file.read_exact_at(into, at)?;
        Ok(indices.len())
    }
}

fn write(path: &Path, blocks: &Blocks) -> io::Result<()> {
    let mut file = File::create(path)?;
    blocks.each(|_, block| file.write_all(block))?;
    file.sync_all()
}
