//! Levels against levels.

use super::Queries;
use super::desk::Desk;
use super::form::{Levels, SQUARE_MAX};
use super::kernels::{GROUP, Kind, LevelRows, PlaneSides, RowTerms, SignRows, Sums, TILE, Terms};
use super::reference;
use super::run::{Block, Who, live_rows};
use crate::BLOCK_ROWS;
use crate::code::{Range, Side, root};
use crate::top::{Hit, Tops};

/// One block.
pub(crate) fn block(queries: &Queries, form: &Levels, block: &Block, who: Who, tops: &mut Tops) {
    if who.is_all() && form.is_packed() {
        many(queries, form, block, tops);
        return;
    }
    let mut sums = Sums::new();
    let mut terms = None;
    for query in who.numbers(queries) {
        let all = form.distance && terms.is_none();
        products(queries, form, query, block, all, &mut sums);
        let terms = terms.get_or_insert_with(|| self::terms(queries, form, block, &sums));
        let (mut finds, _) = tops.parts();
        let mut scores = [0.0; BLOCK_ROWS];
        let worst = finds.worst()[query];
        let rows = queries.kernels().scores(terms, &form.factors(query), (&sums.dot, worst), &mut scores);
        for row in live_rows(rows & block.live) {
            let score = settle(scores[row], form, query, block, row);
            finds.push(query, Hit { score, row: block.first + row as u64 });
        }
    }
}

/// The products of the live rows with one query, where rows need not be unpacked.
fn products(queries: &Queries, form: &Levels, query: usize, block: &Block, all: bool, sums: &mut Sums) {
    let (first, bytes) = (block.layout.first(), block.layout.first_bytes());
    if form.kind == Kind::Signs {
        let (planes, count) = form.planes(query);
        queries.kernels().weigh(
            &SignRows { signs: &block.upper[first], bytes, planes, count, next: block.next },
            &mut sums.dot,
        );
        sums.dot.iter_mut().for_each(|sum| *sum *= 2);
    } else {
        let rows = LevelRows { kind: form.kind, query: form.row(query), codes: &block.upper[first], bytes };
        queries.kernels().sum_rows(&rows, block.live, all, sums);
    }
}

/// The products of all rows with all queries, group by group.
fn many(queries: &Queries, form: &Levels, block: &Block, tops: &mut Tops) {
    let kernels = queries.kernels();
    let (mut finds, desk) = tops.parts();
    let Desk { rows, tiles, .. } = desk;
    let places = form.kind.places(block.layout.dimension());
    let (first, bytes) = (block.layout.first(), block.layout.first_bytes());
    let mut sums = Sums::new();
    if matches!(form.kind, Kind::Planes | Kind::Signs) {
        kernels.unpack_signs(&block.upper[first], bytes, block.lower, places, rows.of_mut());
    } else {
        kernels.unpack(form.kind, &block.upper[first], bytes, rows.of_mut());
        if form.distance {
            kernels.sum_levels(form.kind, rows.of(), places, &mut sums);
        }
    }
    let terms = terms(queries, form, block, &sums);
    let groups = queries.padded() / GROUP;
    let mut marks = [0; BLOCK_ROWS];
    for first in (0..groups).step_by(kernels.level_groups) {
        let count = kernels.level_groups.min(groups - first);
        let tiles = tiles.of_mut();
        kernels.tile_levels(count, rows.of(), places, form.packed(first, count), tiles);
        for (group, tile) in (first..first + count).zip(tiles.chunks_exact(TILE)) {
            let limits = form.limits(group, &finds.worst()[group * GROUP..][..GROUP]);
            let rows = kernels.sift_levels(tile, &terms, &limits, &mut marks);
            for row in live_rows(rows & block.live) {
                let mut left = marks[row];
                while left != 0 {
                    let at = left.trailing_zeros() as usize;
                    left &= left - 1;
                    let query = group * GROUP + at;
                    if query < queries.count() {
                        let score = terms.score(row, &form.factors(query), tile[row * GROUP + at]);
                        let score = settle(score, form, query, block, row);
                        finds.push(query, Hit { score, row: block.first + row as u64 });
                    }
                }
            }
        }
    }
}

