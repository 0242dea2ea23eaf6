//! What is charged to whom, place by place.
//!
//! A place is a tree of nodes, one for each account that has a share of it, under a root that stands for the line
//! less its two reserves. A node knows its own charges, its subtree's, and how much of its parent it takes up:
//!
//! ```text
//! committed(n) = own(n) + Σ children hold(c)
//! hold(c)      = max(committed(c), what c is guaranteed and does not lend)
//! ```
//!
//! A charge is admitted when `committed ≤ limit` stays true from the account up to the root. Because `hold` is
//! recursive, a guarantee that is not lent stays free at every level, also below a parent that lends its own. A
//! charge that fits into such a guarantee changes nothing further up, so it cannot be refused there.
//!
//! All operations are all-or-nothing, cost O(depth), and leave the books whole at every return.

use super::settings::LineSettings;
use crate::ledger::charter::Member;

/// The deepest tree: the root and seven names.
pub(crate) const MAX_DEPTH: usize = 8;

/// A node of some place's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

impl NodeId {
    pub fn new(index: usize) -> Self {
        assert!(u32::try_from(index).is_ok(), "the charter bounds the number of nodes");
        #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
        Self(index as u32)
    }

    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One account's share of one place, or (without a parent) the place itself.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub parent: Option<NodeId>,
    /// None for the root.
    pub account: Option<u32>,
    pub place: u16,
    pub depth: u8,
    pub priority: u8,
    pub lend: bool,
    pub guaranteed: u64,
    /// The part of the guarantee that nobody else may use.
    pub floor: u64,
    pub limit: u64,
    /// Where the adaptive share stands; between guarantee and limit.
    pub soft: u64,
    pub own: u64,
    pub charged: u64,
    pub committed: u64,
    /// The part of `own` that nothing stands behind yet.
    pub unbacked: u64,
    pub peak: u64,
}

impl Node {
    pub fn root(place: u16, carry: u64) -> Self {
        Self {
            parent: None,
            account: None,
            place,
            depth: 0,
            priority: 0,
            lend: true,
            guaranteed: 0,
            floor: 0,
            limit: carry,
            soft: carry,
            own: 0,
            charged: 0,
            committed: 0,
            unbacked: 0,
            peak: 0,
        }
    }

    pub fn child(&self, parent: NodeId, account: u32, guaranteed: u64, limit: u64, member: &Member) -> Self {
        Self {
            parent: Some(parent),
            account: Some(account),
            depth: self.depth + 1,
            priority: member.priority,
            lend: member.lend,
            guaranteed,
            floor: if member.lend { 0 } else { guaranteed },
            limit,
            soft: limit,
            ..Self::root(self.place, limit)
        }
    }

    /// What this node takes up of its parent.
    pub fn hold(&self) -> u64 {
        self.committed.max(self.floor)
    }
}

/// A place as a whole.
#[derive(Clone, Debug)]
pub(crate) struct PlaceBook {
    pub root: NodeId,
    /// Line less both reserves: the root's limit when the system has what the plan thought.
    pub carry: u64,
    pub emergency: u64,
    pub emergency_used: u64,
    /// The most ever charged, emergency reserve included.
    pub peak: u64,
}

/// Where a charge does not fit, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub node: NodeId,
    pub short: u64,
}

/// The books of all places.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    nodes: Vec<Node>,
    places: Vec<PlaceBook>,
}

impl Books {
    /// Books with nothing charged. Nodes come place by place, roots first and parents before children.
    pub fn new(mut nodes: Vec<Node>, lines: &[LineSettings]) -> Self {
        for index in (0..nodes.len()).rev() {
            let hold = nodes[index].hold();
            if let Some(parent) = nodes[index].parent {
                assert!(parent.index() < index, "parents come before their children");
                nodes[parent.index()].committed += hold;
            }
        }
        let roots = (0..nodes.len()).filter(|&i| nodes[i].parent.is_none()).map(NodeId::new);
        let places = roots
            .zip(lines)
            .map(|(root, line)| PlaceBook {
                root,
                carry: nodes[root.index()].limit,
                emergency: line.emergency.get(),
                emergency_used: 0,
                peak: 0,
            })
            .collect();
        Self { nodes, places }
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn place(&self, place: usize) -> &PlaceBook {
        &self.places[place]
    }

    /// From a node up to its root.
    pub fn path(&self, from: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(from), |&id| self.node(id).parent)
    }

    /// Whether `below` is `above` or under it.
    pub fn is_under(&self, below: NodeId, above: NodeId) -> bool {
        self.path(below).any(|id| id == above)
    }

    /// How much more of its parent a node takes up when its `committed` grows by `delta`.
    fn grows_parent_by(&self, id: NodeId, delta: u64) -> u64 {
        let node = self.node(id);
        node.committed.saturating_add(delta).max(node.floor) - node.hold()
    }

