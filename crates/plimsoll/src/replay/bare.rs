//! An arena with nothing around it but, if asked, a stand-in for a thread's cache: what placement alone costs and
//! keeps, without a device.

use std::collections::HashMap;

use super::{ReplayError, Replayer};
use crate::pool::arena::{Arena, ArenaSettings, Growth, GrowthMode, NodeId};

/// How much freed memory the stand-in for a thread's cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// In all.
    pub bytes: u64,
    /// Blocks of one size.
    pub blocks: usize,
    /// Of blocks of at least so many bytes only the last one freed is kept, and released before a request of such
    /// a size goes to the arena: where large blocks lie decides what a pool keeps backed, so the arena must
    /// see them.
    pub large_from: u64,
    /// A large block is kept only where it is at most one such part of what is backed: in a pool of few granules
    /// its place is worth more than the time.
    pub hot_share: u64,
}

/// Serves a trace from an arena alone.
#[derive(Debug)]
pub struct BareArena {
    arena: Arena,
    align: u64,
    blocks: Vec<NodeId>,
    sizes: Vec<u64>,
    cache: Option<Cache>,
    /// The most that was backed.
    pub peak_backed: u64,
    /// Ranges that were backed.
    pub backs: u64,
    /// Ranges that were given back.
    pub give_backs: u64,
    /// Ranges that were backed below the highest that was backed before: in exchange for what was given back.
    pub rebacks: u64,
    /// How often the cache was emptied.
    pub flushes: u64,
}

#[derive(Debug)]
struct Cache {
    limits: CacheLimits,
    bytes: u64,
    bins: HashMap<u64, Vec<NodeId>>,
    hot: Option<(u64, NodeId)>,
}

impl Cache {
    fn take(&mut self, bytes: u64) -> Option<NodeId> {
        if let Some((size, node)) = self.hot
            && size == bytes
        {
            self.hot = None;
            return Some(node);
        }
        let node = self.bins.get_mut(&bytes)?.pop()?;
        self.bytes -= bytes;
        Some(node)
    }

    fn keep(&mut self, bytes: u64, node: NodeId) -> bool {
        if self.bytes + bytes > self.limits.bytes {
            return false;
        }
        let bin = self.bins.entry(bytes).or_default();
        if bin.len() >= self.limits.blocks {
            return false;
        }
        bin.push(node);
        self.bytes += bytes;
        true
    }
}

impl BareArena {
    /// An arena of these settings; every request is aligned to the unit.
    pub fn new(settings: ArenaSettings) -> Self {
        Self {
            arena: Arena::new(settings),
            align: settings.unit,
            blocks: Vec::new(),
            sizes: Vec::new(),
            cache: None,
            peak_backed: 0,
            backs: 0,
            give_backs: 0,
            rebacks: 0,
            flushes: 0,
        }
    }

    /// The same with freed blocks kept for requests of exactly their size, until the arena has to grow.
    #[must_use]
    pub fn cached(mut self, limits: CacheLimits) -> Self {
        self.cache = Some(Cache { limits, bytes: 0, bins: HashMap::new(), hot: None });
        self
    }

    /// The arena as it stands.
    pub const fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Releases what the cache keeps.
    pub fn empty_cache(&mut self) {
        self.flush();
    }

    fn apply(&mut self, growth: Growth) {
        for range in growth.give_back {
            self.arena.given_back(range);
            self.give_backs += 1;
        }
        for range in growth.back {
            self.arena.backed(range);
            self.backs += 1;
            if self.arena.backed_bytes() <= self.peak_backed {
                self.rebacks += 1;
            }
        }
        self.peak_backed = self.peak_backed.max(self.arena.backed_bytes());
    }

    fn flush(&mut self) -> bool {
        let Some(cache) = &mut self.cache else {
            return false;
        };
        let had = cache.bytes > 0 || cache.hot.is_some();
        if let Some((_, old)) = cache.hot.take() {
            self.arena.release(old);
        }
        self.flushes += u64::from(had);
        for bin in cache.bins.values_mut() {
            for node in bin.drain(..) {
                self.arena.release(node);
            }
        }
        cache.bytes = 0;
        had
    }

    fn place(&mut self, bytes: u64) -> Option<NodeId> {
        if let Some(cache) = &mut self.cache
            && bytes >= cache.limits.large_from
            && let Some((_, old)) = cache.hot.take()
        {
            self.arena.release(old);
        }
        if let Some(placed) = self.arena.place(bytes, self.align) {
            return Some(placed.node);
        }
        if self.flush()
            && let Some(placed) = self.arena.place(bytes, self.align)
        {
            return Some(placed.node);
        }
        let growth = self.arena.growth(bytes, self.align, GrowthMode::Spare)?;
        self.apply(growth);
        self.arena.place(bytes, self.align).map(|placed| placed.node)
    }
}

impl Replayer for BareArena {
    fn alloc(&mut self, block: u32, bytes: u64, _stream: u16) -> Result<(), ReplayError> {
        let index = block as usize;
        if self.blocks.len() <= index {
            self.blocks.resize(index + 1, NodeId::NONE);
            self.sizes.resize(index + 1, 0);
        }
        let refused = |reserved| ReplayError::refused(bytes, reserved, "it can never fit the range");
        let rounded =
            bytes.checked_next_multiple_of(self.align).ok_or_else(|| refused(self.arena.backed_bytes()))?;
        let cached = self.cache.as_mut().and_then(|cache| cache.take(rounded));
        let node = match cached {
            Some(node) => node,
            None => self.place(bytes).ok_or_else(|| refused(self.arena.backed_bytes()))?,
        };
        self.blocks[index] = node;
        self.sizes[index] = rounded;
        Ok(())
    }

    fn free_requested(&mut self, _block: u32, _stream: u16) {}

    fn free_completed(&mut self, block: u32) {
        let (node, bytes) = (self.blocks[block as usize], self.sizes[block as usize]);
        if let Some(cache) = &mut self.cache
            && bytes >= cache.limits.large_from
            && bytes.saturating_mul(cache.limits.hot_share) <= self.arena.backed_bytes()
        {
            if let Some((_, old)) = cache.hot.replace((bytes, node)) {
                self.arena.release(old);
            }
            return;
        }
        if self.cache.as_mut().is_some_and(|cache| bytes < cache.limits.large_from && cache.keep(bytes, node))
        {
            return;
        }
        self.arena.release(node);
    }

    fn peak_reserved_bytes(&self) -> u64 {
        self.peak_backed
    }

    fn map_events(&self) -> u64 {
        self.backs + self.give_backs
    }

    fn exchange_events(&self) -> u64 {
        self.rebacks + self.give_backs
    }
}
