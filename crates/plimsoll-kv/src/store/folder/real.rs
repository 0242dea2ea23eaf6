//! A folder of the system.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;

#[cfg(target_os = "linux")]
use super::disk::Read;
use super::disk::{Disk, Facts, File, How, Lock};

/// What space is counted in at least: what is written is cut to it.
const BLOCK_LEAST: u32 = 4096;
const BLOCK_MOST: u32 = 1 << 20;
/// Reading so far ahead keeps a fast disk busy.
#[cfg(target_os = "linux")]
const AHEAD_KIB: u64 = 2 << 10;
/// What a system that counts blocks counts them in, whatever its file system does.
const COUNTED: u64 = 512;

/// How several reads go at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadWay {
    /// What measured best: one after the other, each announced ahead.
    #[default]
    Best,
    /// Through `io_uring`, where the system has it.
    Uring,
    /// One after the other, each announced ahead, whatever measures best.
    Pread,
}

/// A folder of the system.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    block_bytes: u32,
    reads_ahead: bool,
    #[cfg(target_os = "linux")]
    rings: Option<super::uring::Rings>,
}

#[derive(Debug)]
struct RealFile {
    file: fs::File,
}

impl RealDisk {
    /// A folder, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>, way: ReadWay) -> Self {
        let path = path.into();
        let (block_bytes, reads_ahead) = (block_bytes(&path), reads_ahead(&path));
        #[cfg(not(target_os = "linux"))]
        let _ = way;
        Self {
            path,
            block_bytes,
            reads_ahead,
            #[cfg(target_os = "linux")]
            rings: (way == ReadWay::Uring).then(super::uring::Rings::open).flatten(),
        }
    }
}

/// The unit of the file system that a folder is on, or will be.
fn block_bytes(path: &Path) -> u32 {
    let said = facts(path).map_or(BLOCK_LEAST.into(), |facts| facts.blksize());
    u32::try_from(said).unwrap_or(BLOCK_MOST).clamp(BLOCK_LEAST, BLOCK_MOST).next_power_of_two()
}

/// What the system says of a folder, or of the nearest above it that is there.
fn facts(path: &Path) -> Option<fs::Metadata> {
    let there = path.ancestors().find_map(|path| fs::metadata(path).ok());
    there.or_else(|| fs::metadata(".").ok())
}

/// Whether the system reads far ahead of who reads on and on, from the disk that a folder is on.
#[cfg(target_os = "linux")]
fn reads_ahead(path: &Path) -> bool {
    let Some(device) = facts(path).map(|facts| facts.dev()) else { return false };
    let device = format!("/sys/dev/block/{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    // Of a part of a disk, the disk knows.
    let said = ["queue", "../queue"].iter().find_map(|queue| {
        let text = fs::read_to_string(format!("{device}/{queue}/read_ahead_kb")).ok()?;
        text.trim().parse::<u64>().ok()
    });
    said.is_some_and(|kib| kib >= AHEAD_KIB)
}

#[cfg(not(target_os = "linux"))]
fn reads_ahead(_: &Path) -> bool {
    false
}

/// Locks a file, or says who has.
fn locked(file: &fs::File, how: FlockOperation) -> io::Result<Option<Lock>> {
    match rustix::fs::flock(file, how) {
        Ok(()) => Ok(None),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
            let mut text = String::new();
            // Who holds it has written its number, or is just about to.
            let _ = file.take(32).read_to_string(&mut text);
            Ok(Some(Lock::Other(text.trim().parse().ok())))
        }
        Err(error) => Err(error.into()),
    }
}

impl Disk for RealDisk {
    fn path(&self) -> &Path {
        &self.path
    }

    fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)
    }

    fn lock(&self, name: &str) -> io::Result<Lock> {
        let path = self.path.join(name);
        let mut file =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        if let Some(other) = locked(&file, FlockOperation::NonBlockingLockExclusive)? {
            return Ok(other);
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Lock::Held(Box::new(file)))
    }

    fn probe(&self, name: &str) -> io::Result<Lock> {
        let file = fs::File::open(self.path.join(name))?;
        // Shared: two who only look are not in each other's way.
        let other = locked(&file, FlockOperation::NonBlockingLockShared)?;
        Ok(other.unwrap_or_else(|| Lock::Held(Box::new(file))))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?;
        names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, name: &str, how: How) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(how != How::ReadOnly).create_new(how == How::New).mode(0o600);
        let file = options.open(self.path.join(name))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    #[cfg(target_os = "linux")]
    fn read_many(&self, reads: &mut [Read<'_>]) -> bool {
        let Some(rings) = &self.rings else { return false };
        rings.read(reads);
        true
    }

    fn reads_ahead(&self) -> bool {
        self.reads_ahead
    }

    fn way(&self) -> &'static str {
        #[cfg(target_os = "linux")]
        if self.rings.is_some() {
            return "io_uring";
        }
        "pread"
    }
}

impl File for RealFile {
    fn read_at(&self, mut at: u64, parts: &mut [IoSliceMut<'_>]) -> io::Result<()> {
        let mut parts = parts;
        IoSliceMut::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let read = vectored(&self.file, at, parts)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at = at.saturating_add(read as u64);
            IoSliceMut::advance_slices(&mut parts, read);
        }
        Ok(())
    }

    fn write_at(&self, mut at: u64, parts: &[&[u8]]) -> io::Result<()> {
        // So many parts one call takes.
        for parts in parts.chunks(512) {
            let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let mut slices = &mut slices[..];
            IoSlice::advance_slices(&mut slices, 0);
            while !slices.is_empty() {
                let written = write_vectored(&self.file, at, slices)?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                at = at.saturating_add(written as u64);
                IoSlice::advance_slices(&mut slices, written);
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    #[cfg(target_os = "linux")]
    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        use rustix::fs::FallocateFlags;

        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let bytes = range.end.saturating_sub(range.start);
        rustix::fs::fallocate(&self.file, flags, range.start, bytes).map_err(|error| {
            let never = [rustix::io::Errno::OPNOTSUPP, rustix::io::Errno::NOSYS];
            if never.contains(&error) { io::ErrorKind::Unsupported.into() } else { error.into() }
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn punch(&self, _range: Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn facts(&self) -> io::Result<Facts> {
        let facts = self.file.metadata()?;
        let allocated = facts.blocks().saturating_mul(COUNTED);
        Ok(Facts { bytes: facts.len(), allocated, linked: facts.nlink() > 0 })
    }

    #[cfg(target_os = "linux")]
    fn expect(&self, range: Range<u64>) {
        let bytes = std::num::NonZeroU64::new(range.end.saturating_sub(range.start));
        // Advice; without it the read itself waits.
        let _ = rustix::fs::fadvise(&self.file, range.start, bytes, rustix::fs::Advice::WillNeed);
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

#[cfg(target_os = "linux")]
fn vectored(file: &fs::File, at: u64, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    match parts {
        [only] => retry(|| file.read_at(only, at)),
        parts => retry(|| Ok(rustix::io::preadv(file, parts, at)?)),
    }
}

#[cfg(not(target_os = "linux"))]
fn vectored(file: &fs::File, at: u64, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    parts.first_mut().map_or(Ok(0), |part| retry(|| file.read_at(part, at)))
}

#[cfg(target_os = "linux")]
fn write_vectored(file: &fs::File, at: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    match parts {
        [only] => retry(|| file.write_at(only, at)),
        parts => retry(|| Ok(rustix::io::pwritev(file, parts, at)?)),
    }
}

#[cfg(not(target_os = "linux"))]
fn write_vectored(file: &fs::File, at: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    parts.first().map_or(Ok(0), |part| retry(|| file.write_at(part, at)))
}

fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
