//! The machine's own memory as a device.
//!
//! Allocations are page-aligned anonymous mappings; growable ranges are address space that takes nothing until
//! a part is committed and gives its memory back when the part is decommitted. What a user already has, page-
//! aligned memory or a file, becomes a region without being copied. Nothing is locked into RAM unless asked.
//!
//! # What cannot happen
//! No call of this device touches memory that is not mapped: reads, writes and copies are checked against what
//! is really there, a part cannot be decommitted while work on a stream uses it, and mapped files are read
//! through the file, so that one that another program cuts is an error and not a signal. Code that goes through
//! [`Region::host`](crate::Region::host) instead keeps these rules itself: touching an uncommitted part, or a
//! mapped file beyond the end that it has now, ends the process.
//!
//! # Files
//! * An empty file or an empty part of one is a region of zero bytes, of which zero bytes can be read.
//! * A part beyond the end is [`DeviceError::FileTooShort`] when it is mapped.
//! * A file that is cut later: what is still there can be read; the rest is `FileTooShort` at each read.
//! * A file that grows later: the region stays as it was.
//! * A file that is written to later: reads see the new bytes.
//! * A copy out of a file is done before `copy` returns, because it may fail.

mod backing;
mod device;
mod kernels;
mod lane;
mod mapping;
mod settings;
mod system;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use settings::HostSettings;

use self::backing::{Backing, FilePart, Owner, Tally};
use self::lane::Lane;
use self::mapping::Mapping;
use self::system::{System, refused};
use crate::lanes::Lanes;
use crate::lost::Lost;
use crate::{
    Bytes, Capabilities, DeviceError, DeviceId, DeviceKind, Facts, Place, Region, Span, StorageMode,
};

/// The strictest alignment that is given.
const ALIGN_MAX: u64 = 1 << 30;
/// The largest address range that is reserved: well within the 47 bits that programs have.
const RANGE_MAX: u64 = 1 << 45;

/// The machine's memory.
///
/// Opening it is cheap and it may be opened more than once; each has its own streams and regions.
///
/// ```
/// use plimsoll_device::{Bytes, Device, HostDevice, HostSettings, Request, StorageMode};
/// let host = HostDevice::open(HostSettings::default())?;
/// let region = host.allocate(Request::new(Bytes::mib(1), StorageMode::Shared))?;
/// host.write(region.span(10..15)?, b"bytes")?;
/// let mut back = [0; 5];
/// host.read(region.span(10..15)?, &mut back)?;
/// assert_eq!(&back, b"bytes");
/// host.free(region).map_err(|refused| refused.error)?;
/// # Ok::<(), plimsoll_device::DeviceError>(())
/// ```
#[derive(Debug)]
pub struct HostDevice {
    id: DeviceId,
    facts: Facts,
    settings: HostSettings,
    /// Mappings of at least this size ask for huge pages and start at a multiple of it.
    huge_page: Option<u64>,
    limit: u64,
    tally: Arc<Tally>,
    regions: AtomicU64,
    lost: Arc<Lost>,
    lanes: Lanes<Arc<Lane>>,
}

/// What growable ranges are backed in unless it is said.
const GRANULE: u64 = 512 << 10;

impl HostDevice {
    /// Opens the machine's memory.
    pub fn open(settings: HostSettings) -> Result<Self, DeviceError> {
        let system = System::read();
        let machine = system::memory()?;
        let huge_page = system.huge_page.filter(|_| settings.huge_pages);
        let granule = match settings.granule {
            Some(granule) => granule.get(),
            None => GRANULE.max(system.page),
        };
        if !granule.is_power_of_two() || granule < system.page || granule > ALIGN_MAX {
            return Err(DeviceError::BadSetting {
                setting: "granule",
                value: granule,
                why: "it must be a power of two from one page to 1 GiB",
            });
        }
        let total = settings.limit.unwrap_or(machine.total).min(machine.total);
        let lost = Arc::default();
        Ok(Self {
            id: DeviceId::new(),
            facts: Facts {
                name: "host".to_owned(),
                kind: DeviceKind::Host,
                place: Place::Host,
                total,
                unified: true,
                min_align: system.cache_line,
                page: system.page,
                granule,
                max_allocation: total,
                capabilities: Capabilities {
                    growable_ranges: true,
                    shared: true,
                    private: true,
                    managed: true,
                },
            },
            huge_page,
            limit: settings.limit.map_or(u64::MAX, Bytes::get),
            settings,
            tally: Arc::default(),
            regions: AtomicU64::new(1),
            lanes: Lanes::new(Lane::new("host", &lost)),
            lost,
        })
    }

