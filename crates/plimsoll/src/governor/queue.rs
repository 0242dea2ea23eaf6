//! Who waits for what, and who is next.
//!
//! # The order
//! A waiter climbs from its account towards the root and stands in exactly one queue: that of the lowest node that
//! holds it up. What it has passed below is *claimed* for it, so nobody who came later can take that room away.
//! Each node serves its queue in arrival order (tickets are global), and a head that does not fit stops only those
//! behind it at that node. From this follows, per account tree:
//!
//! * no barging: a new request queues wherever somebody of its lane or a better one stands;
//! * no starvation: at each node a waiter's turn comes, and what it passed stays passed (also when an older one,
//!   held up further down until then, reaches that node later: it is passed once, not again);
//! * no blocking across unrelated accounts: one that waits for its own account's limit stands at that account and
//!   holds up nobody else; it enters the queue of the line only when the line is all it needs.
//!
//! # Lanes
//! What an account is guaranteed goes before what others borrow. Guarantees nest, so the lane is a matter of where
//! one stands: at node *n* a request is in lane 0 when *n*'s child on its path stays within its guarantee, in lane
//! 1 when only an account further down does (its guarantee counts, but a sibling has borrowed beyond their
//! parent's), and in lane 2 when it borrows. Lane 0 can always be satisfied by taking back what was borrowed, so
//! it never waits for lane 1. Coverage is bounded: `charged + promised ≤ guaranteed`, where promised sums what
//! waits under cover. Lane 3 is for those who may not grow while memory is under pressure.
//!
//! # Cost
//! A release with nobody waiting costs one comparison. Otherwise each node on the released path looks at its head:
//! O(depth) when all stay blocked, O(depth · log waiting) for each one that is granted.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Block, Books, MAX_DEPTH, NodeId};

/// Arrival order: smaller came first.
pub(crate) type Ticket = u64;

const LANES: usize = 4;
const BORROWING: usize = 2;
const GATED: usize = 3;
/// A request that is not in any queue comes after all that are.
const NEWCOMER: Ticket = u64::MAX;

/// Whether borrowers may grow on a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Gate {
    /// All may.
    #[default]
    Open,
    /// Those within their adaptive share may.
    Shares,
    /// Only those within their guarantee may.
    Guarantees,
}

/// What holds a request up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// It does not fit.
    Short(Block),
    /// Others came first at this node.
    Behind(NodeId),
    /// Memory is under pressure and it would borrow.
    Gated(NodeId),
}

impl Hindrance {
    pub const fn node(self) -> NodeId {
        match self {
            Self::Short(block) => block.node,
            Self::Behind(node) | Self::Gated(node) => node,
        }
    }
}

#[derive(Debug)]
struct Waiter {
    leaf: NodeId,
    bytes: u64,
    at: NodeId,
    lane: usize,
    /// Bit d: the node at depth d on its path covers it by its guarantee.
    cover: u16,
    /// By depth: what is claimed for it at the nodes it has passed.
    claims: [u64; MAX_DEPTH],
}

#[derive(Debug, Default)]
struct Desk {
    lanes: [BTreeSet<Ticket>; LANES],
    /// The last that was first here and knows it: it asked when it came, or was told. Kept, because a head that
    /// leaves is gone before anybody looks who comes after it.
    knows: Option<Ticket>,
    /// Sum of what is claimed here by those who wait further up.
    claimed: u64,
    /// Sum of what waits under this node's guarantee.
    promised: u64,
    /// Those passing here that its guarantee does not cover (yet), smallest first.
    uncovered: BTreeSet<(u64, Ticket)>,
}

impl Desk {
    fn head(&self) -> Option<Ticket> {
        self.lanes[..GATED].iter().find_map(|lane| lane.first().copied())
    }

    fn is_ahead(&self, lane: usize, ticket: Ticket) -> bool {
        let better = self.lanes[..lane].iter().any(|lane| !lane.is_empty());
        better || self.lanes[lane].first().is_some_and(|&first| first < ticket)
    }
}

/// What came of looking at the queues: for the caller to tell those concerned.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// Charged; no longer in the queues.
    pub granted: Vec<Ticket>,
    /// Now first where they stand.
    pub first: Vec<Ticket>,
}

/// The queues of all nodes.
#[derive(Debug)]
pub(crate) struct Queues {
    waiters: BTreeMap<Ticket, Waiter>,
    desks: Vec<Desk>,
    gates: Vec<Gate>,
    /// How many wait, by place.
    waiting: Vec<usize>,
    next: Ticket,
}

impl Queues {
    pub fn new(nodes: usize, places: usize) -> Self {
        Self {
            waiters: BTreeMap::new(),
            desks: (0..nodes).map(|_| Desk::default()).collect(),
            gates: vec![Gate::Open; places],
            waiting: vec![0; places],
            next: 0,
        }
    }

