//! The book of the cache: which copies there are, who uses them, and which go next. Pure: no locks, no clock, no I/O.
//!
//! Copies are shared pointers. Who reads one holds it: whatever the book says meanwhile, the bytes stay readable, and
//! charged, until the last reader lets go. So a copy in flight needs no state of its own, and a reader that never lets go
//! holds up nobody.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::worth::{Order, Standing};
use crate::block::BlockId;
use crate::policy::{Hint, Visit};
use crate::tree::{NodeId, Tier, Tiers, Tree};

/// What a store keeps of a block, as the book knows it.
#[derive(Debug)]
pub(super) struct ColdCopy {
    /// What it takes there.
    pub stored: u32,
    /// How it is encoded. No form is zero, which keeps "no copy" from taking bytes of its own.
    pub form: NonZeroU32,
    /// How long each section is, where that does not follow from the form. Twice boxed: it is rarely there, and stands
    /// in every block's entry.
    pub sections: Option<Box<Box<[u32]>>>,
}

/// A block's copies and what is known of its worth.
#[derive(Debug)]
pub(super) struct Entry<H, W> {
    hot: Option<Arc<H>>,
    warm: Option<Arc<W>>,
    cold: Option<ColdCopy>,
    pub standing: Standing,
}

impl<H, W> Default for Entry<H, W> {
    fn default() -> Self {
        Self { hot: None, warm: None, cold: None, standing: Standing::default() }
    }
}

/// A copy that left, for whoever lets go of it without the lock.
#[derive(Debug)]
#[expect(dead_code, reason = "what is not used again is kept only to be dropped")]
#[must_use = "it is dropped where no lock is held"]
pub(super) enum Dropped<H, W> {
    /// There was none.
    Nothing,
    Hot(Arc<H>),
    Warm(Arc<W>),
    Cold(ColdCopy),
}

/// What there is of one block, as a reader takes it.
#[derive(Debug)]
pub(super) enum Source<H, W> {
    Hot(Arc<H>),
    Warm(Arc<W>),
    Cold { form: u32, stored: u32, sections: Option<Box<[u32]>> },
}

/// The book.
#[derive(Debug)]
pub(super) struct State<H, W> {
    tree: Tree<Entry<H, W>>,
    order: Order,
    /// Copies and their bytes in each tier.
    pub blocks: Tiers<u64>,
    pub bytes: Tiers<u64>,
}

impl<H, W> State<H, W> {
    /// An empty book that remembers about so many blocks after they are gone.
    pub fn new(ghosts: usize) -> Self {
        Self {
            tree: Tree::new(),
            order: Order::new(ghosts),
            blocks: Tiers::default(),
            bytes: Tiers::default(),
        }
    }

    /// The tree, to look at.
    pub const fn tree(&self) -> &Tree<Entry<H, W>> {
        &self.tree
    }

    /// The block, if any tier has it.
    pub fn find(&self, id: BlockId) -> Option<NodeId> {
        self.tree.find(id)
    }

    /// Holds a block and all before it.
    pub fn pin(&mut self, node: NodeId) {
        self.tree.pin(node);
        self.settle(node);
    }

    /// Lets go of it.
    pub fn unpin(&mut self, node: NodeId) {
        let parent = self.tree.parent(node);
        let id = self.tree.id(node);
        let order = &mut self.order;
        self.tree.unpin(node, |id, entry| order.gone(id, &entry.standing));
        self.settle_gone(node, id, parent);
    }

    /// Puts a block below another (which must be pinned or have a copy), pinned.
    pub fn place(&mut self, parent: Option<NodeId>, id: BlockId) -> NodeId {
        let fresh = self.tree.find(id).is_none();
        let node = self.tree.insert(parent, id, Entry::default);
        self.tree.pin(node);
        if fresh {
            self.tree.value_mut(node).standing = self.order.born(id);
        }
        self.settle(node);
        node
    }

