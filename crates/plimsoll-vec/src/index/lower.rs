//! The second stage of `planes`: rows that their signs leave are looked at with all four bits.
//!
//! The signs of all rows are looked through, from memory or streamed. The lower planes stay on disk: they are read for the
//! rows that are left, block by block, through a cache that the account pays for. Rows of all queries are dealt into ranges of
//! blocks, so that each block is in the hands of one thread, once; threads take ranges as they come to them, and in each go from
//! row to row in order. Rows of a block that will be wanted are asked for while those of the last are looked at.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use plimsoll::pool::Lease;

use super::VecError;
use super::encode::on_threads;
use super::keep::Kept;
use super::pages::{Around, Half, Page};
use super::search::Run;
use super::view::{Part, View};
use crate::BLOCK_ROWS;
use crate::held::{lock, unlocked};
use crate::scan::{Queries, Row, fetch, score};
use crate::top::Tops;

/// With fewer rows than this for each, another thread is not worth its start: where rows must be read, and where they are in
/// memory.
const ROWS_A_THREAD: [usize; 2] = [64, 1024];
/// Ranges of blocks for each thread.
const RANGES_A_THREAD: usize = 16;

/// A row that is left to a query: the row, then so many bits of the query as all queries take.
type Left = u64;

/// What `left` takes for each row of each query.
pub(super) const LEFT_BYTES: usize = size_of::<Left>();

/// What a thread of this stage takes for the blocks in its hands: two, and what they are read into.
pub(super) fn hands_bytes(layout: crate::Layout) -> u64 {
    let ranges = RANGES_A_THREAD * size_of::<&[Left]>() * 2;
    let around = Around::heap_bytes(layout.upper_bytes()) + Around::heap_bytes(layout.lower_bytes());
    (around + 2 * layout.block_bytes() + ranges) as u64
}

/// How many the signs leave to each query.
pub(super) fn left_of_signs(given: usize, k: usize, candidates: usize) -> usize {
    let enough = if given == 0 { (20 * k).max(200).max(2 * candidates) } else { given };
    enough.clamp(candidates, crate::top::TOP_MAX.max(candidates))
}

impl Run<'_> {
    /// The best of what the signs found, and how much was read for it.
    pub(super) fn lower(&self, queries: &Queries, mut found: Tops) -> Result<(Tops, u64), VecError> {
        found.settle();
        let rows: usize = (0..found.count()).map(|query| found.rows(query).count()).sum();
        let threads = self.threads.min(rows / ROWS_A_THREAD[usize::from(self.is_here())]).max(1);
        let mut left = vec![0; rows];
        let ranges = self.deal(&found, threads * RANGES_A_THREAD, &mut left);
        drop(found);
        let kept = self.index.keep().kept();
        let work = Mutex::new(ranges.into_iter());
        let done = Mutex::new(Vec::with_capacity(threads));
        let stop = AtomicBool::new(false);
        on_threads(threads, &|| {
            let one = Look::new(self, queries, &kept).and_then(|mut look| {
                loop {
                    let next = if stop.load(Ordering::Relaxed) { None } else { lock(&work).next() };
                    let Some(range) = next else { return Ok((look.tops, look.read)) };
                    range.sort_unstable();
                    look.all(range)?;
                }
            });
            stop.fetch_or(one.is_err(), Ordering::Relaxed);
            lock(&done).push(one);
        });
        let mut all: Option<(Tops, u64)> = None;
        for one in unlocked(done) {
            let (tops, read) = one?;
            match &mut all {
                Some((all, sum)) => {
                    all.merge(&tops);
                    *sum += read;
                }
                None => all = Some((tops, read)),
            }
        }
        all.ok_or(VecError::Died)
    }

    /// Whether about all lower planes are in memory.
    fn is_here(&self) -> bool {
        let blocks: u64 = self.view.segments.iter().map(|(segment, _)| segment.codes().header().units).sum();
        let all = blocks.saturating_mul(self.view.shape.layout().lower_bytes() as u64);
        self.index.pages().blocks_bytes() >= all / 10 * 9
    }

    /// Deals what was found into ranges of blocks, in order; within a range it comes as it was found.
    fn deal<'l>(&self, found: &Tops, ranges: usize, left: &'l mut [Left]) -> Vec<&'l mut [Left]> {
        let all = self.bases.last().copied().unwrap_or_default();
        let each = block_of(all).div_ceil(ranges as u64).max(1);
        let range = |row: u64| usize::try_from(block_of(row) / each).unwrap_or(ranges - 1).min(ranges - 1);
        let bits = query_bits(found.count());
        assert!(all.leading_zeros() >= bits, "{all} rows and {} queries in one number", found.count());
        let mut ends = vec![0; ranges];
        (0..found.count()).flat_map(|query| found.rows(query)).for_each(|row| ends[range(row)] += 1);
        let counts = ends.clone();
        let mut sum = 0;
        for end in &mut ends {
            // Where the next of it goes; in the end, where it ends.
            sum += std::mem::replace(end, sum);
        }
        for query in 0..found.count() {
            for row in found.rows(query) {
                let next = &mut ends[range(row)];
                left[*next] = row << bits | query as u64;
                *next += 1;
            }
        }
        let mut rest = left;
        let part = |count: usize| {
            let (these, others) = std::mem::take(&mut rest).split_at_mut(count);
            rest = others;
            these
        };
        counts.into_iter().map(part).collect()
    }
}

