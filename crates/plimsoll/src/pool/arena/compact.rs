//! Compaction, planned: which blocks to move where so that a long run becomes free.
//!
//! Only plans and claims are made here; bytes are copied by the caller, who knows what may move. A plan never
//! moves a block onto itself or onto a place that another move empties, so its copies may run in any order.

use std::collections::BTreeSet;

use super::arena::{Arena, Placed};
use super::bins::{Fit, Want};
use super::node::{NIL, NodeId, State, Zone};

/// One block's move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The block as it is named now.
    pub node: NodeId,
    /// Where it is.
    pub from: u64,
    /// Where it goes; free at the moment.
    pub to: u64,
    /// Its size.
    pub bytes: u64,
}

/// A stretch of backed records that could become one run.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: u64,
    end: u64,
    first: u32,
    last: u32,
    moved: u64,
}

/// Stretches that are tried before giving up, the cheapest first.
const TRIES: usize = 32;

impl Arena {
    /// Everything that is backed, in address order: offset, bytes, and the block when it is taken.
    pub fn runs(&self) -> impl Iterator<Item = (u64, u64, Option<NodeId>)> + '_ {
        self.records().filter_map(|id| {
            let node = self.nodes.at(id);
            match node.state() {
                State::Taken => Some((node.offset, node.bytes(), Some(NodeId(id)))),
                State::Free => Some((node.offset, node.bytes(), None)),
                State::Hole | State::Vacant => None,
            }
        })
    }

    /// The moves, fewest bytes first found, after which a run of so many bytes is free; `None` when blocks that
    /// may move do not suffice. To free a granule so that it can be given back, ask for one granule aligned to
    /// its size. The caller claims the targets with [`claim`](Self::claim), copies, and releases the old blocks.
    ///
    /// Small slabs move as a whole or not at all, and on a device of slabs a run lies within one slab, of whatever
    /// class: ask [`place_anywhere`](Self::place_anywhere) for it.
    pub fn plan_compaction(
        &self,
        bytes: u64,
        align: u64,
        movable: impl Fn(NodeId) -> bool,
    ) -> Option<Vec<Move>> {
        let want = self.want(bytes, align)?;
        if self.free_bytes() < want.bytes {
            return None;
        }
        let mut stretches = self.stretches(&want, &movable);
        stretches.sort_by_key(|stretch| (stretch.moved, stretch.start));
        stretches.truncate(TRIES);
        stretches.iter().find_map(|stretch| self.moves(stretch, &want))
    }

    /// Takes the targets of a plan that was made for the arena as it is. The blocks are in the plan's order.
    /// `None`, with nothing taken, when a target is not free any more.
    pub fn claim(&mut self, moves: &[Move]) -> Option<Vec<Placed>> {
        let mut claimed: Vec<Placed> = Vec::with_capacity(moves.len());
        for step in moves {
            let found = self.records().find(|&id| {
                let node = self.nodes.at(id);
                node.state() == State::Free && node.offset <= step.to && step.to + step.bytes <= node.end()
            });
            let Some(node) = found.filter(|_| self.nodes.has_room(4)) else {
                for placed in claimed {
                    self.release(placed.node);
                }
                return None;
            };
            claimed.push(self.take(Fit { node, offset: step.to }, step.bytes));
        }
        Some(claimed)
    }

    fn records(&self) -> impl Iterator<Item = u32> + '_ {
        let mut id = self.start;
        std::iter::from_fn(move || {
            let here = id;
            if here == NIL {
                return None;
            }
            id = self.nodes.at(here).next;
            Some(here)
        })
    }

    /// The shortest stretch of movable records from each possible start that holds the request.
    fn stretches(&self, want: &Want, movable: &impl Fn(NodeId) -> bool) -> Vec<Stretch> {
        let mut open: Vec<u32> = Vec::new();
        let mut found = Vec::new();
        let (mut from, mut moved) = (0, 0);
        for id in self.records() {
            let node = self.nodes.at(id);
            let usable = match node.state() {
                State::Free => true,
                State::Taken => movable(NodeId(id)),
                State::Hole | State::Vacant => false,
            };
            let wall = !self.pages() && node.first();
            if !usable || wall {
                open.clear();
                (from, moved) = (0, 0);
            }
            if !usable {
                continue;
            }
            open.push(id);
            moved += self.taken_in(id);
            // The end must not cut through a small slab.
            if self.pages() && node.zone() == Zone::Small && !node.last() {
                continue;
            }
            while let Some(stretch) = self.stretch(&open[from..], moved, want) {
                found.push(stretch);
                moved -= self.taken_in(open[from]);
                from += 1;
            }
        }
        found
    }

    fn taken_in(&self, id: u32) -> u64 {
        let node = self.nodes.at(id);
        if node.state() == State::Taken { node.bytes() } else { 0 }
    }

    /// These records as a stretch, when the request fits within.
    fn stretch(&self, records: &[u32], moved: u64, want: &Want) -> Option<Stretch> {
        let (&first, &last) = (records.first()?, records.last()?);
        let (start, end) = (self.nodes.at(first).offset, self.nodes.at(last).end());
        let offset = want.aligned(start)?;
        (offset.checked_add(want.bytes)? <= end).then_some(Stretch { start, end, first, last, moved })
    }

    /// Moves for every taken block of a stretch into free places outside of it, large blocks first, best fit.
    fn moves(&self, stretch: &Stretch, want: &Want) -> Option<Vec<Move>> {
        // A stretch that starts inside a small slab would leave the slab's head behind.
        let first = self.nodes.at(stretch.first);
        if self.pages() && first.zone() == Zone::Small && !first.first() {
            return None;
        }
        let offset = want.aligned(stretch.start)?;
        let target = offset..offset.checked_add(want.bytes)?;
        let mut blocks = Vec::new();
        let mut id = stretch.first;
        loop {
            let node = self.nodes.at(id);
            let touches = node.offset < target.end && target.start < node.end();
            // Of a small slab everything has to go, or it would stay a small slab.
            if node.state() == State::Taken && (touches || node.zone() == Zone::Small && self.pages()) {
                blocks.push(id);
            }
            if id == stretch.last {
                break;
            }
            id = node.next;
        }
        blocks.sort_by_key(|&id| std::cmp::Reverse(self.nodes.at(id).bytes()));
        let mut free: BTreeSet<(u64, u64, Zone)> = self
            .records()
            .map(|id| self.nodes.at(id))
            .filter(|node| node.state() == State::Free)
            .filter(|node| node.end() <= stretch.start || node.offset >= stretch.end)
            .map(|node| (node.bytes(), node.offset, node.zone()))
            .collect();
        blocks.into_iter().map(|id| self.target_of(id, &mut free)).collect()
    }

    /// The tightest free place for a block, which is then used up.
    fn target_of(&self, id: u32, free: &mut BTreeSet<(u64, u64, Zone)>) -> Option<Move> {
        let node = self.nodes.at(id);
        let bytes = node.bytes();
        // What the block's owner was promised is not known here: its address's own alignment, up to a page, is
        // kept.
        let align = (1 << node.offset.trailing_zeros().min(12)).max(self.settings.unit);
        let fits = |&&(size, offset, _): &&(u64, u64, Zone)| {
            let start = offset.next_multiple_of(align);
            start + bytes <= offset + size
        };
        let &(size, offset, zone) = free.range((bytes, 0, Zone::Small)..).find(fits)?;
        free.remove(&(size, offset, zone));
        let to = offset.next_multiple_of(align);
        if to > offset {
            free.insert((to - offset, offset, zone));
        }
        let rest = offset + size - (to + bytes);
        if rest > 0 {
            free.insert((rest, to + bytes, zone));
        }
        Some(Move { node: NodeId(id), from: node.offset, to, bytes })
    }
}