    /// A prompt of these blocks comes, of which the first `length` are stored.
    pub fn visit(&mut self, now: f64, ids: &[BlockId], length: usize) -> Visit {
        self.order.visit(now, ids, length)
    }

    /// The prompt that a block comes in for, if somebody looked for it.
    pub fn visit_of(&mut self, id: BlockId) -> Option<Visit> {
        self.order.visit_of(id)
    }

    /// A block is used, or was made, for that prompt.
    pub fn used(&mut self, visit: &mut Visit, node: NodeId) {
        let id = self.tree.id(node);
        let entry = self.tree.value_mut(node);
        self.order.used(visit, id, &mut entry.standing);
        self.settle(node);
    }

    /// What a block took to compute, and its bytes: the price of losing it.
    pub fn cost(&mut self, node: NodeId, seconds: f32, bytes: u64) {
        self.tree.value_mut(node).standing.price(seconds, bytes);
        self.settle(node);
    }

    /// The hot copy.
    pub fn hot(&self, node: NodeId) -> Option<&Arc<H>> {
        self.tree.value(node).hot.as_ref()
    }

    /// The warm copy.
    pub fn warm(&self, node: NodeId) -> Option<&Arc<W>> {
        self.tree.value(node).warm.as_ref()
    }

    /// The dearest copy, for a reader to hold.
    pub fn source(&self, node: NodeId) -> Option<Source<H, W>> {
        let entry = self.tree.value(node);
        if let Some(hot) = &entry.hot {
            return Some(Source::Hot(Arc::clone(hot)));
        }
        if let Some(warm) = &entry.warm {
            return Some(Source::Warm(Arc::clone(warm)));
        }
        let cold = entry.cold.as_ref()?;
        let sections = cold.sections.as_deref().cloned();
        Some(Source::Cold { form: cold.form.get(), stored: cold.stored, sections })
    }

    /// A copy is in the hot tier now. What stood there stays, and the new one comes back.
    pub fn put_hot(&mut self, node: NodeId, hot: Arc<H>, bytes: u64) -> Result<(), Arc<H>> {
        if self.tree.value(node).hot.is_some() {
            return Err(hot);
        }
        self.tree.value_mut(node).hot = Some(hot);
        self.there(node, Tier::Hot, bytes);
        Ok(())
    }

    /// The same for the warm tier.
    pub fn put_warm(&mut self, node: NodeId, warm: Arc<W>, bytes: u64) -> Result<(), Arc<W>> {
        if self.tree.value(node).warm.is_some() {
            return Err(warm);
        }
        self.tree.value_mut(node).warm = Some(warm);
        self.there(node, Tier::Warm, bytes);
        Ok(())
    }

    /// The same for the cold one.
    pub fn put_cold(&mut self, node: NodeId, cold: ColdCopy) {
        if self.tree.value(node).cold.is_some() {
            return;
        }
        let bytes = u64::from(cold.stored);
        self.tree.value_mut(node).cold = Some(cold);
        self.there(node, Tier::Cold, bytes);
    }

    /// A tier gives its copy of a block up. `bytes` is what the copy was counted as.
    pub fn drop_copy(&mut self, node: NodeId, tier: Tier, bytes: u64) -> Dropped<H, W> {
        if !self.tree.has(node, tier) {
            return Dropped::Nothing;
        }
        let entry = self.tree.value_mut(node);
        let dropped = match tier {
            Tier::Hot => entry.hot.take().map_or(Dropped::Nothing, Dropped::Hot),
            Tier::Warm => entry.warm.take().map_or(Dropped::Nothing, Dropped::Warm),
            Tier::Cold => entry.cold.take().map_or(Dropped::Nothing, Dropped::Cold),
        };
        let bytes = if let Dropped::Cold(cold) = &dropped { u64::from(cold.stored) } else { bytes };
        self.blocks[tier] -= 1;
        self.bytes[tier] -= bytes;
        let (parent, id) = (self.tree.parent(node), self.tree.id(node));
        self.order.remove(tier, node);
        let order = &mut self.order;
        self.tree.set_copy(node, tier, false, |id, entry| order.gone(id, &entry.standing));
        self.settle_gone(node, id, parent);
        dropped
    }

