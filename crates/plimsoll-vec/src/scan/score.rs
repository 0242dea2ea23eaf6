//! The score of one row: for what was found otherwise, by signs or by another code.

use super::form::{Form, Levels};
use super::kernels::{Kind, LevelRows, PlaneRow, SignRows, Sums, fetch_row};
use super::run::Block;
use super::{Queries, floats, levels};
use crate::BLOCK_ROWS;
use crate::top::{Hit, Tops};

/// One row where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The block, or its upper part. For codecs without sides (numbers) the row's own bytes will do, as row 0.
    pub block: &'a [u8],
    /// Which row of the block.
    pub at: usize,
    /// For `planes` the row's lower planes ([`Layout::lower_row_bytes`](crate::Layout::lower_row_bytes)).
    pub lower: &'a [u8],
}

/// Scores a row for one query, as a scan would to the bit, and keeps it if it is among the best.
///
/// # Panics
/// If there is no such query, the bytes are fewer than the row needs, or `tops` was made for other queries.
pub fn score(queries: &Queries, query: usize, row: &Row, number: u64, tops: &mut Tops) {
    assert!(tops.count() == queries.count(), "lists for other queries");
    let value = score_of(queries, query, row);
    tops.push(query, Hit { score: value, row: number });
}

/// Asks for what [`score`] will want of a row of planes, so that it comes while others are scored.
pub(crate) fn fetch(queries: &Queries, row: &Row) {
    fetch_row(&row.block[queries.layout().first()], row.at, row.lower);
}

/// The score alone.
fn score_of(queries: &Queries, query: usize, row: &Row) -> f32 {
    assert!(row.at < BLOCK_ROWS && query < queries.count());
    let layout = queries.layout();
    let live = 1 << row.at;
    let mut block = Block { layout, upper: row.block, lower: &[], next: &[], live, first: 0 };
    match queries.form() {
        Form::Floats(form) => {
            let mut scores = [0.0; BLOCK_ROWS];
            floats::score_rows(queries, form, query, &block, live, &mut scores);
            scores[row.at]
        }
        Form::Bits(bits) => {
            let mut counts = [0; BLOCK_ROWS];
            let signs = &row.block[layout.first()];
            let rows =
                SignRows { signs, bytes: layout.first_bytes(), planes: bits.row(query), count: 1, next: &[] };
            queries.kernels().differ(&rows, &mut counts);
            #[expect(clippy::cast_precision_loss, reason = "at most 65,536")]
            let count = counts[row.at] as f32;
            count
        }
        Form::Tables(tables) => tables.score(query, layout, row.block, row.at),
        Form::Levels(form) => one(queries, form, query, &block, row.at),
        Form::Planes { full, .. } => {
            assert_eq!(row.lower.len(), layout.lower_row_bytes(), "a row's lower planes");
            block.lower = row.lower;
            of_planes(queries, full, query, &block, row.at)
        }
    }
}

/// By all four bits of the row, whose alone the lower planes are.
fn of_planes(queries: &Queries, form: &Levels, query: usize, block: &Block, row: usize) -> f32 {
    let layout = block.layout;
    let signs = &block.upper[layout.first()];
    let bits = PlaneRow { signs, row, lower: block.lower, query: form.row(query) };
    let dot = queries.kernels().plane_product(&bits);
    let terms = levels::plane_row_terms(form, block, row);
    levels::settle(terms.score(&form.factors(query), dot), form, query, block, row)
}

/// By levels.
fn one(queries: &Queries, form: &Levels, query: usize, block: &Block, row: usize) -> f32 {
    let layout = block.layout;
    let kernels = queries.kernels();
    let (first, bytes) = (layout.first(), layout.first_bytes());
    let mut sums = Sums::new();
    if form.kind == Kind::Signs {
        let (planes, count) = form.planes(query);
        let rows = SignRows { signs: &block.upper[first], bytes, planes, count, next: &[] };
        kernels.weigh(&rows, &mut sums.dot);
        sums.dot[row] *= 2;
    } else {
        let rows = LevelRows { kind: form.kind, query: form.row(query), codes: &block.upper[first], bytes };
        kernels.sum_rows(&rows, block.live, form.distance, &mut sums);
    }
    let terms = levels::terms(queries, form, block, &sums);
    let score = terms.score(row, &form.factors(query), sums.dot[row]);
    levels::settle(score, form, query, block, row)
}
