//! What it means, in doubles.

use std::collections::BTreeSet;

use super::ask::{Measure, NearestShape};
use super::key::Key;
use super::runs::{Run, list_of};
use super::stored::{NearestStored, Row};

/// The score of a query and a row.
pub(super) fn score(measure: Measure, query: &[f64], row: &Row) -> f64 {
    let pairs = || query.iter().zip(&row.numbers);
    let product = || pairs().map(|(q, x)| q * x).sum::<f64>();
    match (measure, row.square) {
        (Measure::Distance, Some(square)) => {
            square + query.iter().map(|q| q * q).sum::<f64>() - 2.0 * product()
        }
        (Measure::Distance | Measure::Hamming, _) => pairs().map(|(q, x)| (q - x) * (q - x)).sum(),
        (Measure::Product, _) => 0.0 - product(),
    }
}

/// The key of a row for a query.
#[expect(clippy::cast_possible_truncation, reason = "a score is a single; what is larger is infinite")]
fn key(measure: Measure, query: &[f64], row: &Row, number: u32) -> Option<Key> {
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

/// The search of [`Kernels::nearest_runs`](crate::Kernels::nearest_runs), run after run.
pub fn runs(
    shape: &NearestShape,
    stored: &NearestStored<'_>,
    (runs, wants): (&[Run], &[u32]),
    lists: &mut [u8],
) {
    for run in runs {
        let live: Vec<(u32, Row)> =
            stored.of_run(run).map(|(number, at)| (number, stored.row(shape, at))).collect();
        for query in wants.get(run.from as usize..run.to as usize).unwrap_or_default() {
            let list = list_of(shape, lists, *query);
            let before: Vec<Key> = Key::read(list).filter(|key| *key != Key::NONE).collect();
            let query = stored.query(shape, *query as usize);
            let keys = live.iter().filter_map(|(number, row)| key(shape.measure, &query, row, *number));
            let sorted: BTreeSet<Key> = before.into_iter().chain(keys).collect();
            Key::write(sorted, list);
        }
    }
}

/// The squares of [`Kernels::squares`](crate::Kernels::squares): Σ x² of each row's numbers.
#[expect(clippy::cast_possible_truncation, reason = "a square is a single; what is larger is infinite")]
pub fn squares(shape: &NearestShape, stored: &NearestStored<'_>, target: &mut [u8]) {
    let (places, _) = target.as_chunks_mut::<4>();
    for (place, row) in places.iter_mut().zip(0..) {
        let row = stored.row(shape, row);
        *place = (row.numbers.iter().map(|x| x * x).sum::<f64>() as f32).to_le_bytes();
    }
}
