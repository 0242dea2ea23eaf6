//! Which addresses are backed.

use std::collections::BTreeMap;

/// Ranges of addresses that neither overlap nor touch: what touches is one range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Where each begins, and where it ends.
    ends: BTreeMap<u64, u64>,
    bytes: u64,
}

impl Ranges {
    /// All bytes of all ranges.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Each range's beginning and end, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ends.iter().map(|(&start, &end)| (start, end))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether all of this is in them.
    pub fn covers(&self, start: u64, bytes: u64) -> bool {
        let end = start.saturating_add(bytes);
        self.ends.range(..=start).next_back().is_some_and(|(_, &last)| last >= end)
    }

    /// Adds a range; `fresh` gets the parts that were not there.
    pub fn add(&mut self, start: u64, bytes: u64, fresh: &mut Vec<(u64, u64)>) {
        let end = start.saturating_add(bytes);
        if start >= end {
            return;
        }
        let known = fresh.len();
        let (mut first, mut last, mut at) = (start, end, end);
        while let Some((&other, &other_end)) = self.ends.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            self.ends.remove(&other);
            if other_end < at {
                fresh.push((other_end, at));
            }
            at = at.min(other.max(start));
            first = first.min(other);
            last = last.max(other_end);
        }
        if start < at {
            fresh.push((start, at));
        }
        self.bytes += fresh[known..].iter().map(|(start, end)| end - start).sum::<u64>();
        self.ends.insert(first, last);
    }

    /// Takes a range out; `gone` gets the parts that were there.
    pub fn remove(&mut self, start: u64, bytes: u64, gone: &mut Vec<(u64, u64)>) {
        let end = start.saturating_add(bytes);
        if start >= end {
            return;
        }
        while let Some((&other, &other_end)) = self.ends.range(..end).next_back() {
            if other_end <= start {
                break;
            }
            self.ends.remove(&other);
            if other < start {
                self.ends.insert(other, start);
            }
            if other_end > end {
                self.ends.insert(end, other_end);
            }
            let piece = (other.max(start), other_end.min(end));
            self.bytes -= piece.1 - piece.0;
            gone.push(piece);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_touches_is_one_and_a_part_can_be_cut_out() {
        let (mut ranges, mut pieces) = (Ranges::default(), Vec::new());
        ranges.add(0, 10, &mut pieces);
        ranges.add(20, 10, &mut pieces);
        ranges.add(10, 10, &mut pieces);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 30)]);
        assert!(ranges.covers(5, 20) && !ranges.covers(25, 6));
        pieces.clear();
        ranges.remove(12, 3, &mut pieces);
        assert_eq!((pieces.as_slice(), ranges.bytes()), (&[(12, 15)][..], 27));
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 12), (15, 30)]);
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_addresses(steps in prop::collection::vec((any::<bool>(), 0_u64..60, 0_u64..20), 1..60)) {
            let mut ranges = Ranges::default();
            let mut naive = std::collections::BTreeSet::new();
            for (add, start, bytes) in steps {
                let mut pieces = Vec::new();
                let touched: Vec<u64> = if add {
                    ranges.add(start, bytes, &mut pieces);
                    (start..start + bytes).filter(|at| naive.insert(*at)).collect()
                } else {
                    ranges.remove(start, bytes, &mut pieces);
                    (start..start + bytes).filter(|at| naive.remove(at)).collect()
                };
                let mut said: Vec<u64> = pieces.iter().flat_map(|&(start, end)| start..end).collect();
                said.sort_unstable();
                prop_assert_eq!(said, touched);
                prop_assert_eq!(ranges.bytes(), naive.len() as u64);
                let all: Vec<u64> = ranges.iter().flat_map(|(start, end)| start..end).collect();
                prop_assert_eq!(all, naive.iter().copied().collect::<Vec<_>>());
                let ends: Vec<(u64, u64)> = ranges.iter().collect();
                prop_assert!(ends.windows(2).all(|pair| pair[0].1 < pair[1].0), "touching ranges are one");
            }
        }
    }
}
