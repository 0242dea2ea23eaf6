//! Tables for the signs of planes.
//!
//! For many queries signs are looked up rather than multiplied: the signs of a group of a row say which of sixteen or 64 sums of
//! a query's levels they add, and one instruction says so for as many rows as a register has bytes. Levels of the sign stage are
//! four bits, so an entry is at most 28 or 42; sums are the whole numbers that products of levels are, and scores the same to the
//! bit.

use super::form::Levels;
use super::kernels::{
    Factors, Kernels, Kind, PAIRS_MOST, SIX, SIX_WORDS, SIXES_OF_WORD, SignGains, SignStep, SixRows,
    TableRows, TableSums, turn_fours,
};
use super::lines::Lines;
use super::queries::MANY;
use super::run::{Block, Rows, live_rows};
use super::{Path, Queries, levels};
use crate::BLOCK_ROWS;
use crate::top::{Finds, Hit, Tops};

/// The most queries that are looked up at once.
const AT_ONCE: usize = 8;
/// Queries that are looked up by sixes at once.
const SIXES_AT_ONCE: usize = 4;

/// How signs are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Groups {
    /// By fours: two groups of a byte of signs.
    Fours,
    /// By sixes: eleven groups of a word of signs.
    Sixes,
}

impl Groups {
    fn of(path: Path) -> Self {
        if path == Path::Avx512 { Self::Sixes } else { Self::Fours }
    }

    /// Bytes of a query's tables, for rows with so many bytes of signs.
    fn stride(self, bytes: usize) -> usize {
        match self {
            Self::Fours => bytes * 2 * 16,
            Self::Sixes => bytes.div_ceil(8) * SIXES_OF_WORD * SIX_WORDS,
        }
    }

    /// Signs of a group, and groups of a word of 64.
    fn shape(self) -> (usize, usize) {
        match self {
            Self::Fours => (4, 16),
            Self::Sixes => (SIX, SIXES_OF_WORD),
        }
    }
}

/// Queries as tables of what signs add.
#[derive(Clone, Debug)]
pub(crate) struct SignTables {
    groups: Groups,
    /// Bytes of a row's signs.
    bytes: usize,
    tables: Lines,
    steps: Vec<SignStep>,
}

impl SignTables {
    /// Whether they are the better way: where many queries have few levels, and the processor does not multiply faster than it
    /// looks up.
    pub(crate) fn serve(path: Path, kind: Kind, most: i8, dimension: usize, count: usize) -> bool {
        let few = kind == Kind::Signs && most <= 7 && dimension.div_ceil(8) <= PAIRS_MOST;
        few && count >= MANY && path != Path::Amx
    }

    /// Room for so many.
    pub(crate) fn new(path: Path, dimension: usize, count: usize) -> Self {
        let (groups, bytes) = (Groups::of(path), dimension.div_ceil(8));
        Self {
            groups,
            bytes,
            tables: Lines::new(count * groups.stride(bytes)),
            steps: vec![SignStep::default(); count],
        }
    }

    /// What they take from the heap.
    pub(crate) fn bytes_for(path: Path, dimension: usize, count: usize) -> u64 {
        let tables = Lines::bytes_for(count.saturating_mul(Groups::of(path).stride(dimension.div_ceil(8))));
        tables.saturating_add(count.saturating_mul(size_of::<SignStep>()) as u64)
    }

    /// Takes a query's levels, in whole words, and what makes scores of their products.
    pub(crate) fn set(&mut self, query: usize, levels: &[i8], factors: &Factors) {
        let stride = self.stride();
        let (signs, of_word) = self.groups.shape();
        let tables = self.tables.of_mut::<u8>()[query * stride..][..stride].chunks_exact_mut(1 << signs);
        let groups = levels.as_chunks::<64>().0.iter().flat_map(|word| word.chunks(signs).take(of_word));
        let mut all = 0;
        for (table, levels) in tables.zip(groups) {
            let most: i32 = levels.iter().map(|level| i32::from(*level).max(0)).sum();
            all += most;
            // From the most down, so that the least sum of a block is its best.
            table[0] = u8::try_from(most).unwrap_or_default();
            for sign in 0..signs {
                let level = levels.get(sign).map_or(0, |level| level.cast_unsigned());
                let (without, with) = table.split_at_mut(1 << sign);
                for (with, without) in with.iter_mut().zip(without) {
                    *with = without.wrapping_sub(level);
                }
            }
        }
        // The middle of a sign means nothing, times −1 or −2.
        let low = -0.0 * factors.sum;
        let offset = 2 * all - factors.bias;
        self.steps[query] = SignStep { square: factors.square, low, scale: factors.scale, offset };
    }

    /// Takes a query as others of the same kind have it.
    pub(crate) fn copy(&mut self, query: usize, from: &Self, source: usize) {
        let stride = self.stride();
        self.tables.of_mut::<u8>()[query * stride..][..stride].copy_from_slice(from.tables(source, 1));
        self.steps[query] = from.steps[source];
    }