    pub fn waiting(&self, place: usize) -> usize {
        self.waiting[place]
    }

    /// Who waits, from which node, for how much.
    pub fn demands(&self) -> impl Iterator<Item = (NodeId, u64)> + '_ {
        self.waiters.values().map(|waiter| (waiter.leaf, waiter.bytes))
    }

    /// Charges at once if it fits and passes nobody over.
    pub fn admit(&self, books: &mut Books, leaf: NodeId, bytes: u64) -> Result<(), Hindrance> {
        let place = usize::from(books.node(leaf).place);
        if bytes > 0
            && (self.waiting[place] > 0 || self.gates[place] != Gate::Open)
            && let Some(hindrance) = self.would_hold_up(books, leaf, bytes)
        {
            return Err(hindrance);
        }
        books.charge(leaf, bytes).map_err(Hindrance::Short)
    }

    /// What would hold a newcomer up.
    pub fn would_hold_up(&self, books: &Books, leaf: NodeId, bytes: u64) -> Option<Hindrance> {
        let cover = self.cover(books, leaf, bytes);
        books.steps(leaf, bytes).find_map(|(node, delta)| {
            let lane = self.lane(books, node, leaf, bytes, cover);
            self.hindrance(books, node, delta, lane, NEWCOMER)
        })
    }

    /// Whether `bytes` may move from one node to another without passing anyone over. Nodes that both paths share
    /// are not concerned: nothing changes there.
    pub fn admits_move(&self, books: &Books, from: NodeId, to: NodeId, bytes: u64) -> Result<(), Hindrance> {
        let cover = self.cover(books, to, bytes);
        for (node, delta) in books.steps(to, bytes).take_while(|&(node, _)| !books.is_under(from, node)) {
            let lane = self.lane(books, node, to, bytes, cover);
            if delta > 0 {
                self.hindrance(books, node, delta, lane, NEWCOMER).map_or(Ok(()), Err)?;
            }
        }
        Ok(())
    }

    /// Puts a request that was not admitted into the queue of whatever holds it up.
    pub fn enqueue(&mut self, books: &mut Books, leaf: NodeId, bytes: u64) -> (Ticket, Served) {
        let ticket = self.next;
        self.next += 1;
        let cover = self.cover(books, leaf, bytes);
        for node in books.path(leaf) {
            let desk = &mut self.desks[node.index()];
            if cover & bit(books, node) != 0 {
                desk.promised += bytes;
            } else if books.node(node).guaranteed > 0 {
                desk.uncovered.insert((bytes, ticket));
            }
        }
        let lane = self.lane(books, leaf, leaf, bytes, cover);
        self.desks[leaf.index()].lanes[lane].insert(ticket);
        let waiter = Waiter { leaf, bytes, at: leaf, lane, cover, claims: [0; MAX_DEPTH] };
        self.waiters.insert(ticket, waiter);
        self.waiting[usize::from(books.node(leaf).place)] += 1;
        let mut served = Served::default();
        if self.climb(books, ticket) {
            served.granted.push(ticket);
        } else if let Some(waiter) = self.waiters.get(&ticket) {
            let desk = &mut self.desks[waiter.at.index()];
            if desk.head() == Some(ticket) {
                desk.knows = Some(ticket);
            }
        }
        (ticket, served)
    }

    /// Takes a waiter out; its claims and promises lapse. Follow with [`settle`](Self::settle).
    pub fn leave(&mut self, books: &Books, ticket: Ticket) -> Option<NodeId> {
        let waiter = self.waiters.remove(&ticket)?;
        self.desks[waiter.at.index()].lanes[waiter.lane].remove(&ticket);
        for node in books.path(waiter.leaf) {
            let desk = &mut self.desks[node.index()];
            desk.claimed -= waiter.claims[depth(books, node)];
            if waiter.cover & bit(books, node) != 0 {
                desk.promised -= waiter.bytes;
            } else {
                desk.uncovered.remove(&(waiter.bytes, ticket));
            }
        }
        self.waiting[usize::from(books.node(waiter.leaf).place)] -= 1;
        Some(waiter.leaf)
    }

    /// Whether a waiter is the first where it stands: only then can freeing memory help it next.
    pub fn is_first(&self, ticket: Ticket) -> bool {
        self.waiters.get(&ticket).is_some_and(|w| self.desks[w.at.index()].head() == Some(ticket))
    }

    /// What holds a waiter up now.
    pub fn held_up_by(&self, books: &Books, ticket: Ticket) -> Option<Hindrance> {
        let waiter = self.waiters.get(&ticket)?;
        let (node, delta) = books.steps(waiter.leaf, waiter.bytes).find(|&(node, _)| node == waiter.at)?;
        self.hindrance(books, node, delta, waiter.lane, ticket)
    }

    /// Something was released, or a limit rose, on the path of `leaf`: serves whoever can be served.
    pub fn settle(&mut self, books: &mut Books, leaf: NodeId) -> Served {
        let mut served = Served::default();
        if self.waiting[usize::from(books.node(leaf).place)] == 0 {
            return served;
        }
        let mut leaves = vec![leaf];
        while let Some(leaf) = leaves.pop() {
            let path = books.path(leaf).collect::<Vec<_>>();
            for &node in &path {
                self.promote(books, node);
            }
            for &node in &path {
                self.pump(books, node, &mut served, &mut leaves);
            }
        }
        served
    }

    /// A whole place changed: its gate, its line or its shares.
    pub fn settle_place(&mut self, books: &mut Books, place: usize, gate: Gate) -> Served {
        self.gates[place] = gate;
        let mut served = Served::default();
        if self.waiting[place] == 0 {
            return served;
        }
        for ticket in self.waiters.keys().copied().collect::<Vec<_>>() {
            self.change_lane(books, ticket);
        }
        // Children come after their parents: going down the numbers serves leaves first.
        for index in (0..books.nodes().len()).rev().map(NodeId::new) {
            if usize::from(books.node(index).place) == place && self.desks[index.index()].head().is_some() {
                let mut leaves = Vec::new();
                self.pump(books, index, &mut served, &mut leaves);
                for leaf in leaves {
                    let more = self.settle(books, leaf);
                    served.granted.extend(more.granted);
                    served.first.extend(more.first);
                }
            }
        }
        served
    }

    /// Serves the head of a node's queue until it stays.
    fn pump(&mut self, books: &mut Books, node: NodeId, served: &mut Served, leaves: &mut Vec<NodeId>) {
        let mut last = None;
        while let Some(head) = self.desks[node.index()].head() {
            if last == Some(head) {
                break;
            }
            last = Some(head);
            let Some(leaf) = self.waiters.get(&head).map(|waiter| waiter.leaf) else {
                break;
            };
            if self.climb(books, head) {
                served.granted.push(head);
                leaves.push(leaf);
            }
        }
        let desk = &mut self.desks[node.index()];
        if let Some(head) = desk.head()
            && desk.knows.replace(head) != Some(head)
        {
            served.first.push(head);
        }
    }

    /// Lets a waiter climb as far as it can; whether it was granted.
    fn climb(&mut self, books: &mut Books, ticket: Ticket) -> bool {
        self.review(books, ticket);
        let Some(waiter) = self.waiters.get(&ticket) else {
            return false;
        };
        let (leaf, bytes, from, cover) = (waiter.leaf, waiter.bytes, waiter.at, waiter.cover);
        let steps = books.steps(leaf, bytes).collect::<Vec<_>>();
        let start = steps.iter().position(|&(node, _)| node == from).unwrap_or(0);
        for &(node, delta) in &steps[start..] {
            let lane = self.lane(books, node, leaf, bytes, cover);
            if self.hindrance(books, node, delta, lane, ticket).is_some() {
                self.stand(ticket, node, lane);
                return false;
            }
            self.claim(books, ticket, node, delta);
        }
        // Claims count what a charge would have taken up when they were made, which a release may have lowered
        // since; so the books have the last word.
        for &(node, _) in &steps {
            self.unclaim(books, ticket, node);
        }
        match books.charge(leaf, bytes) {
            Ok(()) => {
                self.leave(books, ticket);
                true
            }
            Err(block) => {
                for &(node, delta) in steps.iter().take_while(|&&(node, _)| node != block.node) {
                    self.claim(books, ticket, node, delta);
                }
                let lane = self.lane(books, block.node, leaf, bytes, cover);
                self.stand(ticket, block.node, lane);
                false
            }
        }
    }

    fn hindrance(
        &self,
        books: &Books,
        node: NodeId,
        delta: u64,
        lane: usize,
        ticket: Ticket,
    ) -> Option<Hindrance> {
        let desk = &self.desks[node.index()];
        if lane == GATED {
            return Some(Hindrance::Gated(node));
        }
        if desk.is_ahead(lane, ticket) {
            return Some(Hindrance::Behind(node));
        }
        match books.short_at(node, delta.saturating_add(desk.claimed)) {
            0 => None,
            _ if delta == 0 && books.short_at(node, 0) == 0 => None,
            short => Some(Hindrance::Short(Block { node, short })),
        }
    }

    fn stand(&mut self, ticket: Ticket, node: NodeId, lane: usize) {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return;
        };
        self.desks[waiter.at.index()].lanes[waiter.lane].remove(&ticket);
        (waiter.at, waiter.lane) = (node, lane);
        self.desks[node.index()].lanes[lane].insert(ticket);
    }

    fn claim(&mut self, books: &Books, ticket: Ticket, node: NodeId, delta: u64) {
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.claims[depth(books, node)] += delta;
            self.desks[node.index()].claimed += delta;
        }
    }

    fn unclaim(&mut self, books: &Books, ticket: Ticket, node: NodeId) {
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            let claimed = std::mem::take(&mut waiter.claims[depth(books, node)]);
            self.desks[node.index()].claimed -= claimed;
        }
    }

    /// Which guarantees on the path would cover `bytes` more.
    fn cover(&self, books: &Books, leaf: NodeId, bytes: u64) -> u16 {
        let covers = |&node: &NodeId| {
            let (desk, node) = (&self.desks[node.index()], books.node(node));
            let taken = node.charged.saturating_add(desk.promised).saturating_add(bytes);
            node.guaranteed > 0 && taken <= node.guaranteed
        };
        books.path(leaf).filter(covers).fold(0, |mask, node| mask | bit(books, node))
    }

    /// Withdraws cover that is no longer there.
    fn review(&mut self, books: &Books, ticket: Ticket) {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return;
        };
        for node in books.path(waiter.leaf) {
            let (desk, book) = (&mut self.desks[node.index()], books.node(node));
            let bit = bit(books, node);
            if waiter.cover & bit != 0 && book.charged.saturating_add(desk.promised) > book.guaranteed {
                waiter.cover &= !bit;
                desk.promised -= waiter.bytes;
                desk.uncovered.insert((waiter.bytes, ticket));
            }
        }
        self.change_lane(books, ticket);
    }

    /// Covers whoever a node's guarantee covers now that something was released under it.
    fn promote(&mut self, books: &Books, node: NodeId) {
        let book = books.node(node);
        while let Some(&(bytes, ticket)) = self.desks[node.index()].uncovered.first() {
            let desk = &mut self.desks[node.index()];
            if book.charged.saturating_add(desk.promised).saturating_add(bytes) > book.guaranteed {
                break;
            }
            desk.uncovered.pop_first();
            if let Some(waiter) = self.waiters.get_mut(&ticket) {
                desk.promised += bytes;
                waiter.cover |= bit(books, node);
                self.change_lane(books, ticket);
            }
        }
    }

    fn change_lane(&mut self, books: &Books, ticket: Ticket) {
        let Some(waiter) = self.waiters.get(&ticket) else {
            return;
        };
        let lane = self.lane(books, waiter.at, waiter.leaf, waiter.bytes, waiter.cover);
        if lane != waiter.lane {
            let at = waiter.at;
            self.stand(ticket, at, lane);
        }
    }

    fn lane(&self, books: &Books, at: NodeId, leaf: NodeId, bytes: u64, cover: u16) -> usize {
        let below = cover >> (depth(books, at) + 1);
        if below & 1 != 0 {
            return 0;
        }
        if below != 0 {
            return 1;
        }
        if books.node(at).parent.is_some() {
            return BORROWING;
        }
        let within_share = |node: NodeId| {
            let node = books.node(node);
            node.parent.is_none() || node.charged.saturating_add(bytes) <= node.soft
        };
        match self.gates[usize::from(books.node(at).place)] {
            Gate::Open => BORROWING,
            Gate::Shares if books.path(leaf).all(within_share) => BORROWING,
            Gate::Shares | Gate::Guarantees => GATED,
        }
    }

    /// Checks that sums are what they sum; for tests.
    #[cfg(all(test, not(any(loom, shuttle))))]
    pub fn check(&self, books: &Books) {
        for (index, desk) in self.desks.iter().enumerate() {
            let node = NodeId::new(index);
            let through = || self.waiters.values().filter(|w| books.is_under(w.leaf, node));
            let claimed: u64 = through().map(|w| w.claims[depth(books, node)]).sum();
            let promised: u64 = through().filter(|w| w.cover & bit(books, node) != 0).map(|w| w.bytes).sum();
            assert_eq!((desk.claimed, desk.promised), (claimed, promised));
            if let Some(head) = desk.head() {
                assert!(self.held_up_by(books, head).is_some(), "the head of node {index} could go");
            }
        }
        for (ticket, waiter) in &self.waiters {
            assert!(self.desks[waiter.at.index()].lanes[waiter.lane].contains(ticket));
        }
    }
}

fn depth(books: &Books, node: NodeId) -> usize {
    usize::from(books.node(node).depth)
}

fn bit(books: &Books, node: NodeId) -> u16 {
    1 << depth(books, node)
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests;
