//! Tables against codes of groups.
//!
//! What a word of a group adds to a score is rounded to a byte of at most [`ENTRY_MOST`], in one step for all groups of a
//! query: `score = offset + step · sum`. Sums are whole numbers, so all ways of adding up agree, and a limit on scores is a
//! limit on sums.

use super::Queries;
use super::kernels::{ENTRY_MOST, Kernels, PAIRS_MOST, TableRows, TableSums};
use super::lines::Lines;
use super::run::{Block, Rows, live_rows};
use crate::code::code_at;
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
    /// The table of the query that is being set, before it is rounded.
    exact: Vec<[f64; WORDS]>,
}

/// What a sum means.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// The score of a row whose words all add least.
    offset: f64,
    /// From sum to sum.
    step: f64,
}

impl Step {
    /// The score of a sum. A zero is 0 and not −0.
    #[expect(clippy::cast_possible_truncation, reason = "a score is a single; what is larger is infinite")]
    fn score(self, sum: u32) -> f32 {
        (self.offset + self.step * f64::from(sum)) as f32 + 0.0
    }

    /// A sum above this has a score above `worst`; none where every sum has.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held between 0 and the largest"
    )]
    fn limit(self, worst: f32) -> Option<u32> {
        if worst == f32::INFINITY {
            return Some(u32::MAX);
        }
        let worst = f64::from(worst);
        // Scores are rounded to singles: a sum may be a little above and its score not.
        let most = worst + worst.abs() * f64::from(f32::EPSILON);
        let above = most - self.offset;
        if above < 0.0 {
            return None;
        }
        Some(if self.step > 0.0 {
            (above / self.step + 1.0).min(f64::from(u32::MAX)) as u32
        } else {
            u32::MAX
        })
    }
}

impl Tables {
    /// Room for so many.
    pub(crate) fn new(metric: Metric, groups: usize, count: usize) -> Self {
        Self {
            distance: metric == Metric::L2,
            groups,
            bytes: Lines::new(count * stride(groups)),
            steps: vec![Step::default(); count],
            exact: vec![[0.0; WORDS]; if count == 0 { 0 } else { groups }],
        }
    }

    /// What they take from the heap: tables, a step and an offset, and one table before it is rounded.
    pub(crate) fn bytes_for(groups: usize, count: usize) -> u64 {
        let exact = if count == 0 { 0 } else { groups.saturating_mul(size_of::<[f64; WORDS]>()) };
        let steps = count.saturating_mul(size_of::<Step>());
        Lines::bytes_for(count.saturating_mul(stride(groups)))
            .saturating_add(steps as u64)
            .saturating_add(exact as u64)
    }

    /// Takes a query that was shaped.
    pub(crate) fn set(&mut self, query: usize, shaped: &[f32], books: &Codebooks) {
        let (mut offset, mut widest) = (0.0, 0.0_f64);
        let mut numbers = shaped.iter();
        for (group, adds) in self.exact.iter_mut().enumerate() {
            *adds = [0.0; WORDS];
            for (words, x) in books.words(group).iter().zip(&mut numbers) {
                // A rotation may pass the largest single.
                let x = f64::from(x.clamp(f32::MIN, f32::MAX));
                for (adds, word) in adds.iter_mut().zip(words) {
                    let word = f64::from(*word);
                    *adds += if self.distance { (x - word) * (x - word) } else { -(x * word) };
                }
            }
            let least = adds.iter().copied().fold(f64::INFINITY, f64::min);
            let most = adds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for adds in adds.iter_mut() {
                *adds -= least;
            }
            offset += least;
            widest = widest.max(most - least);
        }
        let step = widest / f64::from(ENTRY_MOST);
        let turn = if step > 0.0 { 1.0 / step } else { 0.0 };
        let table = &mut self.bytes.of_mut::<u8>()[query * stride(self.groups)..];
        for (bytes, adds) in table.as_chunks_mut::<WORDS>().0.iter_mut().zip(&self.exact) {
            for (byte, adds) in bytes.iter_mut().zip(adds) {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the most")]
                let entry = (adds * turn).round().min(f64::from(ENTRY_MOST)) as u8;
                *byte = entry;
            }
        }
        self.steps[query] = Step { offset, step };
        if query + 1 == self.steps.len() {
            self.exact = Vec::new();
        }
    }

    /// The score of a row.
    pub(crate) fn score(&self, query: usize, block: &[u8], row: usize) -> f32 {
        let tables = self.tables(query, 1).as_chunks::<WORDS>().0;
        let adds = |group: usize| u32::from(tables[group][code_at(block, row, group)]);
        self.steps[query].score((0..self.groups).map(adds).sum())
    }

    /// What the score of a row can be wrong by, because tables are rounded.
    #[cfg(test)]
    #[expect(clippy::cast_precision_loss, reason = "at most 32,768")]
    pub(crate) fn slack(&self, query: usize) -> f64 {
        self.groups as f64 * self.steps[query].step / 2.0
    }

    fn tables(&self, first: usize, count: usize) -> &[u8] {
        let stride = stride(self.groups);
        &self.bytes.of::<u8>()[first * stride..][..count * stride]
    }
}

/// Bytes of a query's tables, in whole pairs of groups.
fn stride(groups: usize) -> usize {
    groups.next_multiple_of(2) * WORDS
}

/// All blocks, in runs that stay near the processor while all queries look through them.
pub(crate) fn pass(queries: &Queries, tables: &Tables, rows: &Rows, tops: &mut Tops) {
    let run = (RUN_BYTES / queries.layout().block_bytes().max(1)).max(1);
    let (mut finds, _) = tops.parts();
    let blocks = rows.count();
    for from in (0..blocks).step_by(run) {
        let to = (from + run).min(blocks);
        let mut first = 0;
        while first < queries.count() {
            let left = queries.count() - first;
            let count = queries.kernels().table_queries.min(1 << left.ilog2());
            for at in from..to {
                if let Some(block) = rows.block(at) {
                    look(queries.kernels(), tables, (first, count), &block, &mut finds);
                }
            }
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
    let mut sums = [TableSums::ZERO; AT_ONCE];
    if pairs > PAIRS_MOST {
        for query in first..first + count {
            long(kernels, tables, query, block, finds);
        }
        return;
    }
    let stride = stride(tables.groups);
    let rows = TableRows { codes: block.upper, pairs, tables: tables.tables(first, count), stride };
    kernels.look_up(&rows, &mut sums[..count]);
    for (query, sums) in (first..).zip(&sums[..count]) {
        let step = tables.steps[query];
        let Some(limit) = step.limit(finds.worst()[query]) else { continue };
        if u32::from(sums.least) > limit {
            continue;
        }
        for row in live_rows(block.live) {
            let sum = u32::from(sums.of(row));
            if sum <= limit {
                finds.push(query, Hit { score: step.score(sum), row: block.first + row as u64 });
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
    let step = tables.steps[query];
    let Some(limit) = step.limit(finds.worst()[query]) else { return };
    for row in live_rows(block.live).filter(|row| all[*row] <= limit) {
        finds.push(query, Hit { score: step.score(all[row]), row: block.first + row as u64 });
    }
}
