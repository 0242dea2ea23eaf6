//! What is behind a host region: mapped memory, a user's memory, or a file.
//!
//! Every access is checked here against what is really there, also when the region that it came with is not
//! what the device made: no call of safe code can reach memory that is not mapped.
//!
//! Memory that two threads use at the same time, one of them writing, has no defined content, as on any
//! device. Who may use which bytes is decided above (a lease has its bytes alone).

use std::any::Any;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::mapping::Mapping;
use super::system::refused;
use crate::{Bytes, CommitMap, DeviceError};

/// How much a device has handed out, shared with everything that it handed out.
#[derive(Debug, Default)]
pub(super) struct Tally(AtomicU64);

impl Tally {
    pub(super) fn get(&self) -> Bytes {
        Bytes::new(self.0.load(Ordering::Relaxed))
    }

    /// Counts `bytes` more, unless that would be over `limit`.
    pub(super) fn add(&self, bytes: u64, limit: u64) -> Result<(), Bytes> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|&sum| sum <= limit)
            })
            .map(|_| ())
            .map_err(|used| Bytes::new(limit.saturating_sub(used)))
    }

    pub(super) fn sub(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A range's book, and the parts of it that work on streams will use.
#[derive(Debug)]
pub(super) struct Growable {
    map: RwLock<CommitMap>,
    pins: Mutex<Vec<Range<u64>>>,
    mapping: Mapping,
}

/// A mapped file. Reads go through the file, not through the mapping: a file that another program cuts makes a
/// mapping deadly to touch, and a read merely short.
#[derive(Debug)]
pub(super) struct FilePart {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Where in the file the region starts.
    pub(super) start: u64,
    /// None for a part with no bytes, which cannot be mapped.
    pub(super) _mapping: Option<Mapping>,
}

/// A value whose bytes a region borrows for as long as it lives.
#[derive(Debug)]
pub(super) struct Owner(NonNull<dyn Any + Send + Sync>);

// SAFETY: the pointee is Send, and this is its only owner.
unsafe impl Send for Owner {}
// SAFETY: the pointee is never touched before it is dropped.
unsafe impl Sync for Owner {}

impl Owner {
    /// Takes a value to where it stays, and gives its place for looking at it once.
    pub(super) fn new<O: Send + Sync + 'static>(owner: O) -> (Self, NonNull<O>) {
        let place = NonNull::from(Box::leak(Box::new(owner)));
        (Self(place), place)
    }

    /// The value itself; nothing borrowed from it is used any more.
    ///
    /// # Safety
    /// `place` is what [`new`](Self::new) returned with this owner.
    pub(super) unsafe fn into_inner<O>(self, place: NonNull<O>) -> O {
        std::mem::forget(self);
        // SAFETY: made from a box in `new`, and forgotten above so that it is not dropped twice.
        *unsafe { Box::from_raw(place.as_ptr()) }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: made from a box in `new`, dropped once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// What kind of thing is behind a region.
#[derive(Debug)]
pub(super) enum Kind {
    Plain(Mapping),
    Growable(Growable),
    Adopted(#[expect(dead_code, reason = "kept alive")] Owner),
    File(FilePart),
}

/// While this lives, nothing of a growable range is decommitted.
pub(super) type Kept<'b> = Option<RwLockReadGuard<'b, CommitMap>>;

/// What a host region's `backing` is.
#[derive(Debug)]
pub(super) struct Backing {
    base: NonNull<u8>,
    bytes: u64,
    kind: Kind,
    writable: bool,
    /// What of the device's limit a plain allocation takes.
    counted: u64,
    tally: Arc<Tally>,
}

// SAFETY: the base is an address; what it points to is kept by `kind`, and every use of it is checked here.
unsafe impl Send for Backing {}
// SAFETY: as above.
unsafe impl Sync for Backing {}

impl Backing {
    /// `counted` bytes are on the tally already, and leave it when this is dropped.
    pub(super) fn plain(mapping: Mapping, bytes: u64, counted: u64, tally: Arc<Tally>) -> Self {
        Self { base: mapping.base(), bytes, kind: Kind::Plain(mapping), writable: true, counted, tally }
    }

    pub(super) fn growable(mapping: Mapping, granule: u64, tally: Arc<Tally>) -> Self {
        let bytes = mapping.bytes() as u64;
        Self {
            base: mapping.base(),
            bytes,
            kind: Kind::Growable(Growable {
                map: RwLock::new(CommitMap::new(bytes, granule)),
                pins: Mutex::new(Vec::new()),
                mapping,
            }),
            writable: true,
            counted: 0,
            tally,
        }
    }

    /// # Safety
    /// `owner` keeps `bytes` at `base` valid for reads, and for writes if `writable`, and untouched by others.
    pub(super) unsafe fn adopted(owner: Owner, base: NonNull<u8>, bytes: u64, writable: bool) -> Self {
        Self { base, bytes, kind: Kind::Adopted(owner), writable, counted: 0, tally: Arc::default() }
    }

    /// `base` is where the part starts, within its mapping.
    pub(super) fn file(part: FilePart, base: NonNull<u8>, bytes: u64) -> Self {
        Self { base, bytes, kind: Kind::File(part), writable: false, counted: 0, tally: Arc::default() }
    }

    pub(super) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) const fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File(_))
    }

    /// The host reads.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), DeviceError> {
        let part = self.part(offset, into.len() as u64)?;
        if let Kind::File(file) = &self.kind {
            return file.read(part.start, into);
        }
        let _kept = self.usable(&part)?;
        // SAFETY: the part is mapped and, while `_kept` lives, stays backed; `into` is the caller's alone.
        unsafe { ptr::copy_nonoverlapping(self.at(offset), into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// The host writes.
    pub(super) fn write(&self, offset: u64, from: &[u8]) -> Result<(), DeviceError> {
        let part = self.part(offset, from.len() as u64)?;
        self.may_write()?;
        let _kept = self.usable(&part)?;
        // SAFETY: as in `read`; `from` cannot be the region's own bytes unless the caller broke the rule that
        // bytes are used by one at a time.
        unsafe { ptr::copy(from.as_ptr(), self.at(offset), from.len()) };
        Ok(())
    }

    /// Backs a part.
    pub(super) fn commit(&self, part: &Range<u64>, limit: u64, lock: bool) -> Result<(), CommitError> {
        let growable = self.as_growable(part, "backed")?;
        let mut map = growable.map.write().unwrap_or_else(PoisonError::into_inner);
        let granules = map.vacant(part)?;
        let bytes = part.end - part.start;
        self.tally.add(bytes, limit).map_err(CommitError::Full)?;
        let place = indices(part);
        let done = growable.mapping.commit(&place).and_then(|()| {
            if lock {
                growable.mapping.lock(&place)?;
            }
            Ok(())
        });
        if let Err(error) = done {
            let _ = growable.mapping.decommit(&place);
            self.tally.sub(bytes);
            return Err(CommitError::System(error));
        }
        map.mark(&granules, true);
        Ok(())
    }

    /// Gives a part's memory back.
    pub(super) fn decommit(&self, part: &Range<u64>) -> Result<(), DeviceError> {
        let growable = self.as_growable(part, "given back")?;
        // With the map held for writing nobody reads or writes; what will is pinned.
        let mut map = growable.map.write().unwrap_or_else(PoisonError::into_inner);
        let granules = map.backed(part)?;
        let used = growable.pins().iter().any(|pin| pin.start < part.end && part.start < pin.end);
        if used {
            return Err(map.bad(part, "given back", "work on a stream still uses it"));
        }
        growable.mapping.decommit(&indices(part)).map_err(|error| refused("giving memory back", &error))?;
        map.mark(&granules, false);
        self.tally.sub(part.end - part.start);
        Ok(())
    }

    /// The mapping and the whole pages around a part of it that is backed.
    pub(super) fn pages(
        &self,
        offset: u64,
        bytes: u64,
        page: u64,
    ) -> Result<(&Mapping, Range<usize>, Kept<'_>), DeviceError> {
        let part = self.part(offset, bytes)?;
        let kept = self.usable(&part)?;
        let mapping = match &self.kind {
            Kind::Plain(mapping) => mapping,
            Kind::Growable(growable) => &growable.mapping,
            Kind::Adopted(_) | Kind::File(_) => {
                return Err(DeviceError::Unsupported {
                    device: "the host".to_owned(),
                    what: "lock or inspect memory that it did not allocate",
                });
            }
        };
        let pages = part.start / page * page..part.end.next_multiple_of(page);
        Ok((mapping, indices(&pages), kept))
    }

    /// A part that work on a stream will use. It stays mapped and backed until the pin is dropped.
    pub(super) fn pin(self: &Arc<Self>, offset: u64, bytes: u64) -> Result<Pin, DeviceError> {
        let part = self.part(offset, bytes)?;
        if let Kind::Growable(growable) = &self.kind {
            let _kept = self.usable(&part)?;
            if bytes > 0 {
                growable.pins().push(part.clone());
            }
        }
        Ok(Pin { backing: Arc::clone(self), part })
    }

    pub(super) fn may_write(&self) -> Result<(), DeviceError> {
        if self.writable { Ok(()) } else { Err(DeviceError::ReadOnly) }
    }

    fn part(&self, offset: u64, bytes: u64) -> Result<Range<u64>, DeviceError> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.bytes => Ok(offset..end),
            _ => Err(DeviceError::UnknownRegion),
        }
    }

    fn usable(&self, part: &Range<u64>) -> Result<Kept<'_>, DeviceError> {
        match &self.kind {
            Kind::Growable(growable) => {
                let map = growable.map.read().unwrap_or_else(PoisonError::into_inner);
                map.readable(part.start, part.end)?;
                Ok(Some(map))
            }
            _ => Ok(None),
        }
    }

    fn as_growable(&self, part: &Range<u64>, what: &'static str) -> Result<&Growable, DeviceError> {
        match &self.kind {
            Kind::Growable(growable) => Ok(growable),
            _ => Err(DeviceError::BadRange {
                start: part.start,
                end: part.end,
                what,
                why: "this region is an allocation, not a growable range",
                granule: 0,
            }),
        }
    }

    /// The address of a byte that was checked to be within.
    fn at(&self, offset: u64) -> *mut u8 {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.base.as_ptr().wrapping_add(offset)
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        let committed = match &self.kind {
            Kind::Growable(growable) => {
                let map = growable.map.read().unwrap_or_else(PoisonError::into_inner);
                map.backed_bytes().get()
            }
            _ => 0,
        };
        self.tally.sub(self.counted + committed);
    }
}