    /// The block whose copy a tier should give up next.
    pub fn victim(&mut self, tier: Tier, now: f64) -> Option<NodeId> {
        let tree = &self.tree;
        self.order.least(tier, now, |node| tree.value(node).standing)
    }

    /// What a tier's least copy is worth.
    pub fn least_worth(&mut self, tier: Tier, now: f64) -> f64 {
        self.victim(tier, now).map_or(0.0, |victim| self.worth(victim, now))
    }

    /// What keeping a block is worth, in seconds saved for each byte and second.
    pub fn worth(&self, node: NodeId, now: f64) -> f64 {
        self.order.worth(&self.tree.value(node).standing, now)
    }

    /// What a block took to compute, for so many bytes.
    pub fn seconds(&self, node: NodeId, bytes: u64) -> f32 {
        self.tree.value(node).standing.seconds(bytes)
    }

    /// How often a block was used.
    pub fn uses(&self, node: NodeId) -> u32 {
        self.tree.value(node).standing.uses()
    }

    /// Whether its copies carry the state of its end, where the model needs that to go on.
    pub fn is_boundary(&self, node: NodeId) -> bool {
        self.tree.is_marked(node)
    }

    /// From now on they do, or not.
    pub fn set_boundary(&mut self, node: NodeId, boundary: bool) {
        self.tree.mark(node, boundary);
    }

    /// A hint of the block's user.
    pub fn hint(&mut self, node: NodeId, hint: Hint) {
        self.tree.value_mut(node).standing.hint(hint);
        self.settle(node);
    }

    fn there(&mut self, node: NodeId, tier: Tier, bytes: u64) {
        self.blocks[tier] += 1;
        self.bytes[tier] += bytes;
        self.tree.set_copy(node, tier, true, |_, _| {});
        self.settle(node);
        if let Some(parent) = self.tree.parent(node) {
            self.settle(parent);
        }
    }

    /// Puts a block into the order of each tier that could let go of it, and takes it out of the others'.
    fn settle(&mut self, node: NodeId) {
        for tier in Tier::ALL {
            if self.tree.is_leaf(node, tier) {
                self.order.insert(tier, node, &self.tree.value(node).standing);
            } else {
                self.order.remove(tier, node);
            }
        }
    }

    /// The same after something was taken away: the node may have left the tree, and those before it too.
    fn settle_gone(&mut self, node: NodeId, id: BlockId, parent: Option<NodeId>) {
        if self.tree.find(id) == Some(node) {
            self.settle(node);
        }
        // A parent that left with it was hollow, and stood in no order.
        if let Some(parent) = parent.filter(|&parent| self.tree.is_live(parent)) {
            self.settle(parent);
        }
    }

    /// Whether everything adds up; for tests.
    #[cfg(test)]
    pub fn check(&self) {
        let mut blocks = Tiers([0_u64; 3]);
        for node in self.tree.iter() {
            let entry = self.tree.value(node);
            let copies = [entry.hot.is_some(), entry.warm.is_some(), entry.cold.is_some()];
            for (tier, there) in Tier::ALL.into_iter().zip(copies) {
                assert_eq!(self.tree.has(node, tier), there);
                blocks[tier] += u64::from(there);
                assert_eq!(
                    self.order.contains(tier, node),
                    self.tree.is_leaf(node, tier),
                    "{tier:?} {node:?}"
                );
            }
        }
        assert_eq!(blocks, self.blocks);
    }
}

impl<H, W> Dropped<H, W> {
    /// Lets go of it.
    pub fn forget(self) {
        drop(self);
    }
}

#[cfg(all(test, not(shuttle)))]
#[path = "state_tests.rs"]
mod tests;
