//! Attention over pages of keys and values: each page's rows are made singles once for all queries, and the softmax runs
//! along.
//!
//! Both sums are products with a matrix of singles: keys, spread so that sixteen rows lie beside each other, times queries;
//! and values times weights. Between them the scores of a query become weights. What is held at a time is one page of a
//! head, and for each query the greatest score so far, the sum of weights and the weighted sum of values; when a greater
//! score turns up, both sums are scaled down. So nothing grows with the context.
//!
//! Rows go sixteen at a time, whatever pages are. What a query gives depends neither on the queries beside it nor on the
//! size of pages, if that is a multiple of sixteen.

use super::kernels::{Beside, several, singles};
use super::registers::{Instructions, Job, LANES, Registers};
use super::{Packing, decode};
use crate::exp;

/// Queries that go through a page side by side.
const SIDE: usize = 8;

/// Some tokens of a sequence, and their queries of one head of keys and values.
#[derive(Debug)]
pub struct Attend<'a> {
    /// How keys and values are stored: as single numbers.
    pub packing: Packing,
    /// The keys and the values of a layer in each page: token after token, in each head after head.
    pub pages: &'a [(&'a [u8], &'a [u8])],
    /// Tokens that a page has room for.
    pub page_tokens: usize,
    /// Which head of keys and values it is, of how many.
    pub head: (usize, usize),
    /// Numbers of a head's key, and of its value.
    pub widths: (usize, usize),
    /// The position of the first token. Each sees all before it and itself.
    pub position: usize,
    /// Queries of the head's group begin here, for the first token; those of the next come `stride` numbers behind.
    pub queries: &'a [f32],
    /// See there.
    pub stride: usize,
    /// Queries of a token that share the head.
    pub group: usize,
    /// Means of values, for each query of each token.
    pub out: &'a mut [f32],
}

/// What attention needs for a moment: a page of a head as singles, and what is kept for each query.
#[derive(Debug, Default)]
pub struct AttendDesk {
    rows: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
    /// The greatest score and the sum of weights.
    marks: Vec<(f32, f32)>,
    /// Weighted sums of values.
    sums: Vec<f32>,
}

impl Attend<'_> {
    /// Computes the means.
    ///
    /// # Panics
    /// If pages or queries are shorter than the sizes say.
    pub fn run(self, desk: &mut AttendDesk) {
        self.run_with(Instructions::best(), desk);
    }

    pub(super) fn run_with(self, set: Instructions, desk: &mut AttendDesk) {
        let (of_key, of_value) = self.padded();
        let rows = self.page_tokens.next_multiple_of(LANES);
        let queries = self.out.len() / self.widths.1;
        desk.rows.resize(LANES * of_key, 0.0);
        desk.keys.resize(rows * of_key, 0.0);
        desk.values.resize(rows * of_value, 0.0);
        desk.scores.resize(SIDE * rows, 0.0);
        desk.marks.clear();
        desk.marks.resize(queries, (f32::NEG_INFINITY, 0.0));
        desk.sums.clear();
        desk.sums.resize(queries * of_value, 0.0);
        assert!(self.page_tokens > 0 && queries.is_multiple_of(self.group), "whole tokens");
        let last = (queries / self.group).saturating_sub(1) * self.stride + self.group * self.widths.0;
        assert!(queries == 0 || self.queries.len() >= last, "a query for each mean");
        set.run(Run { it: self, desk });
    }

    /// Numbers of a key and of a value as they are laid out: as many as are spread at once, and whole registers.
    const fn padded(&self) -> (usize, usize) {
        (self.widths.0.next_multiple_of(8), self.widths.1.next_multiple_of(LANES))
    }

    /// The place of a query among the numbers.
    const fn query(&self, number: usize) -> usize {
        number / self.group * self.stride + number % self.group * self.widths.0
    }

    /// Rows of a page, from position `from` on, that a query sees.
    const fn seen(&self, number: usize, from: usize) -> usize {
        let seen = (self.position + number / self.group + 1).saturating_sub(from);
        if seen < self.page_tokens { seen } else { self.page_tokens }
    }
}

struct Run<'a, 'd> {
    it: Attend<'a>,
    desk: &'d mut AttendDesk,
}

