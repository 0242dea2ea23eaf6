//! A pool's shared part: who owns it, how blocks come home, and how it is closed.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};

use plimsoll_device::{Bytes, Device, DeviceError, Place};

use super::arena::Placed;
use super::biased::Biased;
use super::bins::{Bins, Limits};
use super::block::{Block, Position};
use super::central::Central;
use super::chain::ReturnQueue;
use super::grow::Need;
use super::holders;
use super::local::{self, PoolKey, ThreadCache};
use super::settings::PoolSettings;
use super::stats::{PoolStats, TagStats};
use super::tally::Tally;
use super::turn::Turn;
use crate::governor::{Account, Registration, Shrink};
use crate::record::{Stand, Standing, Tape};
use crate::sync::{Mutex, MutexGuard, Weak, lock};

/// What every lease and drop reads and nobody writes, on a cache line (a pair of them, as fetched) of its own, so
/// that whoever holds the pool's lock does not slow the others' hot path.
#[derive(Clone, Copy)]
#[repr(align(128))]
struct Fixed {
    key: PoolKey,
    /// Requests are rounded up to this power of two.
    align: u64,
}

pub(crate) struct PoolCore {
    fixed: Fixed,
    device: Arc<dyn Device>,
    pub(super) account: Account,
    pub(super) place: Place,
    /// What writes down what happens to it.
    pub(super) tape: Tape,
    pub(super) settings: PoolSettings,
    /// The most that could ever be had in one piece.
    pub(super) largest: u64,
    /// The strictest alignment that could.
    pub(super) strictest: u64,
    returns: ReturnQueue<Block>,
    central: Mutex<Central>,
    caches: Mutex<Vec<Arc<ThreadCache>>>,
    /// Counts of threads that are gone, and of those that have no cache.
    others: Mutex<Tally>,
    closed: AtomicBool,
    /// How the governor finds the pool's idle and pending memory; it keeps weak references itself.
    known: OnceLock<[Known; 2]>,
    /// Whether somebody is taking several leases at once.
    pub(super) several: Turn,
}

/// A holder, and its registration.
type Known = (Registration, Arc<dyn Shrink>);

/// The pool's shared part, locked.
pub(super) struct Locked<'c>(Option<MutexGuard<'c, Central>>);

