//! The ids of several segments in one order, each with its new row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::moves::Moves;
use crate::column::ColumnError;
use crate::segment::Segment;

/// What an entry takes that was read ahead, or waits to be the least.
pub(super) const ENTRY_BYTES: u64 = 32;

/// Goes along the orders of all segments at once, past those that are dead.
pub(super) struct Order<'o> {
    sources: Vec<Source<'o>>,
    /// The least of each source that has any left.
    least: BinaryHeap<Reverse<(u64, usize, u32)>>,
    failed: Option<ColumnError>,
}

struct Source<'o> {
    segment: &'o Segment,
    moves: &'o Moves,
    /// How many entries were read.
    read: u64,
    most: usize,
    /// What was read, the next one last.
    ahead: Vec<(u64, u32)>,
}

impl<'o> Order<'o> {
    /// Of these segments, reading so many entries of each at once.
    pub(super) fn new(segments: impl Iterator<Item = (&'o Segment, &'o Moves)>, most: usize) -> Self {
        let source =
            |(segment, moves)| Source { segment, moves, read: 0, most, ahead: Vec::with_capacity(most) };
        let sources: Vec<Source<'_>> = segments.map(source).collect();
        let least = BinaryHeap::with_capacity(sources.len());
        let mut order = Self { sources, least, failed: None };
        for place in 0..order.sources.len() {
            order.refill(place);
        }
        order
    }

    fn refill(&mut self, place: usize) {
        match self.sources[place].next() {
            Ok(Some((id, row))) => self.least.push(Reverse((id, place, row))),
            Ok(None) => {}
            Err(error) => self.failed = Some(error),
        }
    }
}

impl Iterator for Order<'_> {
    type Item = Result<(u64, u32), ColumnError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.least.clear();
            return Some(Err(error));
        }
        let Reverse((id, place, row)) = self.least.pop()?;
        self.refill(place);
        Some(Ok((id, row)))
    }
}

impl Source<'_> {
    /// The next entry that lives, with its new row.
    fn next(&mut self) -> Result<Option<(u64, u32)>, ColumnError> {
        loop {
            while let Some((id, row)) = self.ahead.pop() {
                let row = u64::from(row);
                if self.moves.lives(row) {
                    let list = self.segment.lists().map_or(0, |lists| lists.list_of(row));
                    return Ok(Some((id, self.moves.to(row, list))));
                }
            }
            self.segment.ids().in_order(self.read, self.most, &mut self.ahead)?;
            if self.ahead.is_empty() {
                return Ok(None);
            }
            self.read += self.ahead.len() as u64;
            self.ahead.reverse();
        }
    }
}
