//! Vectors in the order of their lists, as many at once as there is room for.

use std::ops::Range;

use super::parts::Parts;
use super::sink::Sink;
use crate::index::VecError;

/// Where vectors wait until it is known where each belongs.
#[derive(Debug)]
pub(super) enum Waiting {
    /// In memory, as they came.
    Memory(Vec<f32>),
    /// In files by ranges of lists.
    Files(Parts),
}

/// Takes vectors in the order of their rows.
pub(super) struct Gather<'g> {
    /// The row at which each list begins, and the end.
    pub(super) starts: &'g [u32],
    pub(super) dimension: usize,
    /// How many are held at once.
    pub(super) held: usize,
}

impl Gather<'_> {
    /// In which order vectors are taken, of the list of each.
    pub(super) fn order(&self, lists: &[u32]) -> Vec<u32> {
        let mut next = self.starts.to_vec();
        let mut order = vec![0_u32; lists.len()];
        for (row, list) in (0_u32..).zip(lists) {
            let place = &mut next[*list as usize];
            order[*place as usize] = row;
            *place += 1;
        }
        order
    }

    /// All that are in memory.
    pub(super) fn memory(&self, vectors: &[f32], order: &[u32], sink: &mut Sink<'_>) -> Result<(), VecError> {
        for row in order {
            sink.take(&vectors[*row as usize * self.dimension..][..self.dimension], *row)?;
        }
        Ok(())
    }

    /// All that are in files: a file after the other, each read as often as it is larger than what there is room for.
    pub(super) fn files(&self, parts: &mut Parts, sink: &mut Sink<'_>) -> Result<(), VecError> {
        let mut vectors = Vec::with_capacity(self.held * self.dimension);
        let mut places = Vec::with_capacity(self.held);
        for part in 0..parts.count() {
            let lists = parts.lists(part);
            let rows = self.starts[lists.start as usize]..self.starts[lists.end as usize];
            let step = u32::try_from(self.held).unwrap_or(u32::MAX);
            let mut from = rows.start;
            while from < rows.end {
                let to = rows.end.min(from.saturating_add(step));
                self.round(parts, part, from..to, (&mut vectors, &mut places))?;
                for (at, row) in &places {
                    sink.take(&vectors[*at as usize * self.dimension..][..self.dimension], *row)?;
                }
                from = to;
            }
            parts.done(part);
        }
        Ok(())
    }

    /// The vectors of a file that belong into these rows, as they come, and in which order they are to be taken.
    fn round(
        &self,
        parts: &Parts,
        part: usize,
        rows: Range<u32>,
        (vectors, places): (&mut Vec<f32>, &mut Vec<(u32, u32)>),
    ) -> Result<(), VecError> {
        let lists = parts.lists(part);
        let mut next = self.starts[lists.start as usize..lists.end as usize].to_vec();
        vectors.clear();
        places.clear();
        places.resize(rows.len(), (0, 0));
        let mut taken = 0;
        parts.each(part, |record| {
            let place = &mut next[(record.list - lists.start) as usize];
            if rows.contains(place) {
                places[(*place - rows.start) as usize] = (taken, record.row);
                record.numbers(vectors);
                taken += 1;
            }
            *place += 1;
        })
    }
}

/// Cuts lists into ranges with about as many vectors each, as `counts` of a sample has it.
pub(super) fn ranges(counts: &[u32], parts: usize) -> Vec<Range<u32>> {
    // One for each list, so that empty ones count for something too.
    let all: u64 = counts.iter().map(|count| u64::from(*count) + 1).sum();
    let (mut ranges, mut from, mut sum) = (Vec::with_capacity(parts), 0, 0);
    for (list, count) in (1..).zip(counts) {
        sum += u64::from(*count) + 1;
        let end = list as usize == counts.len();
        if end || sum * parts as u64 >= all * (ranges.len() as u64 + 1) {
            ranges.push(from..list);
            from = list;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_all_lists_once_and_are_about_even() {
        let counts: Vec<u32> = (0..100).map(|list| list % 7 * 10).collect();
        for parts in [1, 2, 3, 10, 100, 200] {
            let ranges = ranges(&counts, parts);
            assert!(ranges.len() <= parts.min(100), "{parts}");
            assert_eq!(ranges[0].start, 0);
            assert_eq!(ranges.last().unwrap().end, 100);
            assert!(ranges.windows(2).all(|two| two[0].end == two[1].start));
            let sum = |range: &Range<u32>| range.clone().map(|list| counts[list as usize]).sum::<u32>();
            let most = ranges.iter().map(sum).max().unwrap();
            let all: u32 = counts.iter().sum();
            assert!(most <= all / u32::try_from(parts).unwrap() + 130, "{parts}: {most}");
        }
    }
}
