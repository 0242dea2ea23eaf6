//! The directions in which vectors differ most.

use super::basis::{dot, orthonormalize};
use super::jacobi::eigen;
use super::mill::{Mill, transpose};
use crate::neural::NeuralError;
use crate::neural::packed::Packed;

/// Rows whose products are added up at once.
const BATCH: usize = 512;
/// The most rounds; a dozen do for embeddings.
const ROUNDS: usize = 60;

/// Principal components, the largest first.
#[derive(Debug)]
pub(super) struct Components {
    /// One after the other, each as long as a vector.
    pub(super) rows: Vec<f32>,
    /// The share of the vectors' variance that the first has, the first two together, and so on.
    pub(super) shares: Vec<f64>,
}

/// How many rows are iterated for so many components: those beyond what is wanted make it quick.
fn width(dimension: usize, count: usize) -> usize {
    (count + count / 8 + 8).min(dimension)
}

/// What finding so many takes from the heap.
pub(super) fn bytes_for(dimension: usize, count: usize, threads: usize) -> u64 {
    let width = width(dimension, count);
    let batch = BATCH * dimension * 4;
    let covariance = dimension * dimension * 4;
    let packed = Packed::bytes_for(dimension, dimension).max(Packed::bytes_for(dimension, BATCH));
    let basis = 2 * width * dimension * 4;
    let small = width * width * 8 * 3;
    (2 * batch + covariance + basis + small) as u64
        + packed
        + Packed::bytes_for(width, dimension)
        + Mill::desk_bytes(threads, dimension.max(BATCH))
}

/// The mean of rows.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the numbers are singles")]
pub(super) fn mean(rows: &[f32], dimension: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; dimension];
    for row in rows.chunks_exact(dimension) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    let count = (rows.len() / dimension).max(1) as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

/// Finds `count` components of rows around a mean. `heard` is told each round.
pub(super) fn components(
    mill: &Mill,
    rows: &[f32],
    mean: &[f32],
    count: usize,
    mut heard: impl FnMut(usize),
) -> Result<Components, NeuralError> {
    let dimension = mean.len();
    let covariance = covariance(mill, rows, mean)?;
    let total: f64 = covariance.iter().step_by(dimension + 1).map(|x| f64::from(*x)).sum();
    let width = width(dimension, count);
    let packed = Packed::of(dimension, dimension, &covariance);
    // The rows of the covariance that vary most are a start that is never at right angles to all that is sought.
    let mut order: Vec<usize> = (0..dimension).collect();
    order.sort_by(|a, b| covariance[b * dimension + b].total_cmp(&covariance[a * dimension + a]));
    let mut basis: Vec<f32> =
        order[..width].iter().flat_map(|row| covariance[row * dimension..][..dimension].to_vec()).collect();
    drop((covariance, order));
    orthonormalize(&mut basis, dimension, |_, _, _| ());
    let mut image = vec![0.0; basis.len()];
    let mut caught = 0.0;
    for round in 0..ROUNDS {
        heard(round);
        mill.multiply(&basis, &packed, false, &mut image)?;
        let now: f64 =
            basis.chunks_exact(dimension).zip(image.chunks_exact(dimension)).map(|(a, b)| dot(a, b)).sum();
        if now - caught <= total.abs() * 1e-6 {
            break;
        }
        caught = now;
        std::mem::swap(&mut basis, &mut image);
        orthonormalize(&mut basis, dimension, |_, _, _| ());
    }
    mill.multiply(&basis, &packed, false, &mut image)?;
    drop(packed);
    // Within what was found, the directions themselves.
    let small: Vec<f64> = image
        .chunks_exact(dimension)
        .flat_map(|a| basis.chunks_exact(dimension).map(move |b| dot(a, b)))
        .collect();
    let (values, vectors) = eigen(small, width);
    #[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
    let vectors: Vec<f32> = vectors.into_iter().map(|x| x as f32).collect();
    let mut columns = Packed::new(dimension, width);
    columns.set_rows(&basis);
    let mut found = vec![0.0; count * dimension];
    mill.multiply(&vectors[..count * width], &columns, false, &mut found)?;
    orthonormalize(&mut found, dimension, |_, _, _| ());
    let mut kept = 0.0;
    let shares = values[..count].iter().map(|value| {
        kept += value;
        if total > 0.0 { (kept / total).clamp(0.0, 1.0) } else { 1.0 }
    });
    Ok(Components { rows: found, shares: shares.collect() })
}

