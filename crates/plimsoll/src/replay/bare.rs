//! An arena with nothing around it but, if asked, a stand-in for a thread's cache: what placement alone costs and
//! keeps, without a device.

use std::collections::HashMap;

use super::{ReplayError, Replayer};
use crate::pool::arena::{Arena, ArenaSettings, Growth, NodeId};

/// How much freed memory the stand-in for a thread's cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// In all.
    pub bytes: u64,
    /// Blocks of one size.
    pub blocks: usize,
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
    /// How often the cache was emptied.
    pub flushes: u64,
}

#[derive(Debug)]
struct Cache {
    limits: CacheLimits,
    bytes: u64,
    bins: HashMap<u64, Vec<NodeId>>,
}

impl Cache {
    fn take(&mut self, bytes: u64) -> Option<NodeId> {
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
            flushes: 0,
        }
    }

    /// The same with freed blocks kept for requests of exactly their size, until the arena has to grow.
    #[must_use]
    pub fn cached(mut self, limits: CacheLimits) -> Self {
        self.cache = Some(Cache {
            limits,
            bytes: 0,
            bins: HashMap::new(),
        });
        self
    }

    /// The arena as it stands.
    pub const fn arena(&self) -> &Arena {
        &self.arena
    }

    fn apply(&mut self, growth: Growth) {
        for range in growth.give_back {
            self.arena.given_back(range);
            self.give_backs += 1;
        }
        for range in growth.back {
            self.arena.backed(range);
            self.backs += 1;
        }
        self.peak_backed = self.peak_backed.max(self.arena.backed_bytes());
    }

    fn flush(&mut self) -> bool {
        let Some(cache) = &mut self.cache else {
            return false;
        };
        let had = cache.bytes > 0;
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
        if let Some(placed) = self.arena.place(bytes, self.align) {
            return Some(placed.node);
        }
        if self.flush()
            && let Some(placed) = self.arena.place(bytes, self.align)
        {
            return Some(placed.node);
        }
        let growth = self.arena.growth(bytes, self.align)?;
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
        let rounded = bytes.next_multiple_of(self.align);
        let cached = self.cache.as_mut().and_then(|cache| cache.take(rounded));
        let node = match cached {
            Some(node) => node,
            None => self.place(bytes).ok_or_else(|| {
                ReplayError::refused(bytes, self.arena.backed_bytes(), "it can never fit the range")
            })?,
        };
        self.blocks[index] = node;
        self.sizes[index] = rounded;
        Ok(())
    }

    fn free_requested(&mut self, _block: u32, _stream: u16) {}

    fn free_completed(&mut self, block: u32) {
        let (node, bytes) = (self.blocks[block as usize], self.sizes[block as usize]);
        if self.cache.as_mut().is_some_and(|cache| cache.keep(bytes, node)) {
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
}
