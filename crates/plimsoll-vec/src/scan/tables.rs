//! Tables against codes of groups.
//!
//! What a word of a group adds to a product with the query is rounded to a byte of at most [`ENTRY_MOST`], in one step for all
//! groups of a query. Sums are whole numbers, so all ways of adding up agree; the length of a row and how far its words fall
//! short of it make a score of the sum.

use super::Queries;
use super::kernels::{ENTRY_MOST, Kernels, PAIRS_MOST, Step, TableRows, TableSums};
use super::lines::Lines;
use super::run::{Block, Rows, Who, live_rows};
use crate::code::{Layout, code_at, gain_at};
use crate::top::{Finds, Hit, Tops};
use crate::{BLOCK_ROWS, Codebooks, Metric};

/// Words of a group.
const WORDS: usize = 16;
/// Codes that all queries look through before those that follow come from memory: they stay near the processor meanwhile.
const RUN_BYTES: usize = 96 << 10;
/// The most queries that are looked up at once.
const AT_ONCE: usize = 8;

/// Queries as tables.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    distance: bool,
    groups: usize,
    bytes: Lines,
    steps: Vec<Step>,
}

impl Tables {
    /// Room for so many.
    pub(crate) fn new(metric: Metric, groups: usize, count: usize) -> Self {
        Self {
            distance: metric == Metric::L2,
            groups,
            bytes: Lines::new(count * stride(groups)),
            steps: vec![Step::default(); count],
        }
    }

    /// What they take from the heap: for each query its tables, and what their sums mean.
    pub(crate) fn bytes_for(groups: usize, count: usize) -> u64 {
        let steps = count.saturating_mul(size_of::<Step>());
        Lines::bytes_for(count.saturating_mul(stride(groups))).saturating_add(steps as u64)
    }

    /// Takes a query that was shaped.
    pub(crate) fn set(&mut self, query: usize, shaped: &[f32], books: &Codebooks) {
        let (mut offset, mut widest) = (0.0, 0.0_f64);
        products(books, shaped, |_, least, most, _| {
            offset += least;
            widest = widest.max(most - least);
        });
        let each = widest / f64::from(ENTRY_MOST);
        let turn = if each > 0.0 { 1.0 / each } else { 0.0 };
        let table = &mut self.bytes.of_mut::<u8>()[query * stride(self.groups)..];
        let table = table.as_chunks_mut::<WORDS>().0;
        // Made a second time rather than kept: they take eight times what tables do.
        products(books, shaped, |group, least, _, adds| {
            for (byte, adds) in table[group].iter_mut().zip(adds) {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the most")]
                let entry = ((adds - least) * turn).round().min(f64::from(ENTRY_MOST)) as u8;
                *byte = entry;
            }
        });
        let square: f64 = shaped.iter().map(|x| held(*x) * held(*x)).sum();
        self.steps[query] = if self.distance {
            Step { base: square, offset: offset * 2.0, each: each * 2.0 }
        } else {
            Step { base: 0.0, offset, each }
        };
    }

    /// Takes a query as others of the same kind have it.
    pub(crate) fn copy(&mut self, query: usize, from: &Self, source: usize) {
        let stride = stride(self.groups);
        self.bytes.of_mut::<u8>()[query * stride..][..stride].copy_from_slice(from.tables(source, 1));
        self.steps[query] = from.steps[source];
    }

    /// The score of a row.
    pub(crate) fn score(&self, query: usize, layout: Layout, block: &[u8], row: usize) -> f32 {
        let tables = self.tables(query, 1).as_chunks::<WORDS>().0;
        let adds = |group: usize| u32::from(tables[group][code_at(block, row, group)]);
        self.score_of(query, (0..self.groups).map(adds).sum(), layout, block, row)
    }

    fn score_of(&self, query: usize, sum: u32, layout: Layout, block: &[u8], row: usize) -> f32 {
        let gain = gain_at(layout, block, row);
        let square = if self.distance { gain.length() * gain.length() } else { 0.0 };
        self.steps[query].score(sum, gain.factor(), square)
    }

    /// What the score of a row can be wrong by, because tables are rounded: times its factor.
    #[cfg(test)]
    #[expect(clippy::cast_precision_loss, reason = "at most 32,768")]
    pub(crate) fn slack(&self, query: usize) -> f64 {
        self.groups as f64 * self.steps[query].each / 2.0
    }

    fn tables(&self, first: usize, count: usize) -> &[u8] {
        let stride = stride(self.groups);
        &self.bytes.of::<u8>()[first * stride..][..count * stride]
    }
}

