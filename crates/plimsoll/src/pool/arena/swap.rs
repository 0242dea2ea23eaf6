//! What of a growth can be moved instead of given back and taken anew.

use std::ops::Range;

use super::grow::Growth;

/// A growth in other words: parts that change places, and what is left on either side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swap {
    /// Backed now and to be backed, of equal size.
    pub(crate) moved: Vec<(Range<u64>, Range<u64>)>,
    /// To be given back for nothing.
    pub(crate) give_back: Vec<Range<u64>>,
    /// To be backed anew.
    pub(crate) back: Vec<Range<u64>>,
}

impl Swap {
    /// The growth as it stands, with nothing moved.
    pub(crate) fn none(growth: &Growth) -> Self {
        Self { moved: Vec::new(), give_back: growth.give_back.clone(), back: growth.back.clone() }
    }
}

impl Growth {
    /// Pairs what is given back with what is backed, each cut to the smaller.
    pub(crate) fn swap(&self) -> Swap {
        let (mut give, mut back) = (self.give_back.clone(), self.back.clone());
        give.reverse();
        back.reverse();
        let mut moved = Vec::new();
        while let (Some(from), Some(to)) = (give.last_mut(), back.last_mut()) {
            let bytes = (from.end - from.start).min(to.end - to.start);
            moved.push((from.start..from.start + bytes, to.start..to.start + bytes));
            from.start += bytes;
            to.start += bytes;
            give.pop_if(|range| range.start == range.end);
            back.pop_if(|range| range.start == range.end);
        }
        give.reverse();
        back.reverse();
        Swap { moved, give_back: give, back }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn ranges(pairs: &[(u64, u64)]) -> Vec<Range<u64>> {
        pairs.iter().map(|&(start, end)| start..end).collect()
    }

    #[test]
    fn parts_of_equal_size_change_places() {
        let cases: [[&[(u64, u64)]; 6]; 3] = [
            [&[(0, 4), (10, 12)], &[(20, 26)], &[(0, 4), (10, 12)], &[(20, 24), (24, 26)], &[], &[]],
            [&[(0, 8)], &[(20, 22), (30, 33)], &[(0, 2), (2, 5)], &[(20, 22), (30, 33)], &[(5, 8)], &[]],
            [&[(0, 1)], &[(20, 22), (30, 33)], &[(0, 1)], &[(20, 21)], &[], &[(21, 22), (30, 33)]],
        ];
        for case in cases {
            let [give_back, back, from, to, over, under] = case.map(ranges);
            let swap = Growth { give_back, back, slab: None }.swap();
            let moved = from.into_iter().zip(to).collect();
            assert_eq!(swap, Swap { moved, give_back: over, back: under });
        }
    }
}