/// The score, in doubles where singles were not enough.
pub(crate) fn settle(score: f32, form: &Levels, query: usize, block: &Block, row: usize) -> f32 {
    // A zero is 0 and not −0, so that equal scores are equal bits.
    if score.is_finite() { score + 0.0 } else { reference::levels(form, query, block, row) }
}

/// The square of a row's length, of the sums of its levels. In doubles: parts may cancel.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "kept as a single")]
fn square(low: f32, step: f32, middle: f32, dimension: usize, sums: &Sums, row: usize) -> f32 {
    let (low, step) = (f64::from(low), f64::from(step));
    let first = f64::from(sums.first[row]);
    let second = f64::from(sums.second[row]) - f64::from(middle) * first;
    ((dimension as f64 * low * low + 2.0 * low * step * first) + step * step * second) as f32
}

/// What makes scores of products, of the rows of a block.
pub(crate) fn terms(queries: &Queries, form: &Levels, block: &Block, sums: &Sums) -> Terms {
    if matches!(form.kind, Kind::Signs | Kind::Planes) {
        return plane_terms(queries, form, block);
    }
    let mut terms = Terms { square: [0.0; BLOCK_ROWS], low: [0.0; BLOCK_ROWS], step: [0.0; BLOCK_ROWS] };
    for row in live_rows(block.live) {
        let of_row = range_terms(form, block, sums, row);
        terms.square[row] = of_row.square;
        terms.low[row] = of_row.low;
        terms.step[row] = of_row.step;
    }
    terms
}

/// The same of planes: all rows at once, whether they are looked at or not.
pub(crate) fn plane_terms(queries: &Queries, form: &Levels, block: &Block) -> Terms {
    let layout = block.layout;
    let mut sides = PlaneSides::ZERO;
    let of_levels = form.kind == Kind::Planes;
    let bytes = &block.upper[layout.first().end..layout.upper_bytes()];
    queries.kernels().plane_sides(bytes, of_levels, root(layout.dimension()), &mut sides);
    let mut terms = Terms { square: [0.0; BLOCK_ROWS], low: [0.0; BLOCK_ROWS], step: [0.0; BLOCK_ROWS] };
    for row in 0..BLOCK_ROWS {
        let length = sides.length[row];
        let of_row = row_terms(form.distance, 0.0, sides.step[row], length * length);
        terms.square[row] = of_row.square;
        terms.low[row] = of_row.low;
        terms.step[row] = of_row.step;
    }
    terms
}

/// The same of one row.
pub(crate) fn plane_row_terms(form: &Levels, block: &Block, row: usize) -> RowTerms {
    let side = Side::read(&block.upper[block.layout.side(row)], root(block.layout.dimension()));
    let step = if form.kind == Kind::Signs { side.sign } else { side.level };
    row_terms(form.distance, 0.0, step, side.length * side.length)
}

fn range_terms(form: &Levels, block: &Block, sums: &Sums, row: usize) -> RowTerms {
    let layout = block.layout;
    let middle = f32::from(form.kind.middle());
    let range = Range::read(layout.codec(), &block.upper[layout.side(row)]);
    let low = if form.kind == Kind::Int8 { 0.0 } else { range.low + middle * range.step };
    let square =
        if form.distance { square(low, range.step, middle, layout.dimension(), sums, row) } else { 0.0 };
    row_terms(form.distance, low, range.step, square)
}

#[inline]
fn row_terms(distance: bool, low: f32, step: f32, square: f32) -> RowTerms {
    let factor = if distance { -2.0 } else { -1.0 };
    // No number is marked always and then told in doubles.
    let known = if square < SQUARE_MAX { square } else { f32::NAN };
    RowTerms { square: if distance { known } else { 0.0 }, low: factor * low, step: factor * step }
}