/// Products of all numbers with all, around the mean, over the number of rows.
#[expect(clippy::cast_precision_loss, reason = "a mean")]
fn covariance(mill: &Mill, rows: &[f32], mean: &[f32]) -> Result<Vec<f32>, NeuralError> {
    let dimension = mean.len();
    let mut sum = vec![0.0; dimension * dimension];
    let (mut centred, mut turned) = (vec![0.0; BATCH * dimension], vec![0.0; BATCH * dimension]);
    let mut packed = Packed::new(dimension, BATCH);
    let scale = 1.0 / ((rows.len() / dimension).max(1) as f32).sqrt();
    for batch in rows.chunks(BATCH * dimension) {
        // A batch that is not full ends in zeros.
        centred[batch.len()..].fill(0.0);
        for (into, row) in centred.chunks_exact_mut(dimension).zip(batch.chunks_exact(dimension)) {
            for ((into, x), mean) in into.iter_mut().zip(row).zip(mean) {
                *into = (x - mean) * scale;
            }
        }
        transpose(&centred, dimension, &mut turned);
        packed.set_rows(&centred);
        mill.multiply(&turned, &packed, true, &mut sum)?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::tests::normal;
    use crate::neural::tests::account;
    use plimsoll::{Bytes, Place};

    fn mill() -> Mill {
        Mill { pool: account(Bytes::mib(16)).scratch(Place::Host).unwrap(), threads: 2 }
    }

    #[test]
    fn the_directions_are_those_that_were_put_in() {
        // Number n has the spread 2^-n, after a turn of each pair of numbers.
        let (dimension, count) = (20, 6);
        let mut rows = normal(5, 4000 * dimension);
        for row in rows.chunks_exact_mut(dimension) {
            let mut spread = 1.0;
            for x in row.iter_mut() {
                *x *= spread;
                spread *= 0.5;
            }
            for pair in row.chunks_exact_mut(2) {
                (pair[0], pair[1]) = (0.6 * pair[0] - 0.8 * pair[1] + 3.0, 0.8 * pair[0] + 0.6 * pair[1]);
            }
        }
        let mean = mean(&rows, dimension);
        assert!((mean[0] - 3.0).abs() < 0.05);
        let found = components(&mill(), &rows, &mean, count, |_| ()).unwrap();
        for (at, row) in found.rows.chunks_exact(dimension).enumerate() {
            let pair = at / 2 * 2;
            let mut expected = vec![0.0; dimension];
            (expected[pair], expected[pair + 1]) = if at % 2 == 0 { (0.6, 0.8) } else { (-0.8, 0.6) };
            assert!(dot(row, &expected).abs() > 0.99, "{at}: {row:?}");
        }
        assert!(found.shares.is_sorted() && (found.shares[0] - 0.75).abs() < 0.02 && found.shares[5] > 0.999);
    }

    #[test]
    fn vectors_that_do_not_differ_have_directions_all_the_same() {
        for rows in [vec![2.5; 10 * 9], normal(3, 2 * 9)] {
            let mean = mean(&rows, 9);
            let found = components(&mill(), &rows, &mean, 9, |_| ()).unwrap();
            for (at, a) in found.rows.chunks_exact(9).enumerate() {
                for (of, b) in found.rows.chunks_exact(9).enumerate() {
                    assert!((dot(a, b) - f64::from(u8::from(at == of))).abs() < 1e-5, "{at} {of}");
                }
            }
        }
    }
}
