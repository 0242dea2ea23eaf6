//! Several files as one slice: each mapped at its place in one range of addresses.
//!
//! A model in several files is computed with as one of a single file is: a tensor is a range of bytes. Mapping keeps that
//! without a copy; what lies between the end of a file and the next page is zero.

use std::fs::File;
use std::path::PathBuf;

use plimsoll_plan::read::ReadError;

use crate::ModelError;

/// Files behind each other. As with one that is [`Mapped`](super::Mapped), they must not be overwritten in place or made
/// shorter meanwhile.
pub(crate) struct Joined {
    room: Room,
    /// Where each file begins, and how long it is.
    pub(crate) parts: Vec<(usize, usize)>,
}

impl Joined {
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, ModelError> {
        let (mut files, mut parts, mut end) = (Vec::new(), Vec::new(), 0_usize);
        for path in paths {
            let failed = |source| ReadError::Open { path: path.clone(), source };
            let file = File::open(path).map_err(failed)?;
            let length = file.metadata().map_err(failed)?.len();
            let length = usize::try_from(length).map_err(|error| failed(std::io::Error::other(error)))?;
            let next = end.checked_add(length).and_then(|end| end.checked_next_multiple_of(Room::page()));
            let next = next.ok_or_else(|| failed(std::io::ErrorKind::OutOfMemory.into()))?;
            files.push(file);
            parts.push((end, length));
            end = next;
        }
        let mut room = None;
        for ((file, path), (begin, length)) in files.iter().zip(paths).zip(&parts) {
            let failed = |source| ReadError::Read { path: path.clone(), offset: 0, source };
            let room = match &mut room {
                Some(room) => room,
                none => none.insert(Room::new(end).map_err(failed)?),
            };
            room.put(file, *begin, *length).map_err(failed)?;
        }
        let Some(room) = room else {
            let missing = std::io::ErrorKind::NotFound.into();
            return Err(ReadError::Open { path: PathBuf::new(), source: missing }.into());
        };
        Ok(Self { room, parts })
    }
}

impl AsRef<[u8]> for Joined {
    fn as_ref(&self) -> &[u8] {
        self.room.bytes()
    }
}

#[cfg(unix)]
use mapping::Room;
#[cfg(not(unix))]
use reading::Room;

#[cfg(unix)]
mod mapping {
    use std::ffi::c_void;
    use std::fs::File;
    use std::io;
    use std::ptr;

    use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

    /// A range of addresses, in which files are mapped for reading.
    pub(super) struct Room {
        base: *mut c_void,
        bytes: usize,
    }

    // SAFETY: it is addresses that belong to the process, and memory that nobody writes to.
    unsafe impl Send for Room {}
    // SAFETY: as above.
    unsafe impl Sync for Room {}

    impl Room {
        pub(super) fn page() -> usize {
            rustix::param::page_size()
        }

        pub(super) fn new(bytes: usize) -> io::Result<Self> {
            // SAFETY: the system chooses free addresses. What is mapped is zeros that are only read, and takes no memory.
            let base = unsafe { mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::PRIVATE) }?;
            Ok(Self { base, bytes })
        }

        /// Maps a file of this length at a multiple of pages.
        pub(super) fn put(&mut self, file: &File, begin: usize, length: usize) -> io::Result<()> {
            assert!(begin.checked_add(length).is_some_and(|end| end <= self.bytes), "within its room");
            if length == 0 {
                return Ok(());
            }
            let flags = MapFlags::SHARED | MapFlags::FIXED;
            // SAFETY: the place lies within this range, which is ours, and `&mut self` says that nobody reads it now.
            unsafe { mmap(self.base.byte_add(begin), length, ProtFlags::READ, flags, file, 0) }?;
            Ok(())
        }

        pub(super) fn bytes(&self) -> &[u8] {
            // SAFETY: the whole range is mapped for reading as long as `self` is there, and nothing in this process writes
            // to it. That other processes leave the files alone is the condition that the type's documentation states.
            unsafe { std::slice::from_raw_parts(self.base.cast::<u8>(), self.bytes) }
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            // SAFETY: the range is ours, and nobody borrows it any more. It cannot fail for a range that is mapped.
            let _ = unsafe { munmap(self.base, self.bytes) };
        }
    }
}

#[cfg(not(unix))]
mod reading {
    use std::fs::File;
    use std::io::{self, Read as _};

    /// Files that are read, where they cannot be mapped side by side.
    pub(super) struct Room(Vec<u8>);

    impl Room {
        pub(super) const fn page() -> usize {
            4096
        }

        pub(super) fn new(bytes: usize) -> io::Result<Self> {
            Ok(Self(vec![0; bytes]))
        }

        pub(super) fn put(&mut self, mut file: &File, begin: usize, length: usize) -> io::Result<()> {
            file.read_exact(&mut self.0[begin..begin + length])
        }

        pub(super) fn bytes(&self) -> &[u8] {
            &self.0
        }
    }
}