impl Growable {
    fn pins(&self) -> MutexGuard<'_, Vec<Range<u64>>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FilePart {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), DeviceError> {
        let start = self.start + offset;
        match self.file.read_exact_at(into, start) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(DeviceError::FileTooShort {
                path: self.path.clone(),
                start,
                end: start + into.len() as u64,
                length: Bytes::new(self.file.metadata().map_or(0, |meta| meta.len())),
            }),
            Err(error) => Err(refused("reading a mapped file", &error)),
        }
    }
}

/// Why a part could not be backed.
#[derive(Debug)]
pub(super) enum CommitError {
    /// So much is left of the device's limit.
    Full(Bytes),
    System(io::Error),
    Device(DeviceError),
}

impl From<DeviceError> for CommitError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

/// Bytes that a piece of work uses: mapped and backed for as long as this lives.
#[derive(Debug)]
pub(super) struct Pin {
    backing: Arc<Backing>,
    part: Range<u64>,
}

impl Pin {
    pub(super) const fn bytes(&self) -> u64 {
        self.part.end - self.part.start
    }

    /// Copies from another part of the same size, which shares no byte with this one.
    pub(super) fn copy_from(&self, source: &Self) {
        assert_eq!(self.bytes(), source.bytes(), "sizes are checked when work is put on a stream");
        let bytes = indices(&self.part).len();
        // SAFETY: both parts are mapped and backed while pinned, and `copy` allows any overlap.
        unsafe { ptr::copy(source.start().cast_const(), self.start(), bytes) };
    }

