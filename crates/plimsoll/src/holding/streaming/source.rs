//! What a stream reads from: bytes at offsets.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::StreamError;

/// Bytes that can be read at any offset, by several threads at once.
///
/// A source is asked for its length when it is opened, and for nothing beyond. Reading may give less than was asked;
/// nothing at all means that the data ends there.
pub trait Source: Send + Sync {
    /// What people call it, for messages.
    fn name(&self) -> &str;
    /// How long it is now.
    fn bytes_now(&self) -> io::Result<u64>;
    /// Reads from `offset` on, as much as there is and fits.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Offsets, lengths and addresses that are multiples of this are read fastest; a power of two.
    fn grain(&self) -> u64 {
        1
    }
}

/// What direct reads must be aligned to: the largest block that storage commonly has.
pub const DIRECT_GRAIN: u64 = 4096;

/// A regular file, read at offsets, so that no position is shared.
///
/// Mapping is not used for streams: a file that is cut while it is mapped ends the process with a signal, where a read
/// ends with an error; and what passes through once should not push out of the page cache what is used again. With
/// direct reads it does not pass through the page cache at all, where the system can do that; where it cannot (a file
/// system in memory, macOS, the unaligned end of a file), the ordinary way is taken.
#[derive(Debug)]
pub struct FileSource {
    name: String,
    file: File,
    direct: Option<File>,
    direct_works: AtomicBool,
}

impl FileSource {
    /// Opens a file. Anything but a regular file is refused.
    pub fn open(path: &Path, direct: bool) -> Result<Self, StreamError> {
        let name = path.display().to_string();
        let failed = |source| StreamError::Read { name: name.clone(), offset: 0, source };
        // Asked before opening: opening a pipe would wait for its other end.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(StreamError::NotAFile { name });
        }
        let file = File::open(path).map_err(failed)?;
        let direct = if direct { open_direct(path) } else { None };
        let direct_works = AtomicBool::new(direct.is_some());
        Ok(Self { name, file, direct, direct_works })
    }

    /// Whether reads go past the page cache, as far as is known now.
    pub fn reads_directly(&self) -> bool {
        self.direct_works.load(Ordering::Relaxed)
    }

    fn direct_for(&self, offset: u64, into: &[u8]) -> Option<&File> {
        let aligned = |number: u64| number.is_multiple_of(DIRECT_GRAIN);
        let fits = aligned(offset) && aligned(into.len() as u64) && aligned(into.as_ptr().addr() as u64);
        self.direct.as_ref().filter(|_| fits && self.reads_directly())
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn bytes_now(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if let Some(direct) = self.direct_for(offset, into) {
            match read_file_at(direct, offset, into) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.direct_works.store(false, Ordering::Relaxed);
                }
                read => return read,
            }
        }
        read_file_at(&self.file, offset, into)
    }

    fn grain(&self) -> u64 {
        if self.direct.is_some() { DIRECT_GRAIN } else { 1 }
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, offset)
}

#[cfg(windows)]
fn read_file_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, offset)
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(libc::O_DIRECT).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_path: &Path) -> Option<File> {
    None
}
