//! The cache as its user sees it.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use plimsoll::Bytes;
use plimsoll::governor::{Registration, Shrink};

use super::block::{Filling, Shared};
use super::core::Core;
use super::error::CacheError;
use super::holder::{Held, Holder};
use super::prefix::Prefix;
use super::settings::CacheSettings;
use super::stats::{CacheStats, TierStats};
use crate::block::Chain;
use crate::engine::Pages;
use crate::layout::Layout;
use crate::tree::{Tier, Tiers};

/// Blocks of keys and values, shared by prefix, in tiers.
///
/// # What it is not
/// It computes nothing and holds no sequence: the engine does. It never waits for a tier below host memory unless
/// something is to be restored from there, and then no longer than it is told to.
///
/// # Who owns what
/// The engine owns its pages and lends them; a sequence owns the blocks it fills, and holds those it shares. All else is
/// the cache's, each byte charged to the account of its tier. Handles are cheap to clone. With the last, blocks that
/// are to be kept are written, the threads end, and memory is released.
///
/// # Formula
/// What goes first is worth least: seconds to get it back × chance that it is asked for ÷ bytes, learnt from what became
/// of others like it (see [`policy`](crate::policy)); and only blocks that nobody uses, the ends of prefixes first.
pub struct Cache<P: Pages> {
    owner: Arc<Owner<P>>,
}

struct Owner<P: Pages> {
    core: Arc<Core<P>>,
    _registrations: [Registration; 2],
    _holders: [Arc<dyn Shrink>; 2],
    mover: Option<JoinHandle<()>>,
}

impl<P: Pages> Drop for Owner<P> {
    fn drop(&mut self) {
        self.core.mailbox.stop();
        if let Some(mover) = self.mover.take() {
            // It catches its own panics.
            let _ = mover.join();
        }
        if self.core.settings.cold.as_ref().is_some_and(|cold| cold.settle.is_some()) {
            self.core.save_all();
        }
        self.core.clear();
    }
}

impl<P: Pages> Cache<P> {
    /// A cache over an engine's pages. What a cold store has kept is there at once.
    pub fn open(pages: P, settings: CacheSettings) -> Result<Self, CacheError> {
        let core = Arc::new(Core::new(pages, settings)?);
        core.load()?;
        let hot: Arc<dyn Shrink> = Arc::new(Holder::new(&core, Held::Hot));
        let warm: Arc<dyn Shrink> = Arc::new(Holder::new(&core, Held::Warm));
        let (account, pool) = (core.pages.account(), &core.settings.warm.pool);
        let registrations = [
            account.governor().hold(account, core.pages.place(), &hot),
            pool.account().governor().hold(pool.account(), pool.place(), &warm),
        ];
        let mover = if core.settings.threads { Some(super::mover::start(&core)?) } else { None };
        Ok(Self {
            owner: Arc::new(Owner { core, _registrations: registrations, _holders: [hot, warm], mover }),
        })
    }

    /// What blocks are.
    pub fn layout(&self) -> &Layout {
        &self.core().layout
    }

    /// The engine's pages.
    pub fn pages(&self) -> &P {
        &self.core().pages
    }

    /// The longest stored prefix of a sequence that it can go on from; held until it is restored or dropped.
    pub fn seek(&self, chain: &Chain) -> Option<Prefix<P>> {
        Prefix::seek(self.core(), chain)
    }

    /// An empty block.
    pub fn fill(&self) -> Result<Filling<P>, CacheError> {
        Filling::new(Arc::clone(self.core()))
    }

    /// An empty block that begins as a copy of another's first tokens.
    pub fn fork(&self, block: &Shared<P>, tokens: usize) -> Result<Filling<P>, CacheError> {
        block.fork(tokens)
    }

    /// Moves what is to be moved, as the cache's own thread does: makes room in each tier before it is needed, and
    /// writes what is to be kept. Says whether there was anything to do.
    pub fn tend(&self) -> bool {
        self.core().tend()
    }

    /// Writes everything that has no copy in the cold tier and is complete. Says how many blocks were written.
    pub fn flush(&self) -> u64 {
        self.core().save_all()
    }

    /// What it has done so far, and what it holds.
    pub fn stats(&self) -> CacheStats {
        let core = self.core();
        let (counts, state) = (&core.counts, core.state());
        let tier = |tier: Tier| {
            let counted = &counts.tiers[tier];
            TierStats {
                blocks: state.blocks[tier],
                bytes: Bytes::new(state.bytes[tier]),
                hits: counted.hits.get(),
                restored: counted.restored.bytes(),
                demoted: counted.demoted.bytes(),
                evicted: counted.evicted.get(),
            }
        };
        let (tiers, blocks) = (Tiers(Tier::ALL.map(tier)), state.tree().len() as u64);
        let index_bytes_per_block = state.tree().bytes_per_block();
        drop(state);
        CacheStats {
            tiers,
            blocks,
            index_bytes_per_block,
            sought: counts.sought.get(),
            asked_blocks: counts.asked.get(),
            restored_blocks: counts.restored_blocks.get(),
            declined_blocks: counts.declined.get(),
            deduplicated: counts.deduplicated.bytes(),
            doubts: counts.doubts.get(),
            unsaved: counts.unsaved.get(),
            restarts: counts.restarts.get(),
            rates: *core.rates(),
        }
    }

    fn core(&self) -> &Arc<Core<P>> {
        &self.owner.core
    }
}

impl<P: Pages> Clone for Cache<P> {
    fn clone(&self) -> Self {
        Self { owner: Arc::clone(&self.owner) }
    }
}

impl<P: Pages> fmt::Debug for Cache<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.core().settings.name)
            .field("stats", &self.stats())
            .finish()
    }
}
