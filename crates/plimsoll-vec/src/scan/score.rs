//! The score of one row: for what was found otherwise, by signs or by another code.

use super::form::{Form, Levels};
use super::kernels::{Kind, LevelRows, SignRows, Sums, unpack_row};
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
    assert!(row.at < BLOCK_ROWS && query < queries.count() && tops.count() == queries.count());
    let layout = queries.layout();
    let live = 1 << row.at;
    let mut block = Block { layout, upper: row.block, lower: &[], next: &[], live, first: 0 };
    let value = match queries.form() {
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
        Form::Levels(form) => one(queries, form, query, &block, row.at, tops),
        Form::Planes { full, .. } => {
            assert_eq!(row.lower.len(), layout.lower_row_bytes(), "a row's lower planes");
            block.lower = row.lower;
            one(queries, full, query, &block, row.at, tops)
        }
    };
    tops.push(query, Hit { score: value, row: number });
}

/// By levels. For planes `block.lower` is the row's alone.
fn one(queries: &Queries, form: &Levels, query: usize, block: &Block, row: usize, tops: &mut Tops) -> f32 {
    let layout = block.layout;
    let kernels = queries.kernels();
    let (first, bytes) = (layout.first(), layout.first_bytes());
    let mut sums = Sums::new();
    match form.kind {
        Kind::Signs => {
            let (planes, count) = form.planes(query);
            kernels.weigh(
                &SignRows { signs: &block.upper[first], bytes, planes, count, next: &[] },
                &mut sums.dot,
            );
            sums.dot[row] *= 2;
        }
        Kind::Planes => {
            let (_, desk) = tops.parts();
            let places = form.kind.places(layout.dimension());
            let levels = &mut desk.rows.of_mut()[..places];
            unpack_row(&block.upper[first], row, block.lower, levels);
            // Bytes from 0 on, like those of `int8a`.
            let rows =
                LevelRows { kind: Kind::Int8Affine, query: form.row(query), codes: levels, bytes: places };
            kernels.sum_rows(&rows, 1, false, &mut sums);
            sums.dot[row] = sums.dot[0];
        }
        _ => {
            let rows =
                LevelRows { kind: form.kind, query: form.row(query), codes: &block.upper[first], bytes };
            kernels.sum_rows(&rows, block.live, form.distance, &mut sums);
        }
    }
    let terms = levels::terms(form, block, &sums);
    let score = terms.score(row, &form.factors(query), sums.dot[row]);
    levels::settle(score, form, query, block, row)
}