/// Bits that the number of a query takes.
fn query_bits(queries: usize) -> u32 {
    usize::BITS - queries.leading_zeros()
}

/// What a thread looks with.
struct Look<'r> {
    run: &'r Run<'r>,
    queries: &'r Queries,
    kept: &'r [Kept],
    tops: Tops,
    read: u64,
    /// What blocks are read into, above and below.
    hands: Option<[Around; 2]>,
}

/// A block that has rows which are wanted.
struct Block<'r> {
    upper: Upper<'r>,
    lower: Lower<'r>,
}

enum Upper<'r> {
    Lent(&'r [u8]),
    Shelved(Arc<Lease>, Range<usize>),
    Page(Page),
}

enum Lower<'r> {
    Lent(&'r [u8]),
    Page(Page),
}

impl<'r> Look<'r> {
    fn new(run: &'r Run<'r>, queries: &'r Queries, kept: &'r [Kept]) -> Result<Self, VecError> {
        let tops = Tops::without_desk(queries, run.candidates)?;
        Ok(Self { run, queries, kept, tops, read: 0, hands: None })
    }

    /// Looks at rows that are in order: at those of a block while those of the next one come.
    fn all(&mut self, left: &[Left]) -> Result<(), VecError> {
        let bits = query_bits(self.queries.count());
        let mut last: Option<(&[Left], Block)> = None;
        for rows in left.chunk_by(|a, b| block_of(a >> bits) == block_of(b >> bits)) {
            let Some(block) = self.block(rows[0] >> bits)? else { continue };
            self.each(rows, &block, |queries, row, _, _, _| fetch(queries, row))?;
            if let Some((rows, block)) = last.replace((rows, block)) {
                self.score(rows, &block)?;
            }
        }
        last.map_or(Ok(()), |(rows, block)| self.score(rows, &block))
    }

    fn score(&mut self, rows: &[Left], block: &Block) -> Result<(), VecError> {
        self.each(rows, block, |queries, row, query, number, tops| score(queries, query, row, number, tops))
    }

    /// Does something with each of these rows of a block.
    fn each(
        &mut self,
        rows: &[Left],
        block: &Block,
        what: impl Fn(&Queries, &Row, usize, u64, &mut Tops),
    ) -> Result<(), VecError> {
        let bits = query_bits(self.queries.count());
        let bytes = self.run.view.shape.layout().lower_row_bytes();
        let (upper, lower) = (block.upper.bytes()?, block.lower.bytes());
        for left in rows {
            let number = left >> bits;
            let at = usize::try_from(number % BLOCK_ROWS as u64).unwrap_or_default();
            let query = usize::try_from(left & ((1 << bits) - 1)).unwrap_or_default();
            let row = Row { block: upper, at, lower: &lower[at * bytes..][..bytes] };
            what(self.queries, &row, query, number, &mut self.tops);
        }
        Ok(())
    }

    /// The block of a row.
    fn block(&mut self, row: u64) -> Result<Option<Block<'r>>, VecError> {
        let (run, layout) = (self.run, self.run.view.shape.layout());
        let (place, row) = View::place(&run.bases, row);
        let number = block_of(row);
        match run.parts.get(place) {
            Some(Part::Young(batch)) => {
                let at = usize::try_from(number).unwrap_or_default() * layout.block_bytes();
                let (upper, lower) =
                    batch.blocks[at..at + layout.block_bytes()].split_at(layout.upper_bytes());
                Ok(Some(Block { upper: Upper::Lent(upper), lower: Lower::Lent(lower) }))
            }
            Some(Part::Segment(segment)) => {
                let Some(column) = segment.lower() else { return Ok(None) };
                let [above, below] = self.hands.get_or_insert_with(|| {
                    [Around::new(layout.upper_bytes()), Around::new(layout.lower_bytes())]
                });
                let pages = run.index.pages();
                let (of, size) = (segment.number(), layout.upper_bytes());
                let lower =
                    Lower::Page(pages.page((of, number, Half::Lower), column, below, &mut self.read)?);
                let upper = if let Some(upper) = Kept::find(self.kept, of, number, size) {
                    Upper::Lent(upper)
                } else if let Some((lease, range)) = run.index.shelf().block(of, number, size) {
                    Upper::Shelved(lease, range)
                } else {
                    let key = (of, number, Half::Upper);
                    Upper::Page(pages.page(key, segment.codes(), above, &mut self.read)?)
                };
                Ok(Some(Block { upper, lower }))
            }
            None => Ok(None),
        }
    }
}

impl Upper<'_> {
    fn bytes(&self) -> Result<&[u8], VecError> {
        Ok(match self {
            Self::Lent(bytes) => bytes,
            Self::Shelved(lease, range) => &lease.as_slice()?[range.clone()],
            Self::Page(page) => page.bytes(),
        })
    }
}

impl Lower<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Page(page) => page.bytes(),
        }
    }
}

fn block_of(row: u64) -> u64 {
    row / BLOCK_ROWS as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_leave_at_least_the_candidates_and_at_most_what_lists_hold() {
        assert_eq!(left_of_signs(0, 10, 10), 200);
        assert_eq!(left_of_signs(0, 100, 400), 2000);
        assert_eq!(left_of_signs(30, 10, 40), 40);
        assert_eq!(left_of_signs(0, 1000, 4000), 4096);
    }
}
