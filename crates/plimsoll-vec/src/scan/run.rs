//! A pass over blocks.

use super::form::Form;
use super::kernels::SignRows;
use super::{Queries, floats, levels, tables};
use crate::BLOCK_ROWS;
use crate::code::Layout;
use crate::top::{Hit, Tops};

impl<'a> Block<'a> {
    /// The lower planes of a row: of all the block's, of those of one row, or none.
    pub(crate) fn lower_row(&self, row: usize) -> &'a [u8] {
        if self.lower.len() == self.layout.lower_bytes() && !self.lower.is_empty() {
            &self.lower[self.layout.lower(row)]
        } else {
            self.lower
        }
    }
}

/// What blocks are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// All of it.
    Whole,
    /// The upper parts alone ([`Layout::upper_bytes`]): signs and sides.
    Upper,
}

impl Column {
    /// A block.
    pub fn block_bytes(self, layout: Layout) -> usize {
        match self {
            Self::Whole => layout.block_bytes(),
            Self::Upper => layout.upper_bytes(),
        }
    }
}

/// A block in a pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    /// Its layout.
    pub layout: Layout,
    /// All but its lower planes.
    pub upper: &'a [u8],
    /// Its lower planes, or none.
    pub lower: &'a [u8],
    /// The signs of the block that follows, or none.
    pub next: &'a [u8],
    /// A bit for each row that is looked at.
    pub live: u64,
    /// The number of its first row.
    pub first: u64,
}

/// Which queries of a batch look at a block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    /// All of them, together where they are many.
    All,
    /// These, one after the other.
    These(&'a [u32]),
}

impl Who<'_> {
    /// Their numbers.
    pub(crate) fn numbers(self, queries: &Queries) -> impl Iterator<Item = usize> {
        let (all, these): (_, &[u32]) = match self {
            Self::All => (0..queries.count(), &[]),
            Self::These(these) => (0..0, these),
        };
        all.chain(these.iter().map(|query| *query as usize))
    }

    /// Whether all look together.
    pub(crate) fn is_all(self) -> bool {
        matches!(self, Self::All)
    }
}

/// Rows in blocks, as a pass looks through them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    /// The blocks that they fill from the front.
    pub blocks: &'a [u8],
    /// What those are made of.
    pub column: Column,
    /// How many.
    pub count: usize,
    /// The number of the first.
    pub first: u64,
    /// A bit for each that is looked at, a word a block; all, if none.
    pub allow: Option<&'a [u64]>,
}

/// Looks through `rows` rows for the nearest of each query.
///
/// The rows fill `blocks` from the front and are numbered from `first_row` on. `allow` has a bit a row and a word a block;
/// rows without are passed over. For `planes` all four bits of all rows are read; see [`scan_signs`].
///
/// # Panics
/// If the blocks or the words of `allow` are fewer than the rows need, or `tops` was made for other queries.
pub fn scan(
    queries: &Queries,
    blocks: &[u8],
    rows: usize,
    first_row: u64,
    allow: Option<&[u64]>,
    tops: &mut Tops,
) {
    let rows = Rows { blocks, column: Column::Whole, count: rows, first: first_row, allow };
    pass(queries, &rows, Who::All, tops, one_block);
}

/// Looks through the signs of `planes` rows alone, a quarter of the bytes, for the likely nearest.
///
/// What it finds are estimates: keep several times as many as are wanted (`k` of `tops`), and then [`score`](super::score)
/// each with its lower planes into lists of the wanted length. Because a list's rows do not depend on cuts and threads,
/// neither does what is found in the end.
///
/// # Panics
/// As [`scan`], and for a codec that is not `planes`.
pub fn scan_signs(
    queries: &Queries,
    (blocks, column): (&[u8], Column),
    rows: usize,
    first_row: u64,
    allow: Option<&[u64]>,
    tops: &mut Tops,
) {
    assert!(matches!(queries.form(), Form::Planes { .. }), "only planes have signs that stand apart");
    scan_rows(queries, &Rows { blocks, column, count: rows, first: first_row, allow }, Who::All, tops);
}

