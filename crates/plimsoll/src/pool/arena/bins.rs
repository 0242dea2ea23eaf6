//! Free blocks by size: a two-level segregated index whose links live in the blocks' own records.
//!
//! Sizes below 32 units have a bin each; above, every doubling is cut into 32 bins. Two bitmaps find the next
//! occupied bin in constant time. Every block of a *later* bin is large enough, so a search is: look through
//! the request's own bin for the tightest fit, else take the tightest of the next occupied bin. Both looks are
//! bounded by `effort`; bins are 3% wide, so what a bounded look can miss is small, and nothing is allocated when
//! a block is inserted, which a tree would have to do on release.

use super::node::{NIL, Node, Nodes};

const STEPS: u32 = 32;
const STEP_BITS: u32 = 5;

/// One index of free blocks (or of holes).
#[derive(Clone, Debug)]
pub(super) struct Bins {
    unit_shift: u32,
    levels: u64,
    steps: Vec<u32>,
    heads: Vec<u32>,
}

/// Where in a block a request would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) node: u32,
    pub(super) offset: u64,
}

/// A request as the index sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) bytes: u64,
    pub(super) align: u64,
    /// Address of offset zero, so that alignment means the address's.
    pub(super) base: u64,
    /// How many blocks of a bin are looked at.
    pub(super) effort: u32,
}

impl Want {
    /// The lowest aligned offset at or above `offset`.
    #[inline]
    pub(super) fn aligned(&self, offset: u64) -> Option<u64> {
        let mask = self.align - 1;
        let address = self.base.checked_add(offset)?.checked_add(mask)? & !mask;
        Some(address - self.base)
    }

    #[inline]
    fn offset_in(&self, node: &Node) -> Option<u64> {
        if node.bytes() < self.bytes {
            return None;
        }
        let offset = self.aligned(node.offset)?;
        (offset.checked_add(self.bytes)? <= node.end()).then_some(offset)
    }
}

