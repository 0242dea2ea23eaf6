//! Numbers against numbers.

use super::Queries;
use super::desk::Desk;
use super::form::{Floats, is_ordinary};
use super::kernels::{Bounds, FloatRows, GROUP, TILE};
use super::reference;
use super::run::{Block, Who, live_rows};
use crate::top::{Hit, Tops};
use crate::{BLOCK_ROWS, Codec};

/// Live rows below which tiles of a whole block do not pay.
const FEW: u32 = 12;

/// One block.
pub(crate) fn block(queries: &Queries, form: &Floats, block: &Block, who: Who, tops: &mut Tops) {
    if who.is_all() && form.is_packed() && block.live.count_ones() >= FEW {
        many(queries, form, block, tops);
    } else {
        for query in who.numbers(queries) {
            let mut scores = [0.0; BLOCK_ROWS];
            score_rows(queries, form, query, block, block.live, &mut scores);
            let (mut finds, _) = tops.parts();
            let worst = finds.worst()[query];
            for row in live_rows(block.live) {
                let score = scores[row];
                if score <= worst {
                    finds.push(query, Hit { score, row: block.first + row as u64 });
                }
            }
        }
    }
}

/// The scores of some rows. They come from here, whoever asks.
pub(crate) fn score_rows(
    queries: &Queries,
    form: &Floats,
    query: usize,
    block: &Block,
    live: u64,
    scores: &mut [f32; BLOCK_ROWS],
) {
    let rows = FloatRows {
        codec: queries.codec(),
        distance: form.distance,
        query: form.row(query),
        codes: block.upper,
        dimension: queries.dimension(),
    };
    queries.kernels().score_rows(&rows, live, scores);
    for row in live_rows(live) {
        if !scores[row].is_finite() {
            scores[row] = reference::floats(&rows, row);
        }
    }
}

/// Bounds first, by tiles; then the scores of what passes.
fn many(queries: &Queries, form: &Floats, block: &Block, tops: &mut Tops) {
    let kernels = queries.kernels();
    let dimension = queries.dimension();
    let (mut finds, desk) = tops.parts();
    let Desk { rows, halves, tiles } = desk;
    let singles: &[u8] = if queries.codec() == Codec::F32 {
        block.upper
    } else {
        kernels.widen(queries.codec(), block.upper, dimension, rows.of_mut());
        rows.of()
    };
    let bounds = bounds(queries, form, singles);
    let wide = Floats::wide_halves(dimension);
    if let Some(rounded) = kernels.halves {
        rounded.narrow(singles, dimension, wide, halves.of_mut());
    }
    let groups = queries.padded() / GROUP;
    let mut marks = [0; BLOCK_ROWS];
    let mut scores = [0.0; BLOCK_ROWS];
    for first in (0..groups).step_by(kernels.float_groups) {
        let count = kernels.float_groups.min(groups - first);
        let tiles = tiles.of_mut();
        match kernels.halves {
            Some(rounded) => rounded.tile(halves.of(), wide, form.packed_halves(first, count), tiles),
            None => kernels.tile_floats(count, singles, dimension, form.packed(first, count), tiles),
        }
        for (group, tile) in (first..first + count).zip(tiles.chunks_exact(TILE)) {
            let (square, reach) = form.limits(group);
            let worst = &finds.worst()[group * GROUP..][..GROUP];
            let rows = kernels.sift_floats(tile, &bounds, (square, reach, worst), &mut marks);
            for row in live_rows(rows & block.live) {
                let mut left = marks[row];
                while left != 0 {
                    let query = group * GROUP + left.trailing_zeros() as usize;
                    left &= left - 1;
                    if query < queries.count() {
                        score_rows(queries, form, query, block, 1 << row, &mut scores);
                        finds.push(query, Hit { score: scores[row], row: block.first + row as u64 });
                    }
                }
            }
        }
    }
}

/// What the products of a tile say at least.
fn bounds(queries: &Queries, form: &Floats, singles: &[u8]) -> Bounds {
    let factor = if form.distance { -2.0 } else { -1.0 };
    let mut bounds = Bounds { square: [0.0; BLOCK_ROWS], reach: [0.0; BLOCK_ROWS], factor };
    queries.kernels().squares(singles, queries.dimension(), &mut bounds.square);
    for (square, reach) in bounds.square.iter_mut().zip(&mut bounds.reach) {
        // Too small or too large for a bound in single precision: no bound, so the row is scored.
        let ordinary = is_ordinary(*square);
        *reach = if ordinary { square.sqrt() * form.error * -factor } else { f32::INFINITY };
        *square = if form.distance && ordinary { *square * (1.0 - form.slack) } else { 0.0 };
    }
    bounds
}