impl Job for Run<'_, '_> {
    #[inline(always)]
    unsafe fn run<R: Registers>(self) {
        let Self { it, desk } = self;
        let (width, (_, padded)) = (it.widths.1, it.padded());
        let queries = desk.marks.len();
        let direct = R::COLUMNS && it.is_direct(queries);
        // What lies behind the numbers of a value is multiplied and never read.
        desk.values.fill(0.0);
        for (number, (keys, values)) in it.pages.iter().enumerate() {
            let from = number * it.page_tokens;
            // Rows behind the last token are not there yet, and what stands in them is undefined.
            let rows = if queries == 0 { 0 } else { it.seen(queries - 1, from) };
            if rows == 0 {
                break;
            }
            let mut at = 0;
            while direct && at < queries {
                // SAFETY: the caller promises the instructions, and there are so many queries.
                at += unsafe {
                    match queries - at {
                        8.. => it.direct::<R, 8>(desk, (keys, values), at, from, rows),
                        4.. => it.direct::<R, 4>(desk, (keys, values), at, from, rows),
                        2.. => it.direct::<R, 2>(desk, (keys, values), at, from, rows),
                        _ => it.direct::<R, 1>(desk, (keys, values), at, from, rows),
                    }
                };
            }
            if direct {
                continue;
            }
            // SAFETY: the caller promises the instructions; the desk has room for a page, and there are so many queries.
            unsafe {
                it.open_keys::<R>(keys, rows, desk);
                it.open_values::<R>(values, rows, desk);
                let mut at = 0;
                while at < queries {
                    at += match queries - at {
                        8.. => it.beside::<R, 8, 1>(desk, at, from, rows),
                        4.. => it.beside::<R, 4, 2>(desk, at, from, rows),
                        2.. => it.beside::<R, 2, 4>(desk, at, from, rows),
                        _ => it.beside::<R, 1, 4>(desk, at, from, rows),
                    };
                }
            }
        }
        let sums = desk.sums.chunks_exact(padded).zip(&desk.marks);
        for (out, (sums, (_, whole))) in it.out.chunks_exact_mut(width).zip(sums) {
            let inverse = 1.0 / whole;
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum * inverse;
            }
        }
    }
}