/// What each word of each group adds to the product, its sign turned; with the least and the most of the group.
fn products(books: &Codebooks, shaped: &[f32], mut each: impl FnMut(usize, f64, f64, &[f64; WORDS])) {
    let mut numbers = shaped.iter();
    for group in 0..books.groups() {
        let mut adds = [0.0; WORDS];
        for (words, x) in books.words(group).iter().zip(&mut numbers) {
            let x = held(*x);
            for (adds, word) in adds.iter_mut().zip(words) {
                *adds -= x * f64::from(*word);
            }
        }
        let least = adds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = adds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        each(group, least, most, &adds);
    }
}

/// A rotation may pass the largest single, and then what no single can tell.
fn held(x: f32) -> f64 {
    if x.is_nan() { 0.0 } else { x.clamp(f32::MIN, f32::MAX).into() }
}

/// Bytes of a query's tables, in whole pairs of groups.
fn stride(groups: usize) -> usize {
    groups.next_multiple_of(2) * WORDS
}

/// All blocks, in runs that stay near the processor while the queries look through them.
pub(crate) fn pass(queries: &Queries, tables: &Tables, rows: &Rows, who: Who, tops: &mut Tops) {
    let layout = queries.layout();
    let run = (RUN_BYTES / layout.block_bytes().max(1)).max(1);
    let (mut finds, _) = tops.parts();
    let blocks = rows.blocks_needed();
    for from in (0..blocks).step_by(run) {
        let run = from..(from + run).min(blocks);
        let mut some = |first: usize, count: usize| {
            for block in run.clone().filter_map(|at| rows.block(layout, at)) {
                look(queries.kernels(), tables, (first, count), &block, &mut finds);
            }
        };
        if !who.is_all() {
            who.numbers(queries).for_each(|query| some(query, 1));
            continue;
        }
        let mut first = 0;
        while first < queries.count() {
            let left = queries.count() - first;
            let count = queries.kernels().table_queries.min(1 << left.ilog2());
            some(first, count);
            first += count;
        }
    }
}

/// One block, for some queries.
fn look(
    kernels: &Kernels,
    tables: &Tables,
    (first, count): (usize, usize),
    block: &Block,
    finds: &mut Finds,
) {
    let pairs = tables.groups.div_ceil(2);
    if pairs > PAIRS_MOST {
        for query in first..first + count {
            long(kernels, tables, query, block, finds);
        }
        return;
    }
    let (codes, sides) = block.upper.split_at(block.layout.first().end);
    let mut sums = [TableSums::ZERO; AT_ONCE];
    let stride = stride(tables.groups);
    let rows = TableRows { codes, pairs, tables: tables.tables(first, count), stride };
    kernels.look_up(&rows, &mut sums[..count]);
    let reach = kernels.reach(sides, tables.distance);
    let mut gains = None;
    for (query, sums) in (first..).zip(&sums[..count]) {
        let step = &tables.steps[query];
        let worst = finds.worst()[query];
        if step.bound(sums.least.into(), &reach) > worst {
            continue;
        }
        let gains = gains.get_or_insert_with(|| kernels.gains(sides, tables.distance));
        let mut scores = [[0.0; BLOCK_ROWS / 2]; 2];
        let marks = kernels.score_sums(sums, gains, (step, worst), &mut scores);
        for (half, marks) in marks.into_iter().enumerate() {
            for at in live_rows(marks.into()) {
                let row = at * 2 + half;
                if block.live >> row & 1 == 1 {
                    finds.push(query, Hit { score: scores[half][at], row: block.first + row as u64 });
                }
            }
        }
    }
}

/// The same where sums do not fit sixteen bits.
fn long(kernels: &Kernels, tables: &Tables, query: usize, block: &Block, finds: &mut Finds) {
    let mut all = [0_u32; BLOCK_ROWS];
    let stride = stride(tables.groups);
    let bytes = tables.tables(query, 1);
    let codes = block.upper[block.layout.first()].chunks(PAIRS_MOST * BLOCK_ROWS);
    for (codes, tables) in codes.zip(bytes.chunks(PAIRS_MOST * 2 * WORDS)) {
        let mut sums = [TableSums::ZERO];
        let rows = TableRows { codes, pairs: codes.len() / BLOCK_ROWS, tables, stride };
        kernels.look_up(&rows, &mut sums);
        for (row, all) in all.iter_mut().enumerate() {
            *all += u32::from(sums[0].of(row));
        }
    }
    for row in live_rows(block.live) {
        let score = tables.score_of(query, all[row], block.layout, block.upper, row);
        if score <= finds.worst()[query] {
            finds.push(query, Hit { score, row: block.first + row as u64 });
        }
    }
}
