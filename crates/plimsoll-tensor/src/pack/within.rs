//! The best interval within another, among many that are taken away one by one.
//!
//! A tree over points (beginning, end), halved by one and the other in turn. Each node knows the box around its points and
//! the best that is left among them, so a look goes only where a point can lie inside and be better than the best so far.

/// Intervals that wait, each with what it is worth.
#[derive(Debug)]
pub(super) struct Within {
    intervals: Vec<(u32, u32, u128)>,
    /// The intervals in the order of the tree's leaves, and where each is in it.
    order: Vec<u32>,
    places: Vec<usize>,
    /// By node, the root at 1, the children of `n` at `2n` and `2n + 1`.
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    least_from: u32,
    most_from: u32,
    least_to: u32,
    most_to: u32,
    /// The best that is left, and what it is worth: 0 where nothing is.
    best: u32,
    worth: u128,
}

/// How many points a leaf has at most.
const LEAF: usize = 8;

impl Within {
    /// All wait.
    pub fn of(intervals: Vec<(u32, u32, u128)>) -> Self {
        let order = (0_u32..).take(intervals.len()).collect();
        let leaves = intervals.len().div_ceil(LEAF).next_power_of_two();
        let places = vec![0; intervals.len()];
        let mut tree = Self { intervals, order, places, nodes: vec![Node::default(); 2 * leaves] };
        tree.build(1, 0, tree.order.len(), true);
        for (place, at) in tree.order.iter().enumerate() {
            tree.places[*at as usize] = place;
        }
        tree
    }

    fn build(&mut self, node: usize, first: usize, last: usize, by_from: bool) {
        if 2 * node < self.nodes.len() {
            let middle = first.midpoint(last);
            let intervals = &self.intervals;
            if last - first > 1 {
                self.order[first..last].select_nth_unstable_by_key(middle - first, |at| {
                    let (from, to, _) = intervals[*at as usize];
                    (if by_from { from } else { to }, *at)
                });
            }
            self.build(2 * node, first, middle, !by_from);
            self.build(2 * node + 1, middle, last, !by_from);
        }
        self.nodes[node] = Node { least_from: u32::MAX, least_to: u32::MAX, ..Node::default() };
        for at in first..last {
            let (from, to, _) = self.intervals[self.order[at] as usize];
            let node = &mut self.nodes[node];
            node.least_from = node.least_from.min(from);
            node.most_from = node.most_from.max(from);
            node.least_to = node.least_to.min(to);
            node.most_to = node.most_to.max(to);
        }
        self.update(node, first, last);
    }

    /// Sets the best of a node anew.
    fn update(&mut self, node: usize, first: usize, last: usize) {
        let (best, worth) = if 2 * node < self.nodes.len() {
            let (one, other) = (&self.nodes[2 * node], &self.nodes[2 * node + 1]);
            if one.worth >= other.worth { (one.best, one.worth) } else { (other.best, other.worth) }
        } else {
            let waiting = self.order[first..last].iter().map(|at| (*at, self.intervals[*at as usize].2));
            waiting.fold((0, 0), |best, next| if next.1 > best.1 { next } else { best })
        };
        self.nodes[node].best = best;
        self.nodes[node].worth = worth;
    }

    /// Takes the best interval that lies within `from..to`.
    pub fn take(&mut self, from: u32, to: u32) -> Option<u32> {
        let mut best = (0, 0);
        self.look(1, (0, self.order.len()), (from, to), &mut best);
        if best.1 == 0 {
            return None;
        }
        self.intervals[best.0 as usize].2 = 0;
        self.forget(1, (0, self.order.len()), self.places[best.0 as usize]);
        Some(best.0)
    }

    fn look(&self, at: usize, (first, last): (usize, usize), (from, to): (u32, u32), best: &mut (u32, u128)) {
        let node = &self.nodes[at];
        if node.worth <= best.1 || node.most_from < from || node.least_to > to {
            return;
        }
        if node.least_from >= from && node.most_to <= to {
            *best = (node.best, node.worth);
            return;
        }
        if 2 * at < self.nodes.len() {
            let middle = first.midpoint(last);
            let (near, far) = ((2 * at, (first, middle)), (2 * at + 1, (middle, last)));
            let better = self.nodes[near.0].worth >= self.nodes[far.0].worth;
            for (child, range) in if better { [near, far] } else { [far, near] } {
                self.look(child, range, (from, to), best);
            }
            return;
        }
        for &at in &self.order[first..last] {
            let (begins, ends, worth) = self.intervals[at as usize];
            if begins >= from && ends <= to && worth > best.1 {
                *best = (at, worth);
            }
        }
    }

    /// Sets anew the best of all nodes above a leaf's place.
    fn forget(&mut self, at: usize, (first, last): (usize, usize), place: usize) {
        if 2 * at < self.nodes.len() {
            let middle = first.midpoint(last);
            if place < middle {
                self.forget(2 * at, (first, middle), place);
            } else {
                self.forget(2 * at + 1, (middle, last), place);
            }
        }
        self.update(at, first, last);
    }
}
