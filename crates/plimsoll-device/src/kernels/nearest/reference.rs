//! What it means, in doubles.

use std::collections::BTreeSet;

use super::ask::{Measure, NearestShape};
use super::key::Key;
use crate::kernels::Number;
use crate::kernels::reference::{float, integer, scale};

/// What is searched, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct NearestStored<'b> {
    /// The rows.
    pub rows: &'b [u8],
    /// Their scales; empty for floats.
    pub scales: &'b [u8],
    /// The queries.
    pub queries: &'b [u8],
    /// Which rows may be found.
    pub mask: Option<&'b [u8]>,
    /// The number of the first row.
    pub first: u32,
}

impl NearestStored<'_> {
    /// Whether a row may be found.
    pub fn is_live(&self, row: usize) -> bool {
        self.mask.is_none_or(|mask| mask[row / 8] >> (row % 8) & 1 == 1)
    }

    /// A row's numbers.
    pub(super) fn row(&self, shape: &NearestShape, row: usize) -> Vec<f64> {
        let dimension = shape.dimension as usize;
        let number = |at: usize| {
            if shape.number == Number::Int8 {
                f64::from(integer(shape.number, self.rows, at)) * f64::from(scale(self.scales, row))
            } else {
                f64::from(float(shape.number, self.rows, at))
            }
        };
        (row * dimension..(row + 1) * dimension).map(number).collect()
    }

    /// The rows that may be found: their keys and numbers.
    pub(super) fn live(&self, shape: &NearestShape) -> Vec<(u32, Vec<f64>)> {
        (self.first..)
            .zip(0..shape.rows as usize)
            .filter(|(_, row)| self.is_live(*row))
            .map(|(number, row)| (number, self.row(shape, row)))
            .collect()
    }

    /// A query's numbers.
    pub(super) fn query(&self, shape: &NearestShape, query: usize) -> Vec<f64> {
        let dimension = shape.dimension as usize;
        let number = |at| f64::from(float(Number::F32, self.queries, at));
        (query * dimension..(query + 1) * dimension).map(number).collect()
    }
}

/// The score of two vectors.
pub(super) fn score(measure: Measure, query: &[f64], row: &[f64]) -> f64 {
    let pairs = query.iter().zip(row);
    match measure {
        Measure::Distance => pairs.map(|(q, x)| (q - x) * (q - x)).sum(),
        Measure::Product => 0.0 - pairs.map(|(q, x)| q * x).sum::<f64>(),
    }
}

/// The key of a row for a query.
#[expect(clippy::cast_possible_truncation, reason = "a score is a single; what is larger is infinite")]
pub(super) fn key(measure: Measure, query: &[f64], row: &[f64], number: u32) -> Option<Key> {
    Key::new(score(measure, query, row) as f32, number)
}

/// The search of [`Kernels::nearest`](crate::Kernels::nearest). All scores of a query are made and sorted.
pub fn nearest(shape: &NearestShape, stored: &NearestStored<'_>, lists: &mut [u8]) {
    let live = stored.live(shape);
    let list_bytes = shape.k as usize * 8;
    for (list, at) in lists.chunks_mut(list_bytes).zip(0..) {
        let query = stored.query(shape, at);
        let before = Key::read(list).filter(|key| *key != Key::NONE);
        let keys = live.iter().filter_map(|(number, row)| key(shape.measure, &query, row, *number));
        let sorted: BTreeSet<Key> = before.chain(keys).collect();
        Key::write(sorted, list);
    }
}