impl Deref for Locked<'_> {
    type Target = Central;

    fn deref(&self) -> &Central {
        match &self.0 {
            Some(central) => central,
            None => unreachable!("the guard is taken only when this is dropped"),
        }
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Central {
        match &mut self.0 {
            Some(central) => central,
            None => unreachable!("the guard is taken only when this is dropped"),
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Some(mut central) = self.0.take() {
            let spent = std::mem::take(&mut central.spent);
            drop(central);
            // Releasing charges wakes tasks, and wakers are foreign code that may come back to this pool.
            drop(spent);
        }
    }
}

impl PoolCore {
    pub(super) fn new(
        account: Account,
        place: Place,
        device: Arc<dyn Device>,
        settings: PoolSettings,
        (largest, strictest): (u64, u64),
        central: Central,
    ) -> Self {
        Self {
            tape: central.tape.clone(),
            fixed: Fixed { key: PoolKey::claim(), align: device.facts().min_align.next_power_of_two() },
            device,
            account,
            place,
            settings,
            largest,
            strictest,
            returns: ReturnQueue::new(),
            central: Mutex::new(central),
            caches: Mutex::new(Vec::new()),
            others: Mutex::new(Tally::default()),
            closed: AtomicBool::new(false),
            known: OnceLock::new(),
            several: Turn::default(),
        }
    }

    #[inline]
    pub(super) const fn key(&self) -> PoolKey {
        self.fixed.key
    }

    #[inline]
    pub(super) const fn align(&self) -> u64 {
        self.fixed.align
    }

    #[inline]
    pub(super) const fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    pub(super) fn central(&self) -> Locked<'_> {
        Locked(Some(lock(&self.central)))
    }

    /// Keeps the pool known to the governor until its last byte is gone, which may be long after its last handle:
    /// what waits for a device then is found by whoever needs memory.
    pub(super) fn watch(self: &Arc<Self>) {
        let holders = holders::of(self);
        let governor = self.account.governor();
        let known = holders.map(|holder| (governor.hold(&self.account, self.place, &holder), holder));
        drop(self.known.set(known));
        let pool: Weak<dyn Standing> = Arc::downgrade(self) as _;
        self.tape.recorder.know(pool);
    }

    /// Puts what came home since last time back into the arena.
    pub(super) fn absorb(&self, central: &mut Central) {
        for block in self.returns.take() {
            central.arena.release(block.node);
        }
    }

    /// What is free in the arena, with what came home since last time.
    pub(super) fn free_bytes(&self) -> u64 {
        let mut central = self.central();
        self.absorb(&mut central);
        central.arena.free_bytes()
    }

    /// Looks how far the device has come, and puts what it has finished with back into the arena.
    pub(super) fn poll(&self, central: &mut Central) {
        let Central { pending, arena, .. } = central;
        pending.fence_late(|stream| self.device.fence(stream).ok());
        pending.poll(arena, |fence| self.device.signalled(fence));
    }

    /// A block in what is backed already.
    pub(super) fn place(
        self: &Arc<Self>,
        central: &mut Central,
        bytes: u64,
        align: u64,
    ) -> Option<Box<Block>> {
        let placed = central.arena.place(bytes, align)?;
        Some(self.block_at(central, &placed))
    }

    /// The same also where blocks of that size do not usually go: for when memory is short.
    pub(super) fn place_anywhere(self: &Arc<Self>, central: &mut Central, need: Need) -> Option<Box<Block>> {
        let placed = central.arena.place_anywhere(need.bytes, need.align)?;
        Some(self.block_at(central, &placed))
    }

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "a block lives in a box from here until it is released"
    )]
    pub(super) fn block_at(self: &Arc<Self>, central: &Central, placed: &Placed) -> Box<Block> {
        let (region, offset) = central.locate(placed.offset);
        let position = Position { node: placed.node, offset, bytes: placed.bytes };
        Box::new(Block::new(Arc::clone(self), region, &position))
    }

    /// A free block comes home from a thread's cache that does not keep it.
    #[cold]
    pub(super) fn take_back(block: Box<Block>) {
        let core = Arc::clone(&block.core);
        core.returns.push(block);
        core.clear_if_closed();
    }

    /// A leased block comes home on a thread that has no cache of this pool.
    #[cold]
    pub(super) fn take_back_from_stranger(block: Box<Block>) {
        lock(&block.core.others).give_back(block.bytes, block.requested, block.tag);
        Self::take_back(block);
    }

    /// A leased block comes home that the device may still use.
    #[cold]
    pub(super) fn retire(block: Box<Block>) {
        let core = Arc::clone(&block.core);
        core.count(|tally| tally.give_back(block.bytes, block.requested, block.tag));
        core.central().wait_for(block);
        core.clear_if_closed();
    }

    /// Counts on this thread's tally, or on the one for strangers.
    pub(super) fn count(&self, f: impl FnOnce(&mut Tally)) {
        let mut f = Some(f);
        let counted = local::with(self.key(), |bins| f.take().map(|f| f(bins.tally_mut()))).flatten();
        if counted.is_none()
            && let Some(f) = f
        {
            f(&mut lock(&self.others));
        }
    }

    pub(super) fn new_thread_cache(&self) -> Arc<ThreadCache> {
        let total = self.settings.thread_cache_for(self.device.facts().total).get();
        let limits = Limits { total, per_size: total / 4 };
        let bins = Bins::new(limits);
        let cache = Arc::new(ThreadCache { room: bins.room(), bins: Biased::new(bins) });
        lock(&self.caches).push(Arc::clone(&cache));
        cache
    }

    /// A thread ends: what its cache kept comes home, what it counted is kept. Says whether the pool is closed: then nobody else
    /// looks at what came home, and [`clear_if_closed`](Self::clear_if_closed) has to.
    pub(super) fn forget_thread(self: &Arc<Self>, cache: &Arc<ThreadCache>) -> bool {
        lock(&self.caches).retain(|known| !Arc::ptr_eq(known, cache));
        cache.bins.visit(|bins| {
            bins.drain(|block| self.returns.push(block));
            bins.close();
            lock(&self.others).merge(&bins.tally());
        });
        fence(Ordering::SeqCst);
        self.closed.load(Ordering::Relaxed)
    }

    /// Calls in what threads' caches keep: this thread's always, the others' when `all` is set.
    pub(super) fn flush(&self, all: bool) {
        let drained = local::with(self.key(), |bins| bins.drain(|block| self.returns.push(block)));
        if !all && drained.is_some() {
            return;
        }
        let caches = lock(&self.caches).clone();
        for cache in caches.iter().filter(|cache| cache.room.load(Ordering::Relaxed) > 0) {
            cache.bins.visit(|bins| bins.drain(|block| self.returns.push(block)));
        }
    }

    /// The most that threads' caches keep, read without stopping them.
    pub(super) fn thread_cached(&self) -> u64 {
        lock(&self.caches).iter().map(|cache| cache.room.load(Ordering::Relaxed)).sum()
    }

    /// Gives back to the device what is idle, until no more than `keep` is.
    pub(super) fn trim(&self, keep: Bytes) -> Result<Bytes, DeviceError> {
        self.flush(true);
        let mut central = self.central();
        self.absorb(&mut central);
        self.poll(&mut central);
        let idle = central.arena.free_bytes();
        match idle.saturating_sub(keep.get()) {
            0 => Ok(Bytes::ZERO),
            excess => central.give_back(self.device.as_ref(), excess),
        }
    }

    /// The last handle is gone: nothing is kept idle any more, and each lease that still lives gives its
    /// bytes back to the device when it is dropped.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let caches = std::mem::take(&mut *lock(&self.caches));
        for cache in caches {
            cache.bins.visit(|bins| {
                bins.close();
                bins.drain(|block| self.returns.push(block));
                lock(&self.others).merge(&bins.tally());
            });
        }
        self.clear();
    }

    /// A block was queued; if the pool is closed nobody else will look.
    ///
    /// The fence pairs with the one in [`close`](Self::close): either this thread sees the pool closed, or
    /// the closing thread sees what this one queued.
    pub(super) fn clear_if_closed(&self) {
        fence(Ordering::SeqCst);
        if self.closed.load(Ordering::Relaxed) {
            self.clear();
        }
    }

    fn clear(&self) {
        // What is poisoned keeps the pool, and with it the charge, alive: its memory is not ours to give.
        let _poisoned = self.settle(false);
        let mut central = self.central();
        self.absorb(&mut central);
        // A device that fails here keeps its memory, so the charge for it stays with the pool.
        let _failed = central.give_back(self.device.as_ref(), u64::MAX);
    }

    /// What all threads have counted, what their caches keep idle, and how many caches there are.
    fn counted(&self) -> (Tally, u64, usize) {
        let mut tally = Tally::default();
        let mut thread_cached = 0;
        let caches = lock(&self.caches).clone();
        for cache in &caches {
            cache.bins.visit(|bins| {
                thread_cached += bins.idle();
                tally.merge(&bins.tally());
            });
        }
        tally.merge(&lock(&self.others));
        (tally, thread_cached, caches.len())
    }

    pub(super) fn stats(&self) -> PoolStats {
        let (tally, thread_cached, caches) = self.counted();
        let mut central = self.central();
        self.absorb(&mut central);
        self.poll(&mut central);
        central.peak_live_seen = central.peak_live_seen.max(tally.live());
        let exact = if caches <= 1 { tally.peak() } else { 0 };
        let mut tags: Vec<_> = tally
            .tags()
            .into_iter()
            .map(|(tag, leases, live)| TagStats { tag, live: Bytes::new(live), leases })
            .collect();
        tags.sort_by_key(|tag| std::cmp::Reverse(tag.live));
        PoolStats {
            live: Bytes::new(tally.live()),
            requested: Bytes::new(tally.requested()),
            cached: Bytes::new(central.arena.free_bytes() + thread_cached),
            thread_cached: Bytes::new(thread_cached),
            pending: central.pending.bytes(),
            poisoned: central.pending.poisoned(),
            backed: Bytes::new(central.arena.backed_bytes()),
            peak_backed: Bytes::new(central.peak_backed),
            peak_live: Bytes::new(central.peak_live_seen.max(exact)),
            leases: tally.leases(),
            hits: tally.hits(),
            reused: central.pending.reused(),
            maps: central.maps,
            exchanges: central.exchanges,
            moved: central.moved,
            largest_free: Bytes::new(central.arena.largest_free()),
            tags,
        }
    }
}

