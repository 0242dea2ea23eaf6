//! The second stage of `planes`: rows that their signs leave are looked at with all four bits.
//!
//! The signs of all rows are looked through, from memory or streamed. The lower planes stay on disk: they are read for the
//! rows that are left, block by block, through a cache that the account pays for. All queries of a pass go through
//! the blocks in one order, so that each is read at most once a pass.

use super::VecError;
use super::keep::Kept;
use super::pages::{Around, Half, Page};
use super::search::Run;
use super::view::{Part, View};
use crate::BLOCK_ROWS;
use crate::scan::{Queries, Row, score};
use crate::top::{Hit, Tops};

/// With fewer rows than this for each, another thread is not worth its start.
const ROWS_A_THREAD: usize = 64;

/// A row that is left to a query.
type Left = (u64, u32);

/// What `left` takes for each row of each query.
pub(super) const LEFT_BYTES: usize = size_of::<Left>();

/// What a thread of this stage takes for the blocks in its hands.
pub(super) fn hands_bytes(layout: crate::Layout) -> u64 {
    (Around::heap_bytes(layout.upper_bytes()) + Around::heap_bytes(layout.lower_bytes())) as u64
}

/// How many the signs leave to each query.
pub(super) fn left_of_signs(given: usize, k: usize, candidates: usize) -> usize {
    let enough = if given == 0 { (20 * k).max(200).max(2 * candidates) } else { given };
    enough.clamp(candidates, crate::top::TOP_MAX.max(candidates))
}

impl Run<'_> {
    /// The best of what the signs found, and how much was read for it.
    pub(super) fn lower(
        &self,
        queries: &Queries,
        found: impl Fn(usize) -> Vec<Hit>,
    ) -> Result<(Tops, u64), VecError> {
        let mut left: Vec<Left> = Vec::with_capacity(queries.count() * self.listed);
        for query in 0..queries.count() {
            left.extend(found(query).iter().map(|hit| (hit.row, u32::try_from(query).unwrap_or_default())));
        }
        left.sort_unstable();
        let kept = self.index.keep().kept();
        let threads = self.threads.min(left.len() / ROWS_A_THREAD).max(1);
        let work = |part: &[Left]| self.part(part, &kept, queries);
        let parts = cut(&left, threads, |left| block_of(left.0));
        let done: Vec<Result<(Tops, u64), VecError>> = std::thread::scope(|scope| {
            let (first, others) = parts.split_first().map_or((&[][..], &[][..]), |(a, b)| (*a, b));
            let others: Vec<_> = others.iter().map(|part| scope.spawn(|| work(part))).collect();
            let first = std::iter::once(work(first));
            first.chain(others.into_iter().map(|one| one.join().unwrap_or(Err(VecError::Died)))).collect()
        });
        let mut all: Option<(Tops, u64)> = None;
        for one in done {
            let (tops, read) = one?;
            match &mut all {
                Some((all, sum)) => {
                    all.merge(&tops);
                    *sum += read;
                }
                None => all = Some((tops, read)),
            }
        }
        all.map_or_else(|| Ok((Tops::new(queries, self.candidates)?, 0)), Ok)
    }

    /// One thread's part.
    fn part(&self, left: &[Left], kept: &[Kept], queries: &Queries) -> Result<(Tops, u64), VecError> {
        let mut tops = Tops::new(queries, self.candidates)?;
        let mut read = 0;
        let layout = self.view.shape.layout();
        let mut hands = None;
        for block in left.chunk_by(|a, b| block_of(a.0) == block_of(b.0)) {
            let (place, row) = View::place(&self.bases, block[0].0);
            let number = block_of(row);
            let look = |upper: &[u8], lower: &[u8], tops: &mut Tops| {
                let bytes = layout.lower_row_bytes();
                for (row, query) in block {
                    let at = usize::try_from(row % BLOCK_ROWS as u64).unwrap_or_default();
                    let row_of_block = Row { block: upper, at, lower: &lower[at * bytes..][..bytes] };
                    score(queries, *query as usize, &row_of_block, *row, tops);
                }
            };
            match self.parts.get(place) {
                Some(Part::Young(batch)) => {
                    let at = usize::try_from(number).unwrap_or_default() * layout.block_bytes();
                    let (upper, lower) =
                        batch.blocks[at..at + layout.block_bytes()].split_at(layout.upper_bytes());
                    look(upper, lower, &mut tops);
                }
                Some(Part::Segment(segment)) => {
                    let Some(column) = segment.lower() else { continue };
                    let [above, below] = hands.get_or_insert_with(|| {
                        [Around::new(layout.upper_bytes()), Around::new(layout.lower_bytes())]
                    });
                    let pages = self.index.pages();
                    let key = |half| (segment.number(), number, half);
                    let lower = pages.page(key(Half::Lower), column, below, &mut read)?;
                    let page: Page;
                    let place = (segment.number(), number, layout.upper_bytes());
                    let shelved;
                    let upper = if let Some(upper) = Kept::find(kept, place.0, place.1, place.2) {
                        upper
                    } else if let Some(found) = self.index.shelf().block(place.0, place.1, place.2) {
                        shelved = found;
                        &shelved.0.as_slice()?[shelved.1.clone()]
                    } else {
                        page = pages.page(key(Half::Upper), segment.codes(), above, &mut read)?;
                        page.bytes()
                    };
                    look(upper, lower.bytes(), &mut tops);
                }
                None => {}
            }
        }
        Ok((tops, read))
    }
}

fn block_of(row: u64) -> u64 {
    row / BLOCK_ROWS as u64
}

/// About equal parts of what is in order, none of which shares a unit with another.
pub(super) fn cut<T>(left: &[T], parts: usize, unit: impl Fn(&T) -> u64) -> Vec<&[T]> {
    let mut cuts = Vec::with_capacity(parts);
    let mut from = 0;
    for part in 1..=parts {
        let mut to = (left.len() * part / parts).max(from);
        while to > from && to < left.len() && unit(&left[to - 1]) == unit(&left[to]) {
            to += 1;
        }
        cuts.push(&left[from..to]);
        from = to;
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_between_blocks_and_lose_nothing() {
        let left: Vec<Left> = (0..1000_u32).map(|n| (u64::from(n / 7 * 3), n % 7)).collect();
        for parts in 1..9 {
            let cuts = cut(&left, parts, |left| block_of(left.0));
            assert_eq!(cuts.concat(), left, "{parts}");
            for pair in cuts.windows(2) {
                if let (Some(a), Some(b)) = (pair[0].last(), pair[1].first()) {
                    assert_ne!(block_of(a.0), block_of(b.0), "{parts}");
                }
            }
        }
        assert_eq!(cut(&[], 3, |left: &Left| left.0).concat(), []);
    }

    #[test]
    fn the_signs_leave_at_least_the_candidates_and_at_most_what_lists_hold() {
        assert_eq!(left_of_signs(0, 10, 10), 200);
        assert_eq!(left_of_signs(0, 100, 400), 2000);
        assert_eq!(left_of_signs(30, 10, 40), 40);
        assert_eq!(left_of_signs(0, 1000, 4000), 4096);
    }
}