    fn stride(&self) -> usize {
        self.groups.stride(self.bytes)
    }

    fn tables(&self, first: usize, count: usize) -> &[u8] {
        let stride = self.stride();
        &self.tables.of::<u8>()[first * stride..][..count * stride]
    }

    /// All blocks, for all queries.
    pub(crate) fn pass(&self, queries: &Queries, form: &Levels, rows: &Rows, tops: &mut Tops) {
        let (mut finds, desk) = tops.parts();
        let layout = queries.layout();
        let mut blocks = (0..rows.blocks_needed())
            .filter_map(|at| rows.block(layout, at))
            .map(|block| Block { lower: &[], ..block });
        let look = Look { tables: self, queries, form, kernels: queries.kernels() };
        let turned = desk.rows.of_mut();
        if self.groups == Groups::Fours {
            blocks.for_each(|block| look.fours(&block, turned, &mut finds));
            return;
        }
        while let Some(first) = blocks.next() {
            let second = blocks.next();
            look.sixes([Some(first), second], turned, &mut finds);
        }
    }
}

/// What looks through blocks.
struct Look<'a> {
    tables: &'a SignTables,
    queries: &'a Queries,
    form: &'a Levels,
    kernels: &'a Kernels,
}

impl Look<'_> {
    /// One block, by fours.
    fn fours(&self, block: &Block, turned: &mut [u8], finds: &mut Finds) {
        let (tables, pairs) = (self.tables, self.tables.bytes);
        turn_fours(&block.upper[block.layout.first()], pairs, turned);
        let gains = self.gains(block);
        let mut first = 0;
        while first < self.queries.count() {
            let left = self.queries.count() - first;
            let count = self.kernels.table_queries.min(1 << left.ilog2());
            let mut sums = [TableSums::ZERO; AT_ONCE];
            let of_queries = tables.tables(first, count);
            let rows = TableRows { codes: turned, pairs, tables: of_queries, stride: tables.stride() };
            self.kernels.look_up(&rows, &mut sums[..count]);
            for (query, sums) in (first..).zip(&sums[..count]) {
                self.push(query, sums, (block, &gains), finds);
            }
            first += count;
        }
    }

    /// Two blocks or one, by sixes.
    fn sixes(&self, blocks: [Option<Block>; 2], turned: &mut [u8], finds: &mut Finds) {
        let Some(sixes) = self.kernels.sixes else { return };
        let (tables, words) = (self.tables, self.tables.bytes.div_ceil(8));
        let size = words * SIXES_OF_WORD * BLOCK_ROWS;
        let (one, two) = turned.split_at_mut(size);
        let gains = blocks.map(|block| block.map(|block| self.gains(&block)));
        for (block, turned) in blocks.iter().zip([&mut *one, &mut *two]) {
            if let Some(block) = block {
                sixes.turn(&block.upper[block.layout.first()], tables.bytes, turned);
            }
        }
        let mut first = 0;
        while first < self.queries.count() {
            let left = self.queries.count() - first;
            let count = SIXES_AT_ONCE.min(1 << left.ilog2());
            let mut sums = [[TableSums::ZERO; 2]; SIXES_AT_ONCE];
            let of_queries = tables.tables(first, count);
            // What stands in the place of a block that is not there counts for nothing.
            let rows = SixRows { codes: [one, two], words, tables: of_queries, stride: tables.stride() };
            sixes.look_up(&rows, &mut sums[..count]);
            for (query, sums) in (first..).zip(&sums[..count]) {
                for ((block, gains), sums) in blocks.iter().zip(&gains).zip(sums) {
                    if let (Some(block), Some(gains)) = (block, gains) {
                        self.push(query, sums, (block, gains), finds);
                    }
                }
            }
            first += count;
        }
    }

    fn gains(&self, block: &Block) -> SignGains {
        self.kernels.sign_gains(&levels::plane_terms(self.queries, self.form, block))
    }

    /// Gives a query's list what of a block can enter it.
    #[inline]
    fn push(&self, query: usize, sums: &TableSums, (block, gains): (&Block, &SignGains), finds: &mut Finds) {
        let (step, worst) = (&self.tables.steps[query], finds.worst()[query]);
        if !step.may_enter(sums.least, gains, worst) {
            return;
        }
        let mut scores = [[0.0; BLOCK_ROWS / 2]; 2];
        let marks = self.kernels.score_signs(sums, gains, (step, worst), &mut scores);
        for (half, marks) in marks.into_iter().enumerate() {
            for at in live_rows(marks.into()) {
                let row = at * 2 + half;
                if block.live >> row & 1 == 1 {
                    let score = levels::settle(scores[half][at], self.form, query, block, row);
                    finds.push(query, Hit { score, row: block.first + row as u64 });
                }
            }
        }
    }
}
