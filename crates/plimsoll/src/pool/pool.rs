//! The handle that users hold.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_device::{Bytes, Device, DeviceKind, Facts, Place, StorageMode, Stream};

use super::arena::{Arena, ArenaSettings};
use super::central::{Backing, Central};
use super::core::{self, PoolCore};
use super::error::LeaseError;
use super::grow::{Effort, Need};
use super::lease::Lease;
use super::local;
use super::settings::PoolSettings;
use super::stats::PoolStats;
use super::tag::Tag;
use crate::governor::Account;
use crate::record::{Line, leases_wanted};

/// Turns few big device allocations into many small leases, for one account at one place.
///
/// # What it does not do
/// It decides nothing about who may have memory: it asks its account's governor before it grows and is told
/// when to give idle memory back. It does not initialise memory.
///
/// # Who owns what
/// The pool owns what it has backed and the charge for it; each [`Lease`] owns its part until it is dropped.
/// Handles are cheap to clone. When the last one is dropped, idle memory goes back to the device at once
/// (after waiting for fences, at most [`PoolSettings::fence_deadline`]); leases that still live stay valid, and
/// their memory goes back when they do.
///
/// # Example
/// ```
/// use plimsoll::{Bytes, Engine, Place};
/// let engine = Engine::in_memory(Bytes::mib(64), "scratch")?;
/// let pool = engine.account("scratch")?.scratch(Place::Host)?;
/// let mut lease = pool.lease(Bytes::mib(4))?;
/// lease.write(0, b"rows")?;
/// assert_eq!(pool.stats().live, Bytes::mib(4));
/// drop(lease);
/// assert_eq!(pool.stats().live, Bytes::ZERO);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Formula
/// charged = backed = live + cached + pending, in multiples of the device's granule.
#[derive(Clone)]
pub struct Pool {
    core: Arc<PoolCore>,
    handle: Arc<Handle>,
}

/// Closes the pool when the last handle goes.
struct Handle {
    core: Arc<PoolCore>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.close();
    }
}

/// What is asked of [`Pool::lease_with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    bytes: Bytes,
    align: u64,
    tag: Tag,
    within: Option<Duration>,
    stream: Option<Stream>,
}

impl LeaseRequest {
    /// So many bytes, at the device's alignment, untagged, now or not at all.
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, align: 1, tag: Tag::NONE, within: None, stream: None }
    }

    /// At a stricter alignment: a power of two.
    #[must_use]
    pub const fn align(mut self, align: u64) -> Self {
        self.align = align;
        self
    }

    /// Counted under this name.
    #[must_use]
    pub const fn tag(mut self, tag: Tag) -> Self {
        self.tag = tag;
        self
    }

    /// Waiting its turn so long before it is refused.
    #[must_use]
    pub const fn within(mut self, at_most: Duration) -> Self {
        self.within = Some(at_most);
        self
    }

    fn effort(&self) -> Effort {
        self.within.map_or(Effort::Now, Effort::Within)
    }

    /// To be used on this stream first. Bytes that only this stream still uses may then be had at once, since its work
    /// runs in order; the host, and other streams, are refused them until that work is done
    /// ([`Lease::carried`]).
    #[must_use]
    pub const fn on(mut self, stream: Stream) -> Self {
        self.stream = Some(stream);
        self
    }
}

impl From<Bytes> for LeaseRequest {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes)
    }
}

impl Pool {
    /// A pool of `device`'s memory, charged to `account`. Nothing is backed before the first lease.
    pub fn new(
        account: &Account,
        device: Arc<dyn Device>,
        settings: PoolSettings,
    ) -> Result<Self, LeaseError> {
        let facts = device.facts();
        let (place, unit) = (facts.place, facts.min_align.next_power_of_two());
        let usual = if facts.unified { StorageMode::Shared } else { StorageMode::Private };
        let mode = settings.mode.unwrap_or(usual);
        let (mut layout, backing, bounds) = if facts.capabilities.growable_ranges {
            let span = settings.span.unwrap_or_else(|| span_for(facts));
            let region = Arc::new(device.reserve(span, mode)?);
            let span = region.bytes().get();
            let layout = ArenaSettings::pages(unit, facts.granule, span).based_at(region.address());
            (layout, Backing::Range(region), (span, 1 << span.ilog2()))
        } else {
            let largest = facts.max_allocation.get();
            let layout = ArenaSettings::slabs(unit, facts.page, largest);
            (layout, Backing::Slabs(std::collections::BTreeMap::new()), (largest, facts.page))
        };
        layout.slack = settings.slack;
        // The first growth is generous, yet no small device's many pools take it over.
        layout.first_bytes = layout.first_bytes.min(facts.total.get() / 256);
        let tape = core::tape(account, place, device.as_ref());
        let central = Central::new(Arena::new(layout), backing, mode, tape);
        let core = Arc::new(PoolCore::new(account.clone(), place, device, settings, bounds, central));
        core.watch();
        let handle = Arc::new(Handle { core: Arc::clone(&core) });
        Ok(Self { core, handle })
    }

