//! Address space from the system: the only file of this device that maps and unmaps.
//!
//! A [`Mapping`] is a piece of address space that is unmapped when it is dropped. Its methods take offsets that
//! are asserted to lie inside, so that no caller can change memory that is not its own.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};

use libc::{c_int, c_void};

/// What a new mapping may be used for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read and write.
    Both,
    /// Nothing: address space to be backed later. Takes no memory and no commit charge.
    Nothing,
}

/// Address space that this process owns.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping is a number and a size; it belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: its methods are system calls, which the kernel orders.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Anonymous memory that starts at a multiple of `align` (a power of two). `bytes` are whole pages.
    pub(super) fn anonymous(bytes: usize, align: usize, page: usize, access: Access) -> io::Result<Self> {
        let slack = align.saturating_sub(page);
        let asked = bytes.checked_add(slack).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let (protection, reserve) = match access {
            Access::Both => (libc::PROT_READ | libc::PROT_WRITE, 0),
            Access::Nothing => (libc::PROT_NONE, libc::MAP_NORESERVE),
        };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | reserve;
        let whole = Self::map(ptr::null_mut(), asked, protection, flags, -1, 0)?;
        Ok(whole.trim(bytes, align))
    }

    /// `bytes` of a file from `offset` (a whole number of pages), read only.
    pub(super) fn file(file: &File, offset: u64, bytes: usize) -> io::Result<Self> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        Self::map(ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), offset)
    }

    pub(super) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes a part usable. The system backs it when it is touched.
    pub(super) fn commit(&self, part: &Range<usize>) -> io::Result<()> {
        let (start, length) = self.part(part);
        // SAFETY: the part lies within this mapping, which is ours.
        said(unsafe { libc::mprotect(start, length, libc::PROT_READ | libc::PROT_WRITE) })
    }

    /// Gives a part's memory back to the system and makes it unusable.
    ///
    /// On Linux the part is dropped and then protected. When the kernel has no room for one more piece of
    /// address space, the protection is left out: the memory is gone all the same, which is what counts.
    #[cfg(target_os = "linux")]
    pub(super) fn decommit(&self, part: &Range<usize>) -> io::Result<()> {
        let (start, length) = self.part(part);
        // SAFETY: the part lies within this mapping; nobody has a reference into it (see `Backing::decommit`).
        let mut dropped = said(unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) });
        if dropped.is_err() {
            // Locked pages cannot be dropped.
            self.unlock(part)?;
            // SAFETY: as above.
            dropped = said(unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) });
        }
        dropped?;
        // SAFETY: as above.
        let _ = said(unsafe { libc::mprotect(start, length, libc::PROT_NONE) });
        Ok(())
    }

    /// Gives a part's memory back to the system by mapping nothing in its place: elsewhere than on Linux,
    /// advice to drop pages is only advice.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn decommit(&self, part: &Range<usize>) -> io::Result<()> {
        let (start, length) = self.part(part);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let again = Self::map(start, length, libc::PROT_NONE, flags, -1, 0)?;
        // The part still belongs to this mapping.
        std::mem::forget(again);
        Ok(())
    }

    /// Asks for huge pages behind all of it. Only advice: what the system does not have it does not give.
    pub(super) fn advise_huge(&self) {
        #[cfg(target_os = "linux")]
        {
            let (start, length) = self.part(&(0..self.bytes));
            // SAFETY: all of this mapping; the advice changes no content.
            let _ = unsafe { libc::madvise(start, length, libc::MADV_HUGEPAGE) };
        }
    }

    /// Locks a part into RAM.
    pub(super) fn lock(&self, part: &Range<usize>) -> io::Result<()> {
        let (start, length) = self.part(part);
        // SAFETY: the part lies within this mapping.
        said(unsafe { libc::mlock(start, length) })
    }

    /// Lets the system page a part out again.
    pub(super) fn unlock(&self, part: &Range<usize>) -> io::Result<()> {
        let (start, length) = self.part(part);
        // SAFETY: the part lies within this mapping.
        said(unsafe { libc::munlock(start, length) })
    }

    /// How many bytes of a part (whole pages) are in RAM.
    pub(super) fn resident(&self, part: &Range<usize>, page: usize) -> io::Result<usize> {
        let (start, length) = self.part(part);
        let mut pages = vec![0_u8; length.div_ceil(page)];
        // SAFETY: the part lies within this mapping and `pages` has one byte for each of its pages.
        said(unsafe { libc::mincore(start, length, pages.as_mut_ptr().cast()) })?;
        Ok(pages.iter().filter(|&&flags| flags & 1 != 0).count() * page)
    }

    fn map(
        at: *mut c_void,
        bytes: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: libc::off_t,
    ) -> io::Result<Self> {
        // SAFETY: without MAP_FIXED the kernel chooses free space; with it the caller owns the space.
        let base = unsafe { libc::mmap(at, bytes, protection, flags, file, offset) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at zero"))?;
        Ok(Self { base, bytes })
    }

    /// Keeps `bytes` at the first multiple of `align` and gives the ends back.
    fn trim(self, bytes: usize, align: usize) -> Self {
        let head = self.base.as_ptr().align_offset(align);
        let tail = self.bytes - head - bytes;
        // SAFETY: `head` is within the mapping: it has at least `align - page` bytes more than are kept.
        let base = unsafe { self.base.add(head) };
        if head > 0 {
            // SAFETY: these pages are ours and nobody knows them yet.
            let _ = unsafe { libc::munmap(self.base.as_ptr().cast(), head) };
        }
        if tail > 0 {
            // SAFETY: as above.
            let _ = unsafe { libc::munmap(base.add(bytes).as_ptr().cast(), tail) };
        }
        std::mem::forget(self);
        Self { base, bytes }
    }

    fn part(&self, part: &Range<usize>) -> (*mut c_void, usize) {
        assert!(
            part.start <= part.end && part.end <= self.bytes,
            "{part:?} of a mapping of {} bytes",
            self.bytes
        );
        // SAFETY: asserted to lie within the mapping.
        let start = unsafe { self.base.add(part.start) };
        (start.as_ptr().cast(), part.end - part.start)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and whoever could use it holds the owner of this value.
        let _ = unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

fn said(status: c_int) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