impl Bins {
    /// For blocks of at most `largest` bytes in multiples of `unit`, a power of two.
    pub(super) fn new(unit: u64, largest: u64) -> Self {
        let unit_shift = unit.trailing_zeros();
        let levels = Self::bin(unit_shift, largest) / STEPS + 1;
        Self {
            unit_shift,
            levels: 0,
            steps: vec![0; levels as usize],
            heads: vec![NIL; (levels * STEPS) as usize],
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both casts are of numbers below 32")]
    fn bin(unit_shift: u32, bytes: u64) -> u32 {
        let units = bytes >> unit_shift;
        if units < u64::from(STEPS) {
            return (units & u64::from(STEPS - 1)) as u32;
        }
        let log = units.ilog2();
        let step = (units >> (log - STEP_BITS)) & u64::from(STEPS - 1);
        (log - STEP_BITS + 1) * STEPS + step as u32
    }

    #[inline]
    pub(super) fn insert(&mut self, nodes: &mut Nodes, id: u32) {
        let bin = Self::bin(self.unit_shift, nodes.at(id).bytes());
        let head = self.heads[bin as usize];
        let node = nodes.at_mut(id);
        node.free_prev = NIL;
        node.free_next = head;
        if head != NIL {
            nodes.at_mut(head).free_prev = id;
        }
        self.heads[bin as usize] = id;
        self.steps[(bin / STEPS) as usize] |= 1 << (bin % STEPS);
        self.levels |= 1 << (bin / STEPS);
    }

    #[inline]
    pub(super) fn remove(&mut self, nodes: &mut Nodes, id: u32) {
        let node = *nodes.at(id);
        if node.free_next != NIL {
            nodes.at_mut(node.free_next).free_prev = node.free_prev;
        }
        if node.free_prev != NIL {
            nodes.at_mut(node.free_prev).free_next = node.free_next;
            return;
        }
        let bin = Self::bin(self.unit_shift, node.bytes());
        debug_assert_eq!(self.heads[bin as usize], id);
        self.heads[bin as usize] = node.free_next;
        if node.free_next == NIL {
            self.steps[(bin / STEPS) as usize] &= !(1 << (bin % STEPS));
            if self.steps[(bin / STEPS) as usize] == 0 {
                self.levels &= !(1 << (bin / STEPS));
            }
        }
    }

    /// The first occupied bin at or after `bin`.
    #[inline]
    fn occupied_from(&self, bin: u32) -> Option<u32> {
        let level = bin / STEPS;
        let here = self.steps.get(level as usize)? & (u32::MAX << (bin % STEPS));
        if here != 0 {
            return Some(level * STEPS + here.trailing_zeros());
        }
        let above = self.levels & u64::MAX.checked_shl(level + 1).unwrap_or(0);
        if above == 0 {
            return None;
        }
        let level = above.trailing_zeros();
        Some(level * STEPS + self.steps[level as usize].trailing_zeros())
    }

    /// The last occupied bin before `end`, which is at most one past the last bin.
    fn occupied_before(&self, end: u32) -> Option<u32> {
        let last = |level: u32, steps: u32| level * STEPS + steps.ilog2();
        let level = end / STEPS;
        let here = self.steps.get(level as usize).map_or(0, |steps| steps & !(u32::MAX << (end % STEPS)));
        if here != 0 {
            return Some(last(level, here));
        }
        let below = self.levels & !u64::MAX.checked_shl(level).unwrap_or(0);
        let level = below.checked_ilog2()?;
        Some(last(level, self.steps[level as usize]))
    }

    /// The tightest fit among the first `effort` blocks of a bin, the lowest address among equals.
    #[inline]
    fn tightest(&self, nodes: &Nodes, bin: u32, want: &Want, effort: u32) -> Option<Fit> {
        let mut best: Option<(u64, Fit)> = None;
        let mut id = self.heads[bin as usize];
        let mut looked = 0;
        while id != NIL && looked < effort {
            let node = nodes.at(id);
            if let Some(offset) = want.offset_in(node) {
                let better = best.is_none_or(|(bytes, fit)| (node.bytes(), offset) < (bytes, fit.offset));
                if better {
                    best = Some((node.bytes(), Fit { node: id, offset }));
                }
            }
            id = node.free_next;
            looked += 1;
        }
        best.map(|(_, fit)| fit)
    }

    /// A tight fit. `None` only when nothing fits, except that the request's own bin is looked through only as
    /// far as `effort` unless `thorough`.
    pub(super) fn find(&self, nodes: &Nodes, want: &Want, thorough: bool) -> Option<Fit> {
        let own = Self::bin(self.unit_shift, want.bytes);
        if own as usize >= self.heads.len() {
            return None;
        }
        let mut bin = self.occupied_from(own);
        while let Some(at) = bin {
            if let Some(fit) = self.tightest(nodes, at, want, want.effort) {
                return Some(fit);
            }
            bin = self.occupied_from(at + 1);
        }
        if !thorough {
            return None;
        }
        // Blocks that the bounded look passed over: of the own bin, and where alignment costs up to its size,
        // of every bin that does not hold enough for certain.
        let certain = Self::bin(self.unit_shift, want.bytes.saturating_add(want.align));
        let mut bin = self.occupied_from(own);
        while let Some(at) = bin {
            if at > certain {
                return None;
            }
            if let Some(fit) = self.tightest(nodes, at, want, u32::MAX) {
                return Some(fit);
            }
            bin = self.occupied_from(at + 1);
        }
        None
    }

    /// The size of the largest block; looks through the last occupied bin only.
    pub(super) fn largest(&self, nodes: &Nodes) -> u64 {
        if self.levels == 0 {
            return 0;
        }
        let level = self.levels.ilog2();
        let step = self.steps[level as usize].ilog2();
        self.list(nodes, level * STEPS + step).map(|id| nodes.at(id).bytes()).max().unwrap_or(0)
    }

    fn list<'a>(&'a self, nodes: &'a Nodes, bin: u32) -> impl Iterator<Item = u32> + 'a {
        let mut id = self.heads[bin as usize];
        std::iter::from_fn(move || {
            let here = id;
            if here == NIL {
                return None;
            }
            id = nodes.at(here).free_next;
            Some(here)
        })
    }

    /// All blocks of bins that may hold at least `bytes`, from the largest bin down.
    pub(super) fn descending<'a>(&'a self, nodes: &'a Nodes, bytes: u64) -> impl Iterator<Item = u32> + 'a {
        let lowest = Self::bin(self.unit_shift, bytes);
        let mut end = u32::try_from(self.heads.len()).unwrap_or(u32::MAX);
        std::iter::from_fn(move || {
            end = self.occupied_before(end).filter(|&bin| bin >= lowest)?;
            Some(end)
        })
        .flat_map(move |bin| self.list(nodes, bin))
    }

    /// All blocks of bins that may hold at least `bytes`, from the smallest bin up.
    pub(super) fn ascending<'a>(&'a self, nodes: &'a Nodes, bytes: u64) -> impl Iterator<Item = u32> + 'a {
        let mut bin = self.occupied_from(Self::bin(self.unit_shift, bytes));
        std::iter::from_fn(move || {
            let here = bin?;
            bin = self.occupied_from(here + 1);
            Some(here)
        })
        .flat_map(move |bin| self.list(nodes, bin))
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn occupied_bins_are_found_from_either_side() {
        let mut bins = Bins::new(256, 1 << 56);
        let all = u32::try_from(bins.heads.len()).unwrap();
        let occupied = [0, 31, 32, 95, 500, all - 1];
        for bin in occupied {
            bins.steps[(bin / STEPS) as usize] |= 1 << (bin % STEPS);
            bins.levels |= 1 << (bin / STEPS);
        }
        for at in 0..=all {
            assert_eq!(bins.occupied_from(at), occupied.into_iter().find(|bin| *bin >= at), "from {at}");
            assert_eq!(bins.occupied_before(at), occupied.into_iter().rfind(|bin| *bin < at), "before {at}");
        }
    }
}
