//! Joining symbols, the best pair first: the heart of both kinds of vocabularies.
//!
//! All pairs of neighbours that may be joined stand in a heap. Joining one makes at most two new pairs, and those that it
//! ends are noticed when they come up. So n symbols take n·log n steps, however long a word is; looking through all pairs
//! each time would take n².

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The end of a chain.
const NONE: u32 = u32::MAX;

/// A piece of text that is one symbol so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Its number, or whatever stands for what has none.
    pub(super) id: u32,
    /// Where it is in the text.
    pub(super) start: u32,
    pub(super) end: u32,
    before: u32,
    after: u32,
}

/// A pair that may be joined. The order of fields is the order in which pairs are joined: the lowest key first, then from
/// left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    key: u32,
    left: u32,
    /// Where the two meet and end. A symbol's range grows with each joining, so a pair whose ranges are these is alive.
    middle: u32,
    end: u32,
    id: u32,
}

/// What joining works with, kept from one word to the next.
#[derive(Debug, Default)]
pub(super) struct Chain {
    symbols: Vec<Symbol>,
    heap: BinaryHeap<Reverse<Pair>>,
}

impl Chain {
    /// Begins a new text.
    pub(super) fn clear(&mut self) {
        self.symbols.clear();
        self.heap.clear();
    }

    /// Adds a symbol behind the last.
    pub(super) fn push(&mut self, id: u32, start: usize, end: usize) {
        // Texts are shorter than 2³² bytes: `Tokenizer::encode` sees to it.
        let at = |place: usize| u32::try_from(place).unwrap_or(NONE);
        let index = at(self.symbols.len());
        let before = index.checked_sub(1).unwrap_or(NONE);
        if let Some(last) = self.symbols.last_mut() {
            last.after = index;
        }
        self.symbols.push(Symbol { id, start: at(start), end: at(end), before, after: NONE });
    }

    /// Joins pairs until there are none. `rank` says whether two neighbours may be joined: when, the lowest first, and what
    /// they become.
    pub(super) fn join(&mut self, rank: impl Fn(&Symbol, &Symbol) -> Option<(u32, u32)>) {
        for index in 1..self.symbols.len() {
            self.offer(index - 1, &rank);
        }
        while let Some(Reverse(pair)) = self.heap.pop() {
            let left = self.symbols[pair.left as usize];
            let alive = left.after != NONE && left.end == pair.middle && left.start != left.end;
            if !alive || self.symbols[left.after as usize].end != pair.end {
                continue;
            }
            let right = self.symbols[left.after as usize];
            // Gone: a symbol without letters.
            self.symbols[left.after as usize].start = right.end;
            let joined = &mut self.symbols[pair.left as usize];
            (joined.id, joined.end, joined.after) = (pair.id, right.end, right.after);
            if right.after != NONE {
                self.symbols[right.after as usize].before = pair.left;
                self.offer(pair.left as usize, &rank);
            }
            if left.before != NONE {
                self.offer(left.before as usize, &rank);
            }
        }
    }

    /// Puts a symbol and the one after it into the heap, if they may be joined.
    fn offer(&mut self, left: usize, rank: &impl Fn(&Symbol, &Symbol) -> Option<(u32, u32)>) {
        let one = self.symbols[left];
        let Some(other) = self.symbols.get(one.after as usize) else { return };
        if let Some((key, id)) = rank(&one, other) {
            let left = u32::try_from(left).unwrap_or(NONE);
            self.heap.push(Reverse(Pair { key, left, middle: one.end, end: other.end, id }));
        }
    }

    /// The symbols that are left, in order.
    pub(super) fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| symbol.start != symbol.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digits of base 3 whose neighbours join by a table, done with a heap and by looking through all pairs.
    fn rank(left: u32, right: u32) -> Option<(u32, u32)> {
        let id = left * 7 + right * 3 + 1;
        (!id.is_multiple_of(5) && id < 4000).then_some((id % 11, id))
    }

    fn plainly(text: &[u32]) -> Vec<u32> {
        let mut ids = text.to_vec();
        loop {
            let pairs = ids.windows(2).enumerate();
            let best =
                pairs.filter_map(|(at, two)| rank(two[0], two[1]).map(|(key, id)| (key, at, id))).min();
            let Some((_, at, id)) = best else { return ids };
            ids.splice(at..at + 2, [id]);
        }
    }

    proptest::proptest! {
        #[test]
        fn the_heap_joins_what_looking_through_all_pairs_joins(text in proptest::collection::vec(0_u32..3, 0..60)) {
            let mut chain = Chain::default();
            chain.push(9, 0, 1);
            chain.clear();
            for (at, id) in text.iter().enumerate() {
                chain.push(*id, at, at + 1);
            }
            chain.join(|left, right| rank(left.id, right.id));
            let ids: Vec<u32> = chain.symbols().map(|symbol| symbol.id).collect();
            proptest::prop_assert_eq!(ids, plainly(&text));
        }
    }
}
