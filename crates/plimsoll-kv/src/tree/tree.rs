//! The tree of prefixes.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::node::{Node, NodeId, Tier};
use crate::block::BlockId;

/// Which blocks are stored, and in which tiers; `T` is what its user keeps for each.
///
/// # Cost
/// `size_of::<T>()` and 48 bytes a node, and 5 to 12 in the table.
#[derive(Debug)]
pub struct Tree<T> {
    nodes: Vec<Node<T>>,
    vacant: Vec<NodeId>,
    table: HashTable<NodeId>,
    seed: u64,
    /// How many nodes have no copy anywhere.
    hollows: usize,
}

impl<T: Default> Default for Tree<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Default> Tree<T> {
    /// An empty tree.
    pub fn new() -> Self {
        Self {
            nodes: Vec::new(),
            vacant: Vec::new(),
            table: HashTable::new(),
            // Nobody outside can choose identities that meet in the table.
            seed: RandomState::new().hash_one(0) | 1,
            hollows: 0,
        }
    }

    /// How many blocks there are, hollow ones too.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many blocks have lost their last copy while others come after them.
    pub fn hollows(&self) -> usize {
        self.hollows
    }

    /// The block of this identity.
    pub fn find(&self, id: BlockId) -> Option<NodeId> {
        self.table.find(self.hash(id), |&node| self.nodes[node.index()].id() == id).copied()
    }

    /// The longest stored prefix of a sequence: how many blocks, and the last of them. Hollows end it.
    ///
    /// It looks at blocks by halving, which is right because a stored block's prefix is stored. Where there are
    /// hollows it walks back over the prefix besides.
    pub fn longest(&self, ids: &[BlockId]) -> Option<(usize, NodeId)> {
        let (mut known, mut node) = (0, None);
        // Doubling first: most prefixes end early, or are all there.
        let (mut step, mut beyond) = (1, ids.len() + 1);
        while known + 1 < beyond {
            let at = if beyond == ids.len() + 1 && known + step <= ids.len() {
                known + step
            } else {
                known + (beyond - known) / 2
            };
            match self.find(ids[at - 1]) {
                Some(found) => (known, node, step) = (at, Some(found), step.saturating_mul(2)),
                None => beyond = at,
            }
        }
        let node = node?;
        if self.hollows == 0 { Some((known, node)) } else { self.whole(known, node) }
    }

    /// The part of a prefix that comes before its first hollow.
    fn whole(&self, length: usize, last: NodeId) -> Option<(usize, NodeId)> {
        let mut best = Some((length, last));
        for (back, node) in self.path(last).enumerate() {
            if self.nodes[node.index()].is_hollow() {
                let before = self.nodes[node.index()].parent.some();
                best = before.map(|before| (length - back - 1, before));
            }
        }
        best
    }