impl Attend<'_> {
    /// Whether a page is read once only, by one token's queries, and lies as [`direct`](Self::direct) wants it.
    const fn is_direct(&self, queries: usize) -> bool {
        matches!(self.packing, Packing::F16)
            && queries == self.group
            && self.widths.0.is_multiple_of(LANES)
            && self.widths.1.is_multiple_of(LANES)
            && self.page_tokens.is_multiple_of(LANES)
    }

    /// One token's queries from `at` on go through a page of halves where it lies; how many those are. What is added up, and
    /// in which order, is as in [`beside`](Self::beside).
    ///
    /// # Safety
    /// The processor has the instructions of `R`, of which there are [`columns`](Registers::columns), and there are so many
    /// queries. Widths and the page's tokens are whole registers.
    #[expect(
        clippy::needless_range_loop,
        reason = "a closure is compiled by itself, without the instructions"
    )]
    #[inline(always)]
    unsafe fn direct<R: Registers, const T: usize>(
        &self,
        desk: &mut AttendDesk,
        (keys, values): (&[u8], &[u8]),
        at: usize,
        from: usize,
        rows: usize,
    ) -> usize {
        let (width, of_value) = self.widths;
        let (key_row, value_row) = (2 * self.head.1 * width, 2 * self.head.1 * of_value);
        let mut queries = [std::ptr::null(); T];
        for query in 0..T {
            queries[query] = self.queries[self.query(at + query)..][..width].as_ptr();
        }
        let mut scores = [[0.0_f32; LANES]; T];
        for first in (0..rows).step_by(LANES) {
            let some = LANES.min(rows - first);
            let keys = &keys[first * key_row + 2 * self.head.0 * width..][..15 * key_row + 2 * width];
            let values = &values[first * value_row + 2 * self.head.0 * of_value..];
            let values = &values[..15 * value_row + 2 * of_value];
            // SAFETY: sixteen rows of keys and values are there, as the slices say; rows that are not seen may hold anything,
            // and what becomes of them is not used.
            unsafe {
                let mut sums = [R::splat(0.0); T];
                let mut column = 0;
                while column < width {
                    let lanes = R::columns(keys.as_ptr().add(2 * column), key_row);
                    for lane in 0..LANES {
                        for query in 0..T {
                            let number = R::splat(*queries[query].add(column + lane));
                            sums[query] = R::fuse(lanes[lane], number, sums[query]);
                        }
                    }
                    column += LANES;
                }
                for query in 0..T {
                    R::store(scores[query].as_mut_ptr(), R::add(R::splat(0.0), sums[query]));
                    let seen = self.seen(at + query, from).saturating_sub(first).min(LANES);
                    let sums = &mut desk.sums[(at + query) * of_value..][..of_value];
                    weigh(&mut scores[query], seen, width, &mut desk.marks[at + query], sums);
                }
                let mut lane = 0;
                while lane < of_value {
                    let mut sums = [R::splat(0.0); T];
                    for row in 0..some {
                        let numbers = R::row_of_halves(values.as_ptr().add(row * value_row + 2 * lane));
                        for query in 0..T {
                            sums[query] = R::fuse(numbers, R::splat(scores[query][row]), sums[query]);
                        }
                    }
                    for query in 0..T {
                        let to = desk.sums[(at + query) * of_value + lane..][..LANES].as_mut_ptr();
                        R::store(to, R::add(R::load(to), sums[query]));
                    }
                    lane += LANES;
                }
            }
        }
        T
    }

    /// A page's keys of the head: sixteen rows beside each other, number after number.
    ///
    /// # Safety
    /// The processor has the instructions of `R`, and the desk has room for a page.
    #[inline(always)]
    unsafe fn open_keys<R: Registers>(&self, bytes: &[u8], rows: usize, desk: &mut AttendDesk) {
        let (width, (padded, _)) = (self.widths.0, self.padded());
        let len = width * self.packing.block_bytes();
        for first in (0..rows).step_by(LANES) {
            for lane in 0..LANES {
                let into = &mut desk.rows[lane * padded..][..width];
                if first + lane < rows {
                    let at = ((first + lane) * self.head.1 + self.head.0) * len;
                    // SAFETY: the caller promises the instructions.
                    unsafe { self.open::<R>(&bytes[at..at + len], into) };
                } else {
                    into.fill(0.0);
                }
            }
            let keys = &mut desk.keys[first * padded..][..LANES * padded];
            for column in (0..padded).step_by(8) {
                let (from, to) = (desk.rows[column..].as_ptr(), keys[column * LANES..].as_mut_ptr());
                // SAFETY: sixteen rows of `padded` numbers, and as many in their places among the keys.
                unsafe { R::spread(from.cast(), padded * 4, 0, to.cast()) };
            }
        }
    }

    /// Stored numbers as singles: a row of them.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn open<R: Registers>(&self, bytes: &[u8], into: &mut [f32]) {
        let whole = if self.packing == Packing::F16 { into.len() / LANES * LANES } else { 0 };
        for at in (0..whole).step_by(LANES) {
            let (from, to) = (bytes[2 * at..][..2 * LANES].as_ptr(), into[at..][..LANES].as_mut_ptr());
            // SAFETY: sixteen halves, and room for as many singles.
            unsafe { R::store(to, R::row_of_halves(from)) };
        }
        decode(self.packing, &bytes[whole * self.packing.block_bytes()..], &mut into[whole..]);
    }

    /// A page's values of the head.
    ///
    /// # Safety
    /// The processor has the instructions of `R`.
    #[inline(always)]
    unsafe fn open_values<R: Registers>(&self, bytes: &[u8], rows: usize, desk: &mut AttendDesk) {
        let (width, (_, padded)) = (self.widths.1, self.padded());
        let len = width * self.packing.block_bytes();
        for row in 0..rows {
            let at = (row * self.head.1 + self.head.0) * len;
            // SAFETY: the caller promises the instructions.
            unsafe { self.open::<R>(&bytes[at..at + len], &mut desk.values[row * padded..][..width]) };
        }
    }

    /// The queries from `at` on go through a page; how many those are.
    ///
    /// # Safety
    /// The processor has the instructions of `R`; the desk holds the page's rows, and there are so many queries.
    #[inline(always)]
    unsafe fn beside<R: Registers, const T: usize, const L: usize>(
        &self,
        desk: &mut AttendDesk,
        at: usize,
        from: usize,
        rows: usize,
    ) -> usize {
        let ((width, _), (of_key, of_value)) = (self.widths, self.padded());
        let mut beside = Beside::<T> {
            totals: [std::ptr::null_mut(); T],
            singles: [std::ptr::null(); T],
            bytes: [std::ptr::null(); T],
            scales: [std::ptr::null(); T],
            sums: [std::ptr::null(); T],
            halves: [std::ptr::null(); T],
        };
        let wide = rows.next_multiple_of(LANES);
        desk.scores[..T * wide].fill(0.0);
        for query in 0..T {
            beside.singles[query] = self.queries[self.query(at + query)..][..width].as_ptr();
        }
        let mut first = 0;
        while first < wide {
            for query in 0..T {
                beside.totals[query] = desk.scores[query * wide + first..][..LANES].as_mut_ptr();
            }
            let keys = desk.keys[first * of_key..][..LANES * of_key].as_ptr();
            // SAFETY: `width` groups of sixteen keys, `L` times if so many are left, queries of so many numbers, and as
            // many scores for each.
            unsafe {
                if first + L * LANES <= wide {
                    several::<R, T, L>(keys, (LANES, LANES * of_key), &beside, width);
                    first += L * LANES;
                } else {
                    singles::<R, T>(keys, LANES, &beside, width);
                    first += LANES;
                }
            }
        }
        for first in (0..rows).step_by(LANES) {
            let some = LANES.min(rows - first);
            for query in 0..T {
                let seen = self.seen(at + query, from).saturating_sub(first).min(LANES);
                let sums = &mut desk.sums[(at + query) * of_value..][..of_value];
                let scores = &mut desk.scores[query * wide + first..];
                beside.singles[query] = scores[..some].as_ptr();
                if let Some(scores) = scores.first_chunk_mut() {
                    weigh(scores, seen, width, &mut desk.marks[at + query], sums);
                }
            }
            let mut lane = 0;
            while lane < of_value {
                for query in 0..T {
                    beside.totals[query] = desk.sums[(at + query) * of_value + lane..][..LANES].as_mut_ptr();
                }
                let values = &desk.values[first * of_value + lane..];
                debug_assert!(values.len() >= (some - 1) * of_value + LANES);
                // SAFETY: `some` groups of values, `L` times if so many lanes are left, as many weights, and as many sums
                // for each query.
                unsafe {
                    if lane + L * LANES <= of_value {
                        several::<R, T, L>(values.as_ptr(), (of_value, LANES), &beside, some);
                        lane += L * LANES;
                    } else {
                        singles::<R, T>(values.as_ptr(), of_value, &beside, some);
                        lane += LANES;
                    }
                }
            }
        }
        T
    }
}

/// Products become weights: those of rows that are seen are scaled, and measured by the greatest so far; all others are
/// zero. If one is greater than all before, what was summed up is scaled down.
#[inline(always)]
fn weigh(scores: &mut [f32; LANES], seen: usize, width: usize, mark: &mut (f32, f32), sums: &mut [f32]) {
    #[expect(clippy::cast_precision_loss, reason = "a width")]
    let sharpness = 1.0 / (width as f32).sqrt();
    let mut greatest = mark.0;
    for score in &mut scores[..seen] {
        *score *= sharpness;
        greatest = greatest.max(*score);
    }
    if greatest > mark.0 {
        let shrink = (mark.0 - greatest).exp();
        for sum in sums {
            *sum *= shrink;
        }
        *mark = (greatest, mark.1 * shrink);
    }
    for score in scores.iter_mut() {
        *score = exp(*score - greatest);
    }
    scores[seen..].fill(0.0);
    let mut halves = *scores;
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            halves[lane] += halves[lane + half];
        }
    }
    mark.1 += halves[0];
}
