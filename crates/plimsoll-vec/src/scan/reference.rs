//! What every kernel is measured by: plain Rust, in doubles.
//!
//! It also tells what single precision cannot: sums that pass its largest number on the way to a smaller one.

use super::form::Levels;
use super::kernels::{FloatRows, Kind};
use super::run::Block;
use crate::BLOCK_ROWS;
use crate::code::{Range, Side, level, level_of, read_numbers, root};

/// The score of two vectors: the squared distance, or the product with its sign turned.
pub(crate) fn score(distance: bool, query: &[f64], row: &[f64]) -> f64 {
    let pairs = query.iter().zip(row);
    if distance {
        pairs.map(|(q, x)| (q - x) * (q - x)).sum()
    } else {
        0.0 - pairs.map(|(q, x)| q * x).sum::<f64>()
    }
}

/// The score of a row of numbers.
pub(crate) fn floats(rows: &FloatRows, row: usize) -> f32 {
    let bytes = rows.codec.code_bytes(rows.dimension);
    let mut numbers = vec![0.0; rows.dimension];
    read_numbers(rows.codec, &rows.codes[row * bytes..][..bytes], &mut numbers);
    single(score(rows.distance, &doubles(&rows.query[..rows.dimension]), &doubles(&numbers)))
}

/// The score of a row of levels for the query that its levels say.
pub(crate) fn levels(form: &Levels, query: usize, block: &Block, row: usize) -> f32 {
    let query = form.numbers(query);
    let (numbers, square) = numbers(form.kind, block, row);
    let product = -score(false, &query, &numbers);
    let own: f64 = query.iter().map(|q| q * q).sum();
    single(if form.distance { square + own - 2.0 * product } else { 0.0 - product })
}

/// The numbers that stand for a row in products, and the square of its length.
pub(crate) fn numbers(kind: Kind, block: &Block, row: usize) -> (Vec<f64>, f64) {
    let layout = block.layout;
    let side = &block.upper[layout.side(row)];
    let dimension = layout.dimension();
    if matches!(kind, Kind::Signs | Kind::Planes) {
        let side = Side::read(side, root(dimension));
        let factor = f64::from(if kind == Kind::Signs { side.sign } else { side.level });
        let signs = &block.upper[layout.first()];
        debug_assert_eq!(signs.len() % BLOCK_ROWS, 0, "whole rows");
        let lower = if kind == Kind::Signs { &[] } else { block.lower_row(row) };
        let numbers = (0..dimension).map(|at| factor * f64::from(level_of(signs, row, lower, at))).collect();
        return (numbers, f64::from(side.length).powi(2));
    }
    let range = Range::read(layout.codec(), side);
    let code = &block.upper[layout.code(row)];
    let low = if kind == Kind::Int8 { -128.0 * f64::from(range.step) } else { f64::from(range.low) };
    let number = |at| low + f64::from(range.step) * f64::from(level(layout.codec(), code, at));
    let numbers: Vec<f64> = (0..dimension).map(number).collect();
    let square = numbers.iter().map(|x| x * x).sum();
    (numbers, square)
}

/// As doubles.
pub(crate) fn doubles(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|x| f64::from(*x)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "a score is a single; what is larger is infinite")]
fn single(score: f64) -> f32 {
    score as f32
}