    /// Every byte becomes `value`.
    pub(super) fn fill(&self, value: u8) {
        // SAFETY: the part is mapped and backed while pinned.
        unsafe { ptr::write_bytes(self.start(), value, indices(&self.part).len()) };
    }

    /// Takes the bytes of `from`, which has the part's size.
    pub(super) fn put(&self, from: &[u8]) {
        assert_eq!(self.bytes(), from.len() as u64, "sizes are checked before");
        // SAFETY: the part is mapped and backed while pinned; `from` has as many bytes.
        unsafe { ptr::copy(from.as_ptr(), self.start(), from.len()) };
    }

    /// Gives the part's bytes to `into`, which has the part's size.
    pub(super) fn get(&self, into: &mut [u8]) -> Result<(), DeviceError> {
        self.backing.read(self.part.start, into)
    }

    /// Whether two parts share memory, whatever regions they came with.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.start().addr() as u64, other.start().addr() as u64);
        self.bytes() > 0 && other.bytes() > 0 && a < b + other.bytes() && b < a + self.bytes()
    }

    /// The part's bytes as they are in memory, which is not for a file.
    pub(super) fn bytes_to_read(&self) -> &[u8] {
        assert!(!self.backing.is_file(), "files are read through the file");
        // SAFETY: the part is mapped, initialised and backed while pinned, which `self` is for as long as the
        // slice; who else may use the bytes meanwhile is decided above.
        unsafe { std::slice::from_raw_parts(self.start(), indices(&self.part).len()) }
    }

    /// The part's bytes, to be written.
    pub(super) fn bytes_to_write(&mut self) -> &mut [u8] {
        assert!(self.backing.writable, "what is only read is refused before");
        // SAFETY: as above; writable memory, which work on the device uses with one pin at a time.
        unsafe { std::slice::from_raw_parts_mut(self.start(), indices(&self.part).len()) }
    }

    /// Takes bytes out of a file. They move through the file, so that a file that was cut is an error.
    pub(super) fn copy_from_file(&self, source: &Self) -> Result<(), DeviceError> {
        let mut piece = vec![0; usize::try_from(self.bytes().min(1 << 20)).unwrap_or(1 << 20)];
        let mut done = 0;
        while done < self.bytes() {
            let step = (self.bytes() - done).min(piece.len() as u64);
            let piece = &mut piece[..usize::try_from(step).unwrap_or(usize::MAX)];
            source.backing.read(source.part.start + done, piece)?;
            self.backing.write(self.part.start + done, piece)?;
            done += step;
        }
        Ok(())
    }

    fn start(&self) -> *mut u8 {
        self.backing.at(self.part.start)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if let Kind::Growable(growable) = &self.backing.kind {
            let mut pins = growable.pins();
            if let Some(index) = pins.iter().position(|pin| *pin == self.part) {
                pins.swap_remove(index);
            }
        }
    }
}

fn indices(part: &Range<u64>) -> Range<usize> {
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    index(part.start)..index(part.end)
}