    /// Bytes to use until the lease is dropped.
    ///
    /// Zero bytes are always granted. An error says what was asked, what is free and who holds the rest.
    #[expect(
        clippy::inline_always,
        reason = "the hot path: a call between its parts costs as much as a part"
    )]
    #[inline(always)]
    #[track_caller]
    pub fn lease(&self, bytes: Bytes) -> Result<Lease, LeaseError> {
        let align = self.core.align();
        let rounded = (bytes.get().wrapping_add(align - 1)) & !(align - 1);
        // Zero, and sizes that wrap, round to zero; over-sized ones miss the cache. All take the slow road.
        if rounded != 0
            && let Ok(Some(mut block)) = local::try_with(self.core.key(), (), move |bins, ()| {
                bins.pop(rounded, bytes.get(), Tag::NONE)
            })
        {
            block.requested = bytes.get();
            block.tag = Tag::NONE;
            if leases_wanted() {
                block.note_lease(bytes.get(), Tag::NONE, Location::caller(), None);
            }
            return Ok(Lease::of(block));
        }
        self.lease_missed(&LeaseRequest::new(bytes), Effort::Now, Location::caller())
    }

    /// As [`lease`](Self::lease), for bytes that this stream uses first: see [`LeaseRequest::on`].
    #[track_caller]
    pub fn lease_on(&self, stream: Stream, bytes: Bytes) -> Result<Lease, LeaseError> {
        self.lease_by(&LeaseRequest::new(bytes).on(stream), Effort::Now, Location::caller())
    }

    /// As [`lease`](Self::lease), with an alignment, a tag, a stream, or time to wait.
    #[track_caller]
    pub fn lease_with(&self, request: impl Into<LeaseRequest>) -> Result<Lease, LeaseError> {
        let request = request.into();
        self.lease_by(&request, request.effort(), Location::caller())
    }

    /// From what the pool has or the line has free at this moment, or not at all: nobody is asked to give anything
    /// up, nothing is moved, and nothing is waited for. For what would be nice to have.
    #[track_caller]
    pub fn lease_quietly(&self, request: impl Into<LeaseRequest>) -> Result<Lease, LeaseError> {
        self.lease_by(&request.into(), Effort::Quiet, Location::caller())
    }

    /// Several leases, all or none. While one caller takes several, others who want several wait their turn, so
    /// that two who cannot both have all do not each hold a part and wait for the rest.
    #[track_caller]
    pub fn lease_all(&self, requests: &[LeaseRequest]) -> Result<Vec<Lease>, LeaseError> {
        let patience = requests.iter().filter_map(|request| request.within).max().unwrap_or_default();
        let _turn = self.core.several.take(patience);
        let line = Location::caller();
        requests.iter().map(|request| self.lease_by(request, request.effort(), line)).collect()
    }

    fn lease_by(&self, request: &LeaseRequest, effort: Effort, line: Line) -> Result<Lease, LeaseError> {
        let request = *request;
        let align = self.core.align();
        let rounded = request.bytes.get().wrapping_add(align - 1) & !(align - 1);
        if rounded != 0
            && request.align <= align
            && request.align.is_power_of_two()
            && let Ok(Some(mut block)) = local::try_with(self.core.key(), (), move |bins, ()| {
                bins.pop(rounded, request.bytes.get(), request.tag)
            })
        {
            block.requested = request.bytes.get();
            block.tag = request.tag;
            if leases_wanted() {
                block.note_lease(request.bytes.get(), request.tag, line, request.stream);
            }
            return Ok(Lease::of(block));
        }
        self.lease_missed(&request, effort, line)
    }

    #[cold]
    fn lease_missed(&self, request: &LeaseRequest, effort: Effort, line: Line) -> Result<Lease, LeaseError> {
        let core = &self.core;
        if !request.align.is_power_of_two() || request.align > core.strictest {
            return Err(LeaseError::BadAlignment { align: request.align, limit: core.strictest });
        }
        if request.bytes.is_zero() {
            return Ok(Lease::empty());
        }
        let too_large = || LeaseError::TooLarge { asked: request.bytes, limit: Bytes::new(core.largest) };
        let bytes = request.bytes.checked_round_up(core.align()).ok_or_else(too_large)?;
        if bytes.get() > core.largest {
            return Err(too_large());
        }
        if !local::has(core.key()) {
            local::join(core);
        }
        let align = request.align.max(core.align());
        let need = Need { bytes: bytes.get(), align, effort, stream: request.stream };
        let mut block = core.obtain(need)?;
        block.requested = request.bytes.get();
        block.tag = request.tag;
        block.align_log2 = u8::try_from(need.align.ilog2()).unwrap_or(u8::MAX);
        core.count(|tally| tally.miss(block.bytes, block.requested, block.tag));
        if leases_wanted() {
            block.note_lease(request.bytes.get(), request.tag, line, request.stream);
        }
        Ok(Lease::of(block))
    }

    /// Where its memory is.
    pub fn place(&self) -> Place {
        self.core.place
    }

    /// The account that is charged.
    pub fn account(&self) -> &Account {
        &self.core.account
    }

    /// The device that the memory is on.
    pub fn device(&self) -> &Arc<dyn Device> {
        self.core.device()
    }

    /// What the pool will have behind leases of so many bytes altogether: where the account has room for it (the first growth is
    /// generous, and later ones have some to spare), and where it has none. About so much: leases that lie apart may take more.
    pub fn backed_for(&self, leases: Bytes) -> [Bytes; 2] {
        self.core.central().arena.backed_for(leases.get()).map(Bytes::new)
    }

    /// What the pool will have behind its leases once some of `gone` bytes have been dropped and these have been taken, in
    /// order, where its account has so much `room` besides what is backed now.
    ///
    /// Growth is generous where there is room, and what is free may lie in parts, so the order counts: leases are placed in a
    /// copy of the pool's records. Exact where nothing goes and the pool was [trimmed](Self::trim); where some goes, sizes
    /// alone count.
    pub fn backed_in_turn(&self, gone: Bytes, leases: &[Bytes], room: Bytes) -> Bytes {
        let leases: Vec<u64> = leases.iter().map(|bytes| bytes.get()).collect();
        // Of a copy, so that nobody waits.
        let arena = self.core.central().arena.clone();
        Bytes::new(arena.backed_in_turn(gone.get(), &leases, room.get()))
    }

    /// Gives idle memory back to the device until no more than `keep` is idle; says how much went.
    pub fn trim(&self, keep: Bytes) -> Result<Bytes, LeaseError> {
        Ok(self.core.trim(keep)?)
    }

    /// Waits until the device is done with all that was dropped so far. What does not come within
    /// [`PoolSettings::fence_deadline`] is poisoned: it stays charged until its fence signals after all.
    pub fn settle(&self) -> Result<(), LeaseError> {
        self.core.settle(true)
    }

    /// Its numbers now. Stops each thread that has a cache for some nanoseconds.
    pub fn stats(&self) -> PoolStats {
        self.core.stats()
    }

    pub(super) const fn core(&self) -> &Arc<PoolCore> {
        &self.core
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("account", &self.core.account.path())
            .field("place", &self.core.place)
            .field("handles", &Arc::strong_count(&self.handle))
            .finish_non_exhaustive()
    }
}

/// Addresses cost nothing, and a range that is much larger than what is backed never runs out of holes. Those of a
/// simulated device are the host's memory, if it touches them, and are no more than it takes.
fn span_for(facts: &Facts) -> Bytes {
    let span = facts.total.checked_mul(4).unwrap_or(facts.total);
    if facts.kind == DeviceKind::Simulated { span } else { span.max(Bytes::gib(64)) }
}