    /// Whether `bytes` more fit everywhere from `id` to the root; the lowest node where they do not.
    pub fn fit(&self, id: NodeId, bytes: u64) -> Result<(), Block> {
        self.steps(id, bytes).try_for_each(|(node, delta)| match self.short_at(node, delta) {
            0 => Ok(()),
            short => Err(Block { node, short }),
        })
    }

    /// The most that could be charged to a node now.
    pub fn room(&self, id: NodeId) -> u64 {
        let (mut most, mut slack) = (u64::MAX, 0_u64);
        for id in self.path(id) {
            let node = self.node(id);
            most = most.min(node.limit.saturating_sub(node.committed).saturating_add(slack));
            slack = slack.saturating_add(node.hold() - node.committed);
        }
        most
    }

    /// From a node up to the root: by how much each node's `committed` grows when `bytes` are charged to `id`.
    pub fn steps(&self, id: NodeId, bytes: u64) -> impl Iterator<Item = (NodeId, u64)> + '_ {
        std::iter::successors(Some((id, bytes)), |&(id, delta)| {
            self.node(id).parent.map(|parent| (parent, self.grows_parent_by(id, delta)))
        })
    }

    /// By how much `delta` more is too much at one node. Nothing asked is never too much.
    pub fn short_at(&self, id: NodeId, delta: u64) -> u64 {
        let node = self.node(id);
        if delta == 0 && node.parent.is_some() {
            return 0;
        }
        node.committed.saturating_add(delta).saturating_sub(node.limit)
    }

    /// Charges `bytes` to a node, or says where they do not fit and changes nothing.
    pub fn charge(&mut self, id: NodeId, bytes: u64) -> Result<(), Block> {
        self.fit(id, bytes)?;
        self.put(id, bytes);
        let node = &mut self.nodes[id.index()];
        node.unbacked += bytes;
        Ok(())
    }

    /// Adds to own, charged and committed up the path, and marks peaks.
    fn put(&mut self, id: NodeId, bytes: u64) {
        self.nodes[id.index()].own += bytes;
        let (mut at, mut delta) = (id, bytes);
        loop {
            let grows = self.grows_parent_by(at, delta);
            let node = &mut self.nodes[at.index()];
            node.charged += bytes;
            node.committed += delta;
            node.peak = node.peak.max(node.charged);
            delta = grows;
            match node.parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
        self.mark_peak(usize::from(self.node(id).place));
    }

    /// Takes from own, charged and committed up the path.
    fn take(&mut self, id: NodeId, bytes: u64) {
        assert!(self.node(id).own >= bytes, "released more than was charged");
        self.nodes[id.index()].own -= bytes;
        let (mut at, mut delta) = (id, bytes);
        loop {
            let node = &mut self.nodes[at.index()];
            let before = node.hold();
            node.charged -= bytes;
            node.committed -= delta;
            delta = before - node.hold();
            match node.parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
    }

    /// Gives back `bytes`, of which `unbacked` never had anything behind them.
    pub fn release(&mut self, id: NodeId, bytes: u64, unbacked: bool) {
        assert!(!unbacked || self.node(id).unbacked >= bytes, "released more reservations than there were");
        self.take(id, bytes);
        if unbacked {
            self.nodes[id.index()].unbacked -= bytes;
        }
    }

    /// A reservation has memory behind it now.
    pub fn back(&mut self, id: NodeId, bytes: u64) {
        let node = &mut self.nodes[id.index()];
        assert!(node.unbacked >= bytes, "backed more than was reserved");
        node.unbacked -= bytes;
    }

    /// Moves `bytes` from one node to another in one step; when the target has no room nothing changes.
    pub fn transfer(&mut self, from: NodeId, to: NodeId, bytes: u64, unbacked: bool) -> Result<(), Block> {
        self.take(from, bytes);
        if let Err(block) = self.fit(to, bytes) {
            self.put(from, bytes);
            return Err(block);
        }
        self.put(to, bytes);
        if unbacked {
            self.nodes[from.index()].unbacked -= bytes;
            self.nodes[to.index()].unbacked += bytes;
        }
        Ok(())
    }

    /// Charges the emergency reserve, or says how much of it is left.
    pub fn charge_emergency(&mut self, place: usize, bytes: u64) -> Result<(), u64> {
        let book = &mut self.places[place];
        let left = book.emergency - book.emergency_used;
        if bytes > left {
            return Err(left);
        }
        book.emergency_used += bytes;
        self.mark_peak(place);
        Ok(())
    }

    pub fn release_emergency(&mut self, place: usize, bytes: u64) {
        let book = &mut self.places[place];
        assert!(book.emergency_used >= bytes, "released more of the emergency reserve than was taken");
        book.emergency_used -= bytes;
    }

    /// Everything charged on a place, emergency reserve included.
    pub fn total(&self, place: usize) -> u64 {
        let book = &self.places[place];
        self.node(book.root).charged + book.emergency_used
    }

    /// What is charged on a place and has nothing behind it yet.
    pub fn unbacked(&self, place: usize) -> u64 {
        self.nodes.iter().filter(|node| usize::from(node.place) == place).map(|node| node.unbacked).sum()
    }

    /// The system has less (or again as much) than the plan thought: what may be charged from now on.
    pub fn set_carry(&mut self, place: usize, carry: u64) {
        let (root, most) = (self.places[place].root, self.places[place].carry);
        self.nodes[root.index()].limit = carry.min(most);
    }

    pub fn set_soft(&mut self, id: NodeId, soft: u64) {
        let node = &mut self.nodes[id.index()];
        node.soft = soft.clamp(node.guaranteed, node.limit);
    }

    fn mark_peak(&mut self, place: usize) {
        let total = self.total(place);
        let book = &mut self.places[place];
        book.peak = book.peak.max(total);
    }

    /// Checks everything that must hold at rest; for tests.
    #[cfg(test)]
    pub fn check(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            let children = self.nodes.iter().filter(|c| c.parent == Some(NodeId::new(index)));
            let (charged, holds) = children.fold((0, 0), |(a, b), c| (a + c.charged, b + c.hold()));
            assert_eq!(node.charged, node.own + charged, "own + children = charged");
            assert_eq!(node.committed, node.own + holds, "own + holds = committed");
            assert!(node.unbacked <= node.own && node.peak >= node.charged);
            assert!(node.committed <= node.limit, "node {index}: {} > {}", node.committed, node.limit);
        }
        for book in &self.places {
            assert!(book.emergency_used <= book.emergency);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{AccountSettings, Charter, LedgerSettings};
    use crate::{Bytes, Place};

    fn account(path: &str, guaranteed: u64, limit: u64, lend: bool) -> AccountSettings {
        AccountSettings::new(path).share(Place::Host, Bytes::new(guaranteed), Bytes::new(limit)).lend(lend)
    }

    fn books(accounts: Vec<AccountSettings>) -> (Charter, Books) {
        let line = LineSettings::new(Place::Host, Bytes::new(110)).emergency(Bytes::new(10));
        Charter::draw_up(&LedgerSettings { places: vec![line], accounts }).unwrap()
    }

    fn at(charter: &Charter, path: &str) -> NodeId {
        charter.node(charter.find(path).unwrap(), Place::Host).unwrap()
    }

    #[test]
    fn a_guarantee_that_is_not_lent_stays_free_below_a_parent_that_lends() {
        let (charter, mut books) = books(vec![
            account("m", 40, 80, true),
            account("m/q", 30, 40, false),
            account("k", 0, 100, true),
        ]);
        let (q, k) = (at(&charter, "m/q"), at(&charter, "k"));
        assert_eq!(books.fit(k, 71).unwrap_err(), Block { node: NodeId::new(0), short: 1 });
        books.charge(k, 70).unwrap();
        books.charge(q, 30).unwrap();
        books.check();
        assert_eq!(books.charge(q, 1).unwrap_err().node, NodeId::new(0));
        books.release(q, 30, true);
        assert!(books.charge(k, 1).is_err(), "what q gave back is q's");
        books.check();
    }

    #[test]
    fn a_lent_guarantee_can_be_borrowed() {
        let (charter, mut books) = books(vec![account("m", 40, 80, true), account("k", 0, 100, true)]);
        books.charge(at(&charter, "k"), 100).unwrap();
        assert_eq!(books.charge(at(&charter, "m"), 1).unwrap_err().short, 1);
        books.check();
    }

    #[test]
    fn a_transfer_on_a_full_line_is_one_step_and_all_or_nothing() {
        let (charter, mut books) = books(vec![account("a", 0, 100, true), account("b", 0, 60, true)]);
        let (a, b) = (at(&charter, "a"), at(&charter, "b"));
        books.charge(a, 100).unwrap();
        books.transfer(a, b, 60, true).unwrap();
        assert_eq!(books.transfer(a, b, 1, true).unwrap_err(), Block { node: b, short: 1 });
        assert_eq!((books.node(a).own, books.node(b).own, books.place(0).peak), (40, 60, 100));
        books.check();
    }

    #[test]
    fn the_emergency_reserve_is_beside_the_line() {
        let (charter, mut books) = books(vec![account("a", 0, 100, true)]);
        books.charge(at(&charter, "a"), 100).unwrap();
        books.charge_emergency(0, 10).unwrap();
        assert_eq!(books.charge_emergency(0, 1), Err(0));
        assert_eq!((books.total(0), books.place(0).peak), (110, 110));
        books.release_emergency(0, 10);
        books.check();
    }

    #[test]
    #[should_panic(expected = "released more than was charged")]
    fn releasing_twice_is_a_broken_invariant() {
        let (charter, mut books) = books(vec![account("a", 0, 100, true)]);
        books.release(at(&charter, "a"), 1, false);
    }
}