    /// A block and those before it, the last first.
    pub fn path(&self, last: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(last), |&node| self.nodes[node.index()].parent.some())
    }

    /// Puts a block below another, or finds it. It has no copy yet: give it one, or pin it.
    pub fn insert(&mut self, parent: Option<NodeId>, id: BlockId, value: impl FnOnce() -> T) -> NodeId {
        if let Some(node) = self.find(id) {
            return node;
        }
        let parent = parent.unwrap_or(NodeId::NONE);
        let fresh = Node::new(id, parent, value());
        let node = if let Some(node) = self.vacant.pop() {
            self.nodes[node.index()] = fresh;
            node
        } else {
            let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            assert!(number < u32::MAX, "more than {number} blocks in one index");
            self.nodes.push(fresh);
            // Room for what leaves is made here: eviction must not allocate.
            self.vacant.reserve(self.nodes.len() - self.vacant.len());
            NodeId::new(number)
        };
        if let Some(parent) = parent.some() {
            let parent = &mut self.nodes[parent.index()];
            assert!(parent.live, "a block is put below one that is gone");
            parent.children += 1;
        }
        self.hollows += 1;
        let (nodes, seed) = (&self.nodes, self.seed);
        self.table.insert_unique(mix(id, seed), node, |&other| mix(nodes[other.index()].id(), seed));
        node
    }

    /// Says whether a tier has a copy of a block. When nothing holds the block any more it leaves the tree, and so do
    /// hollows before it that only it held; `gone` is told of each.
    pub fn set_copy(&mut self, node: NodeId, tier: Tier, there: bool, gone: impl FnMut(BlockId, T)) {
        let entry = self.entry(node);
        if entry.copies.has(tier) != there {
            let before = entry.is_hollow();
            entry.copies.set(tier, there);
            let (after, parent) = (entry.is_hollow(), entry.parent);
            match (before, after) {
                (true, false) => self.hollows -= 1,
                (false, true) => self.hollows += 1,
                _ => {}
            }
            if let Some(parent) = parent.some() {
                let kids = &mut self.entry(parent).kids[tier];
                *kids = if there { *kids + 1 } else { *kids - 1 };
            }
        }
        self.release(node, gone);
    }

    /// Holds a block, and with it all that come before.
    pub fn pin(&mut self, node: NodeId) {
        self.entry(node).pins += 1;
    }

    /// Lets go of it. What nothing holds any more leaves the tree, and `gone` is told of it.
    pub fn unpin(&mut self, node: NodeId, gone: impl FnMut(BlockId, T)) {
        let entry = self.entry(node);
        assert!(entry.pins > 0, "a block is let go of more often than held");
        entry.pins -= 1;
        self.release(node, gone);
    }

    /// The identity of a block.
    pub fn id(&self, node: NodeId) -> BlockId {
        self.nodes[node.index()].id()
    }

    /// The block before it.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.nodes[node.index()].parent.some()
    }

    /// Whether a tier has a copy.
    pub fn has(&self, node: NodeId, tier: Tier) -> bool {
        self.nodes[node.index()].copies.has(tier)
    }

    /// Whether this node is in use, and not given back.
    pub fn is_live(&self, node: NodeId) -> bool {
        self.nodes[node.index()].live
    }

    /// How many tiers have one.
    pub fn copies(&self, node: NodeId) -> usize {
        self.nodes[node.index()].copies.count()
    }

    /// How many blocks come directly after it.
    pub fn children(&self, node: NodeId) -> u32 {
        self.nodes[node.index()].children
    }

    /// Whether a tier could let go of its copy: nobody uses the block, and no block after it has a copy there.
    pub fn is_leaf(&self, node: NodeId, tier: Tier) -> bool {
        let entry = &self.nodes[node.index()];
        entry.live && entry.copies.has(tier) && entry.pins == 0 && entry.kids[tier] == 0
    }

    /// What is kept for a block.
    pub fn value(&self, node: NodeId) -> &T {
        &self.nodes[node.index()].value
    }

    /// The same, to change it.
    pub fn value_mut(&mut self, node: NodeId) -> &mut T {
        &mut self.entry(node).value
    }

    /// Whether its user has marked it.
    pub fn is_marked(&self, node: NodeId) -> bool {
        self.nodes[node.index()].mark
    }

    /// Marks it, or takes the mark away.
    pub fn mark(&mut self, node: NodeId, mark: bool) {
        self.entry(node).mark = mark;
    }

    /// All blocks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.table.iter().copied()
    }

    /// What the index takes of memory for each block, at this moment.
    pub fn bytes_per_block(&self) -> f64 {
        let nodes =
            self.nodes.capacity() * size_of::<Node<T>>() + self.vacant.capacity() * size_of::<NodeId>();
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let mean = (nodes + self.table.allocation_size()) as f64 / self.len().max(1) as f64;
        mean
    }

    /// Takes a block that nothing holds out, and the hollows before it that only it held.
    fn release(&mut self, from: NodeId, mut gone: impl FnMut(BlockId, T)) {
        let mut next = Some(from);
        while let Some(node) = next {
            let entry = &self.nodes[node.index()];
            if !entry.is_hollow() || entry.pins > 0 || entry.children > 0 {
                break;
            }
            next = entry.parent.some();
            let (id, value) = self.take(node);
            gone(id, value);
        }
    }

    fn take(&mut self, node: NodeId) -> (BlockId, T) {
        let entry = self.entry(node);
        entry.live = false;
        let (id, parent, value) = (entry.id(), entry.parent, std::mem::take(&mut entry.value));
        if let Ok(found) = self.table.find_entry(self.hash(id), |&other| other == node) {
            found.remove();
        }
        if let Some(parent) = parent.some() {
            self.entry(parent).children -= 1;
        }
        self.hollows -= 1;
        self.vacant.push(node);
        (id, value)
    }

    fn entry(&mut self, node: NodeId) -> &mut Node<T> {
        let entry = &mut self.nodes[node.index()];
        assert!(entry.live, "block {} is used after it left the index", node.get());
        entry
    }

    fn hash(&self, id: BlockId) -> u64 {
        mix(id, self.seed)
    }
}

/// Identities are hashes already; the seed only keeps others from choosing where they fall.
fn mix(id: BlockId, seed: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let (low, high) = (id.get() as u64, (id.get() >> 64) as u64);
    let product = u128::from(low ^ seed) * u128::from(high.wrapping_mul(seed) | 1);
    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are folded into one")]
    let folded = product as u64 ^ (product >> 64) as u64;
    folded.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(all(test, not(shuttle)))]
#[path = "tree_tests.rs"]
mod tests;