/// What a pool of this device writes with, for this account.
pub(super) fn tape(account: &Account, place: Place, device: &dyn Device) -> Tape {
    let recorder = Arc::clone(account.governor().recorder());
    let align = Bytes::new(device.facts().min_align.next_power_of_two());
    Tape { source: recorder.source(account.path(), place, align), recorder }
}

impl Standing for PoolCore {
    fn standing(&self) -> Stand {
        self.flush(true);
        let tags = self.counted().0.tags();
        let mut central = self.central();
        self.absorb(&mut central);
        self.poll(&mut central);
        let at = |offset: u64| {
            let (region, offset) = central.locate(offset);
            region.address() + offset
        };
        let (mut backed, mut blocks) = (Vec::<(u64, u64)>::new(), Vec::new());
        for (offset, bytes, block) in central.arena.runs() {
            let address = at(offset);
            if block.is_some() {
                blocks.push((address, bytes));
            }
            match backed.last_mut().filter(|(start, len)| start + len == address) {
                Some((_, len)) => *len += bytes,
                None => backed.push((address, bytes)),
            }
        }
        let tags = tags.into_iter().map(|(tag, _, live)| (tag, live)).collect();
        Stand { source: self.tape.source, backed, blocks, tags }
    }
}

impl Drop for PoolCore {
    fn drop(&mut self) {
        self.central().close(self.device.as_ref());
        self.key().give_up();
    }
}

impl std::fmt::Debug for PoolCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolCore")
            .field("account", &self.account.path())
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