/// Looks through rows, of `planes` at the signs alone. What some queries of a batch find, they find among all too.
///
/// # Panics
/// As [`scan`], and if there is no such query.
pub(crate) fn scan_rows(queries: &Queries, rows: &Rows, who: Who, tops: &mut Tops) {
    match queries.form() {
        Form::Planes { signs, .. } => match signs.tables() {
            Some(tables) if who.is_all() => {
                rows.check(queries.layout());
                assert_eq!(tops.count(), queries.count(), "lists for other queries");
                tables.pass(queries, signs, rows, tops);
            }
            _ => pass(queries, rows, who, tops, signs_of_block),
        },
        _ => pass(queries, rows, who, tops, one_block),
    }
}

fn pass(
    queries: &Queries,
    rows: &Rows,
    who: Who,
    tops: &mut Tops,
    each: fn(&Queries, &Block, Who, &mut Tops),
) {
    rows.check(queries.layout());
    assert_eq!(tops.count(), queries.count(), "lists for other queries");
    if let Form::Tables(tables) = queries.form() {
        tables::pass(queries, tables, rows, who, tops);
        return;
    }
    for at in 0..rows.blocks_needed() {
        if let Some(block) = rows.block(queries.layout(), at) {
            each(queries, &block, who, tops);
        }
    }
}

impl<'a> Rows<'a> {
    fn check(&self, layout: Layout) {
        let (rows, count) = (self.count, self.blocks_needed());
        let bytes = self.column.block_bytes(layout);
        assert!(self.blocks.len() / bytes >= count, "{rows} rows need {count} blocks");
        let words = self.allow.map(<[u64]>::len);
        assert!(words.is_none_or(|words| words >= count), "{rows} rows need {count} words of permission");
    }

    /// How many blocks they fill.
    pub(crate) fn blocks_needed(&self) -> usize {
        self.count.div_ceil(BLOCK_ROWS)
    }

    /// One of them, if any of its rows is looked at.
    pub(crate) fn block(&self, layout: Layout, at: usize) -> Option<Block<'a>> {
        let bytes = self.column.block_bytes(layout);
        let mut live = u64::MAX;
        let left = self.count - at * BLOCK_ROWS;
        if left < BLOCK_ROWS {
            live >>= BLOCK_ROWS - left;
        }
        if let Some(words) = self.allow {
            live &= words[at];
        }
        if live == 0 {
            return None;
        }
        let (upper, lower) = self.blocks[at * bytes..][..bytes].split_at(layout.upper_bytes());
        let first = self.first + (at * BLOCK_ROWS) as u64;
        let next = self.blocks.get((at + 1) * bytes..).and_then(|next| next.get(layout.first()));
        Some(Block { layout, upper, lower, next: next.unwrap_or_default(), live, first })
    }
}

fn one_block(queries: &Queries, block: &Block, who: Who, tops: &mut Tops) {
    match queries.form() {
        Form::Floats(form) => floats::block(queries, form, block, who, tops),
        Form::Levels(form) => levels::block(queries, form, block, who, tops),
        Form::Planes { full, .. } => levels::block(queries, full, block, who, tops),
        // By runs of blocks, in `tables::pass`.
        Form::Tables(_) => {}
        Form::Bits(bits) => {
            let (mut finds, _) = tops.parts();
            for query in who.numbers(queries) {
                let mut counts = [0; BLOCK_ROWS];
                let signs = &block.upper[block.layout.first()];
                let rows = SignRows {
                    signs,
                    bytes: block.layout.first_bytes(),
                    planes: bits.row(query),
                    count: 1,
                    next: block.next,
                };
                queries.kernels().differ(&rows, &mut counts);
                let worst = finds.worst()[query];
                for row in live_rows(block.live) {
                    #[expect(clippy::cast_precision_loss, reason = "at most 65,536")]
                    let score = counts[row] as f32;
                    if score <= worst {
                        finds.push(query, Hit { score, row: block.first + row as u64 });
                    }
                }
            }
        }
    }
}

fn signs_of_block(queries: &Queries, block: &Block, who: Who, tops: &mut Tops) {
    if let Form::Planes { signs, .. } = queries.form() {
        levels::block(queries, signs, &Block { lower: &[], ..*block }, who, tops);
    }
}

/// The rows whose bits are set.
pub(crate) fn live_rows(live: u64) -> impl Iterator<Item = usize> {
    let mut left = live;
    std::iter::from_fn(move || {
        let row = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        (row < BLOCK_ROWS).then_some(row)
    })
}
