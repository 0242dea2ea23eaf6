//! Blocks that are cut and joined while they stay taken: what waits for a stream may serve that stream again, in
//! other sizes than before.

use super::arena::Arena;
use super::node::{NIL, Node, NodeId, State, Zone};

impl Arena {
    /// The zone in which a request would lie, and the bytes it would take.
    pub(crate) fn request(&self, bytes: u64, align: u64) -> Option<(Zone, u64)> {
        let want = self.want(bytes, align)?;
        Some((self.zone_of(&want), want.bytes))
    }

    /// The zone in which a block lies.
    pub(crate) fn zone_holding(&self, block: NodeId) -> Zone {
        self.nodes.at(block.0).zone()
    }

    /// The block that lies right after this one, if one does and both may become one.
    pub(crate) fn block_after(&self, block: NodeId) -> Option<NodeId> {
        let node = self.nodes.at(block.0);
        if node.last() { None } else { self.beside(node, node.next, Node::first) }
    }

    /// The same right before it.
    pub(crate) fn block_before(&self, block: NodeId) -> Option<NodeId> {
        let node = self.nodes.at(block.0);
        if node.first() { None } else { self.beside(node, node.prev, Node::last) }
    }

    fn beside(&self, node: &Node, id: u32, apart: impl Fn(&Node) -> bool) -> Option<NodeId> {
        if id == NIL {
            return None;
        }
        let other = self.nodes.at(id);
        let joins = other.state() == State::Taken && other.zone() == node.zone() && !apart(other);
        joins.then_some(NodeId(id))
    }

    /// Cuts a block so that it keeps its first `bytes`; the rest is a block of its own. `None`, with nothing cut, when
    /// there is no rest.
    ///
    /// # Panics
    /// When the block is not taken.
    pub(crate) fn split_block(&mut self, block: NodeId, bytes: u64) -> Option<NodeId> {
        let node = self.nodes.at(block.0);
        assert!(node.state() == State::Taken, "block {} is not taken: it cannot be cut", block.0);
        if bytes == 0
            || bytes >= node.bytes()
            || !bytes.is_multiple_of(self.settings.unit)
            || !self.nodes.has_room(1)
        {
            return None;
        }
        let rest = self.nodes.split(block.0, bytes);
        self.taken_blocks += 1;
        if self.nodes.at(rest).zone() == Zone::Large {
            self.nodes.touch(rest);
        }
        Some(NodeId(rest))
    }

    /// Makes one block of two neighbours; it has the name of the first.
    ///
    /// # Panics
    /// When the second is not what [`block_after`](Self::block_after) says of the first.
    pub(crate) fn join_blocks(&mut self, first: NodeId, second: NodeId) {
        assert!(self.block_after(first) == Some(second), "{first:?} and {second:?} do not lie side by side");
        self.nodes.merge(first.0, second.0);
        self.taken_blocks -= 1;
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use crate::pool::arena::{Arena, ArenaSettings, GrowthMode};

    #[test]
    fn blocks_are_cut_and_joined_within_their_borders() {
        let pages = ArenaSettings::pages(512, 1 << 16, 1 << 30);
        for settings in [pages, ArenaSettings::slabs(512, 4096, 1 << 30)] {
            let mut arena = Arena::new(settings);
            for range in arena.growth(1 << 20, 512, GrowthMode::Exchange).unwrap().back {
                arena.backed(range);
            }
            let whole = arena.place(1 << 20, 512).unwrap();
            assert_eq!((arena.block_before(whole.node), arena.block_after(whole.node)), (None, None));
            assert_eq!(arena.split_block(whole.node, 1 << 20), None);
            let rest = arena.split_block(whole.node, 1 << 19).unwrap();
            arena.check();
            assert_eq!(arena.block_after(whole.node), Some(rest));
            assert_eq!(arena.block_before(rest), Some(whole.node));
            assert_eq!((arena.taken_blocks(), arena.taken_bytes()), (2, 1 << 20));
            arena.join_blocks(whole.node, rest);
            arena.check();
            let rest = arena.split_block(whole.node, 512).unwrap();
            arena.release(whole.node);
            assert_eq!(arena.block_before(rest), None, "a free run is no block");
            arena.check();
            arena.release(rest);
            arena.check();
            assert_eq!(arena.taken_bytes(), 0);
        }
    }
}
