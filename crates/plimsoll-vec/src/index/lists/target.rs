//! Which rows are looked at by which queries.

use std::ops::Range;

use super::division::{Division, NOWHERE};
use crate::BLOCK_ROWS;
use crate::index::VecError;
use crate::index::search::Run;
use crate::index::view::Part;
use crate::scan::Queries;

/// Rows of a part that lie together, and who looks at them.
#[derive(Clone, Debug)]
pub(in crate::index) struct Target {
    /// Which part.
    pub(in crate::index) place: usize,
    pub(in crate::index) rows: Range<u64>,
    /// Which of the wishes.
    pub(in crate::index) wants: Range<usize>,
}

impl Target {
    /// The blocks that the rows are in.
    pub(in crate::index) fn blocks(&self) -> Range<u64> {
        self.rows.start / BLOCK_ROWS as u64..self.rows.end.div_ceil(BLOCK_ROWS as u64)
    }
}

/// A list that a query looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Want {
    pub(in crate::index) list: u32,
    pub(in crate::index) query: u32,
}

/// All that a pass looks at, in the order of parts and rows.
#[derive(Debug)]
pub(in crate::index) struct Targets {
    pub(in crate::index) all: Vec<Target>,
    /// Queries by the lists that they look into, and then each once: for rows in no list.
    pub(in crate::index) wishes: Vec<u32>,
}

impl Targets {
    /// Of these queries, each of which looks into so many lists.
    pub(super) fn new(
        run: &Run<'_>,
        division: &Division,
        (vectors, queries): (&[f32], &Queries),
        probes: usize,
    ) -> Result<Self, VecError> {
        let count = queries.count();
        let marks = full_lists(run, division.count());
        let full: usize = marks.iter().map(|word| word.count_ones() as usize).sum();
        let each = probes.min(full);
        let mut hits = vec![NOWHERE; count * each];
        if each > 0 {
            division.looked_for((vectors, queries), &marks, run.threads, &mut hits)?;
        }
        let lists = (0_u32..).zip(hits.chunks_exact(each.max(1)));
        let wants = lists
            .flat_map(|(query, hits)| {
                hits.iter().filter_map(move |hit| Some(Want { list: u32::try_from(hit.row).ok()?, query }))
            })
            .collect();
        drop(hits);
        Ok(Self::of(run, division, count, wants))
    }

    /// Of so many queries that want these lists.
    pub(in crate::index) fn of(
        run: &Run<'_>,
        division: &Division,
        count: usize,
        mut wants: Vec<Want>,
    ) -> Self {
        wants.retain(|want| (want.list as usize) < division.count());
        wants.sort_unstable_by_key(|want| u64::from(want.list) << 32 | u64::from(want.query));
        let mut wishes: Vec<u32> = wants.iter().map(|want| want.query).collect();
        let everyone = wishes.len()..wishes.len() + count;
        wishes.extend((0..).take(count));
        let mut all = Vec::new();
        for (place, part) in run.parts.iter().enumerate() {
            let lists = match part {
                Part::Segment(segment) => segment.lists(),
                Part::Young(_) => None,
            };
            let Some(lists) = lists else {
                all.push(Target { place, rows: 0..part.rows(), wants: everyone.clone() });
                continue;
            };
            let mut at = 0;
            for same in wants.chunk_by(|one, other| one.list == other.list) {
                let rows = lists.rows(same[0].list as usize);
                let wants = at..at + same.len();
                at = wants.end;
                if !rows.is_empty() {
                    all.push(Target { place, rows, wants });
                }
            }
        }
        Self { all, wishes }
    }

    /// The queries that look at a target.
    pub(super) fn wants(&self, target: &Target) -> &[u32] {
        &self.wishes[target.wants.clone()]
    }
}

/// A bit for each list that has a row which may be found: looking into others would find nothing.
pub(in crate::index) fn full_lists(run: &Run<'_>, count: usize) -> Vec<u64> {
    let mut marks = vec![0_u64; count.div_ceil(64)];
    for (part, mask) in run.parts.iter().zip(&run.masks) {
        let Part::Segment(segment) = part else { continue };
        let Some(lists) = segment.lists() else { continue };
        for list in 0..count.min(lists.count()) {
            if marks[list / 64] >> (list % 64) & 1 == 0 && any(&lists.rows(list), mask.as_deref()) {
                marks[list / 64] |= 1 << (list % 64);
            }
        }
    }
    marks
}

/// Whether any of these rows may be found.
fn any(rows: &Range<u64>, mask: Option<&[u64]>) -> bool {
    let Some(mask) = mask else { return !rows.is_empty() };
    (rows.start / 64..rows.end.div_ceil(64)).any(|word| {
        let bits = usize::try_from(word).ok().and_then(|word| mask.get(word)).copied().unwrap_or_default();
        bits & of_rows(word, rows) != 0
    }) && !rows.is_empty()
}

/// The bits of a block's rows that are among these.
pub(super) fn of_rows(block: u64, rows: &Range<u64>) -> u64 {
    let first = block * 64;
    let from = rows.start.saturating_sub(first).min(64);
    let to = rows.end.saturating_sub(first).min(64);
    let below = |bit: u64| if bit == 64 { u64::MAX } else { (1 << bit) - 1 };
    below(to) & !below(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_rows() {
        assert_eq!(of_rows(0, &(0..64)), u64::MAX);
        assert_eq!(of_rows(0, &(3..5)), 0b11000);
        assert_eq!(of_rows(1, &(60..66)), 0b11);
        assert_eq!(of_rows(0, &(60..66)), 0xf << 60);
        assert_eq!(of_rows(2, &(60..66)), 0);
        assert!(any(&(60..66), None) && !any(&(60..60), None));
        assert!(any(&(60..66), Some(&[0, 2])) && !any(&(60..66), Some(&[1 << 59, 4])));
    }
}