    /// What is allocated and committed on this device now, touched or not. Adopted memory and files are not.
    pub fn allocated(&self) -> Bytes {
        self.tally.get()
    }

    /// Makes a region of memory that the user already has, without copying it.
    ///
    /// The owner is dropped when the region is freed and no work uses it. Memory that is not page-aligned is
    /// refused with [`DeviceError::Unaligned`], and the owner comes back with the error.
    pub fn adopt<O>(&self, owner: O) -> Result<Region, AdoptError<O>>
    where
        O: AsMut<[u8]> + Send + Sync + 'static,
    {
        self.take(owner, true, |mut place| {
            // SAFETY: the owner was just moved to where it stays, and only this borrows it.
            let bytes = unsafe { place.as_mut() }.as_mut();
            (NonNull::from(&mut *bytes).cast(), bytes.len() as u64)
        })
    }

    /// The same for memory that must not be written: the region is read only.
    pub fn adopt_read_only<O>(&self, owner: O) -> Result<Region, AdoptError<O>>
    where
        O: AsRef<[u8]> + Send + Sync + 'static,
    {
        self.take(owner, false, |place| {
            // SAFETY: the owner was just moved to where it stays, and only this borrows it.
            let bytes = unsafe { place.as_ref() }.as_ref();
            (NonNull::from(bytes).cast(), bytes.len() as u64)
        })
    }

