//! The same in single precision, for the host: rows one after the other, each against all queries while it is near.
//!
//! It is here so that code above runs on the host as on any device. `plimsoll-vec` has kernels that make use of what
//! a processor has.

use std::collections::BinaryHeap;

use super::ask::{Measure, NearestShape};
use super::key::Key;
use super::runs::{Run, list_of};
use super::stored::{NearestStored, asked};
use crate::kernels::Number;
use crate::kernels::reference::float;

/// Sums that are added up apart, so that a compiler makes registers of them.
const LANES: usize = 16;

/// Puts rows into lists.
pub(crate) fn nearest(shape: &NearestShape, stored: &NearestStored<'_>, lists: &mut [u8]) {
    let (dimension, k) = (shape.dimension as usize, shape.k as usize);
    let count = shape.queries as usize * dimension;
    let queries: Vec<f32> =
        (0..count).map(|at| asked(shape.measure, float(Number::F32, stored.queries, at))).collect();
    let mut heaps: Vec<BinaryHeap<Key>> =
        lists.chunks(k * 8).map(|list| Key::read(list).filter(|key| *key != Key::NONE).collect()).collect();
    let mut row = vec![0.0; dimension];
    for (number, at) in (stored.first..).zip(0..shape.rows as usize) {
        if !stored.is_live(at) {
            continue;
        }
        let beside = beside(shape.measure, stored.decode(shape, at, &mut row), &row);
        for (heap, query) in heaps.iter_mut().zip(queries.chunks_exact(dimension)) {
            take(heap, k, Key::new(score(shape.measure, query, &row) + beside, number));
        }
    }
    for (heap, list) in heaps.into_iter().zip(lists.chunks_mut(k * 8)) {
        Key::write(heap.into_sorted_vec(), list);
    }
}

/// The same for rows that some queries look at.
pub(crate) fn nearest_runs(
    shape: &NearestShape,
    stored: &NearestStored<'_>,
    (runs, wants): (&[Run], &[u32]),
    lists: &mut [u8],
) {
    let (dimension, k) = (shape.dimension as usize, shape.k as usize);
    let query = |query: u32| -> Vec<f32> {
        let from = query as usize * dimension;
        let number = |at| asked(shape.measure, float(Number::F32, stored.queries, at));
        (from..from + dimension).map(number).collect()
    };
    let mut row = vec![0.0; dimension];
    for run in runs {
        let these = wants.get(run.from as usize..run.to as usize).unwrap_or_default();
        let queries: Vec<Vec<f32>> = these.iter().map(|at| query(*at)).collect();
        let mut heaps: Vec<BinaryHeap<Key>> = these
            .iter()
            .map(|at| Key::read(list_of(shape, lists, *at)).filter(|key| *key != Key::NONE).collect())
            .collect();
        for (number, at) in stored.of_run(run) {
            let beside = beside(shape.measure, stored.decode(shape, at, &mut row), &row);
            for (heap, query) in heaps.iter_mut().zip(&queries) {
                take(heap, k, Key::new(score(shape.measure, query, &row) + beside, number));
            }
        }
        for (heap, at) in heaps.into_iter().zip(these) {
            Key::write(heap.into_sorted_vec(), list_of(shape, lists, *at));
        }
    }
}

/// A heap of the `k` least takes a key, if it is one and among them.
fn take(heap: &mut BinaryHeap<Key>, k: usize, key: Option<Key>) {
    let Some(key) = key else { return };
    if heap.len() < k {
        heap.push(key);
    } else if let Some(mut worst) = heap.peek_mut()
        && key < *worst
    {
        *worst = key;
    }
}

/// What a row's length says beside its numbers: for the distance, its square less theirs.
#[expect(clippy::cast_possible_truncation, reason = "a score is a single")]
fn beside(measure: Measure, square: Option<f32>, row: &[f32]) -> f32 {
    let theirs = || row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
    match square {
        Some(square) if measure == Measure::Distance => (f64::from(square) - theirs()) as f32,
        _ => 0.0,
    }
}

fn score(measure: Measure, query: &[f32], row: &[f32]) -> f32 {
    match measure {
        Measure::Distance | Measure::Hamming => sum(query, row, |q, x| (q - x) * (q - x)),
        Measure::Product => 0.0 - sum(query, row, |q, x| q * x),
    }
}

fn sum(query: &[f32], row: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = query.as_chunks::<LANES>();
    let (row_whole, row_rest) = row.as_chunks::<LANES>();
    for (query, row) in whole.iter().zip(row_whole) {
        for lane in 0..LANES {
            sums[lane] += term(query[lane], row[lane]);
        }
    }
    let rest: f32 = rest.iter().zip(row_rest).map(|(q, x)| term(*q, *x)).sum();
    sums.iter().sum::<f32>() + rest
}