    /// Maps a part of a file as a read-only region. The module's documentation says what happens to files that
    /// are empty, short, cut or written to.
    ///
    /// The region starts at the part's first byte, which is page-aligned only if the part is.
    pub fn map_file(&self, path: &Path, range: impl RangeBounds<u64>) -> Result<Region, DeviceError> {
        self.lost.check(&self.facts.name)?;
        let file = File::open(path).map_err(|error| refused("opening a file to map it", &error))?;
        let length = file.metadata().map_err(|error| refused("reading a file's length", &error))?.len();
        let start = match range.start_bound() {
            Bound::Included(&n) => n,
            Bound::Excluded(&n) => n.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&n) => n.saturating_add(1),
            Bound::Excluded(&n) => n,
            Bound::Unbounded => length.max(start),
        };
        if start > end || end > length {
            return Err(DeviceError::FileTooShort {
                path: path.to_owned(),
                start,
                end,
                length: Bytes::new(length),
            });
        }
        let skipped = start % self.facts.page;
        let bytes = Bytes::new(end - start);
        let mapping = (start < end)
            .then(|| Mapping::file(&file, start - skipped, Bytes::new(skipped + bytes.get()).as_usize()))
            .transpose()
            .map_err(|error| refused("mapping a file", &error))?;
        let base = mapping.as_ref().map_or(NonNull::dangling(), |mapping| {
            // SAFETY: less than a page, and the mapping has at least one byte after it.
            unsafe { mapping.base().add(Bytes::new(skipped).as_usize()) }
        });
        let part = FilePart { file, path: path.to_owned(), start, _mapping: mapping };
        let backing = Backing::file(part, base, bytes.get());
        Ok(self.region(backing, bytes, StorageMode::Shared).read_only())
    }

    /// Locks memory into RAM, so that the system cannot page it out. Only when the user asks for it: what is
    /// locked is taken from everybody else on the machine.
    pub fn lock(&self, span: Span<'_>) -> Result<(), DeviceError> {
        let backing = self.backing(span.region())?;
        let (mapping, pages, _kept) = backing.pages(span.offset(), span.bytes().get(), self.facts.page)?;
        mapping
            .lock(&pages)
            .map_err(|error| refused("locking memory into RAM (the limit is `ulimit -l`)", &error))
    }

    /// Lets the system page memory out again.
    pub fn unlock(&self, span: Span<'_>) -> Result<(), DeviceError> {
        let backing = self.backing(span.region())?;
        let (mapping, pages, _kept) = backing.pages(span.offset(), span.bytes().get(), self.facts.page)?;
        mapping.unlock(&pages).map_err(|error| refused("unlocking memory", &error))
    }

    /// How much of a span's pages is in RAM now.
    pub fn resident(&self, span: Span<'_>) -> Result<Bytes, DeviceError> {
        let backing = self.backing(span.region())?;
        let (mapping, pages, _kept) = backing.pages(span.offset(), span.bytes().get(), self.facts.page)?;
        let page = Bytes::new(self.facts.page).as_usize();
        mapping
            .resident(&pages, page)
            .map(|bytes| Bytes::new(bytes as u64))
            .map_err(|error| refused("asking what is in RAM", &error))
    }

    fn take<O: Send + Sync + 'static>(
        &self,
        owner: O,
        writable: bool,
        look: impl FnOnce(NonNull<O>) -> (NonNull<u8>, u64),
    ) -> Result<Region, AdoptError<O>> {
        let (owner, place) = Owner::new(owner);
        let (base, bytes) = look(place);
        let address = base.as_ptr() as u64;
        let refused = if let Err(error) = self.lost.check(&self.facts.name) {
            Some(error)
        } else if bytes == 0 {
            Some(DeviceError::ZeroSize)
        } else if !address.is_multiple_of(self.facts.page) {
            Some(DeviceError::Unaligned { address, page: self.facts.page })
        } else {
            None
        };
        if let Some(error) = refused {
            // SAFETY: `place` came with `owner`, and what was borrowed from it is not used any more.
            let owner = unsafe { owner.into_inner(place) };
            return Err(AdoptError { owner, error });
        }
        // SAFETY: `look` borrowed these bytes from the owner, which stays where it is and is not touched again
        // before it is dropped with the backing: the borrow lasts as if the owner had been leaked.
        let backing = unsafe { Backing::adopted(owner, base, bytes, writable) };
        let region = self.region(backing, Bytes::new(bytes), StorageMode::Shared);
        Ok(if writable { region } else { region.read_only() })
    }

    fn region(&self, backing: Backing, bytes: Bytes, mode: StorageMode) -> Region {
        let id = self.regions.fetch_add(1, Ordering::Relaxed);
        let base = backing.base();
        let backing = Arc::new(backing);
        if mode == StorageMode::Private {
            let address = base.as_ptr() as u64;
            return Region::device_only(self.id, id, bytes, mode, address, backing);
        }
        // SAFETY: the backing keeps `bytes` mapped at its base, usable wherever they are committed; files and
        // other memory that must not be written are made read only by the caller.
        unsafe { Region::host_visible(self.id, id, bytes, mode, base, backing) }
    }

    /// What is behind a region of this device.
    fn backing<'r>(&self, region: &'r Region) -> Result<&'r Backing, DeviceError> {
        self.lost.check(&self.facts.name)?;
        if region.device() != self.id {
            return Err(DeviceError::WrongDevice);
        }
        region.backing().downcast_ref::<Backing>().ok_or(DeviceError::UnknownRegion)
    }
}

impl Drop for HostDevice {
    fn drop(&mut self) {
        // Work that is queued holds what it uses and is finished; nobody waits for it here.
        for lane in self.lanes.iter() {
            lane.close();
        }
    }
}

/// Memory that could not be adopted, with its owner.
#[derive(thiserror::Error)]
#[error("the memory was not adopted: {error}")]
pub struct AdoptError<O> {
    /// The owner, unchanged.
    pub owner: O,
    /// Why.
    pub error: DeviceError,
}

// Not derived: an owner need not be printable for its refusal to be unwrapped.
impl<O> fmt::Debug for AdoptError<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptError").field("error", &self.error).finish_non_exhaustive()
    }
}
