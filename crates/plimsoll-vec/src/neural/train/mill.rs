//! Products of whole matrices, by threads.

use plimsoll::pool::Pool;

use crate::BLOCK_ROWS;
use crate::neural::NeuralError;
use crate::neural::packed::{Packed, TILES};
use crate::neural::share::share;
use crate::neural::view;

/// Multiplies matrices; what threads work in is leased from a pool.
#[derive(Debug)]
pub(super) struct Mill {
    pub(super) pool: Pool,
    pub(super) threads: usize,
}

impl Mill {
    /// What its threads lease for rows of at most so many numbers.
    pub(super) fn desk_bytes(threads: usize, depth: usize) -> u64 {
        ((depth * BLOCK_ROWS + TILES) * 4 * threads) as u64
    }

    /// `into = left · packed`, or with `add` that and what is there. Rows of `left` have as many numbers as is packed deep.
    pub(super) fn multiply(
        &self,
        left: &[f32],
        packed: &Packed,
        add: bool,
        into: &mut [f32],
    ) -> Result<(), NeuralError> {
        let (depth, columns) = (packed.depth(), packed.columns());
        debug_assert_eq!(left.len() / depth, into.len() / columns);
        let parts = left.chunks(BLOCK_ROWS * depth).zip(into.chunks_mut(BLOCK_ROWS * columns));
        let desk = Self::desk_bytes(1, depth);
        share((&self.pool, desk), self.threads, parts, |_, (left, into), desk| {
            let (padded, tiles) = view::floats_mut(desk).split_at_mut(BLOCK_ROWS * depth);
            let rows = if left.len() == padded.len() {
                left
            } else {
                let (front, back) = padded.split_at_mut(left.len());
                front.copy_from_slice(left);
                back.fill(0.0);
                padded
            };
            packed.products(view::bytes(rows), tiles, |column, width, products| {
                for (row, products) in into.chunks_exact_mut(columns).zip(products.chunks_exact(16)) {
                    for (into, product) in row[column..column + width].iter_mut().zip(products) {
                        *into = if add { *into + product } else { *product };
                    }
                }
            });
            Ok(())
        })
    }
}

/// The columns of a matrix as rows.
pub(super) fn transpose(from: &[f32], columns: usize, into: &mut [f32]) {
    const SIDE: usize = 16;
    let rows = from.len() / columns;
    for top in (0..rows).step_by(SIDE) {
        for left in (0..columns).step_by(SIDE) {
            for row in top..rows.min(top + SIDE) {
                for column in left..columns.min(left + SIDE) {
                    into[column * rows + row] = from[row * columns + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::tests::normal;
    use crate::neural::tests::account;
    use plimsoll::{Bytes, Place};

    #[test]
    fn a_product_is_that_of_doubles_however_the_right_is_packed() {
        let pool = account(Bytes::mib(8)).scratch(Place::Host).unwrap();
        let mill = Mill { pool, threads: 2 };
        for (rows, depth, columns) in [(1, 1, 1), (64, 3, 16), (130, 40, 53), (200, 70, 17)] {
            let (left, right) = (normal(1, rows * depth), normal(2, depth * columns));
            let mut turned = vec![0.0; right.len()];
            transpose(&right, columns, &mut turned);
            let mut by_rows = Packed::new(columns, depth);
            by_rows.set_rows(&right);
            let mut into = vec![1.0; rows * columns];
            mill.multiply(&left, &by_rows, true, &mut into).unwrap();
            let mut again = vec![f32::NAN; into.len()];
            mill.multiply(&left, &Packed::of(columns, depth, &turned), false, &mut again).unwrap();
            for (at, (one, other)) in into.iter().zip(again).enumerate() {
                let (row, column) = (at / columns, at % columns);
                let pairs = (0..depth).map(|k| (left[row * depth + k], right[k * columns + column]));
                let expected: f64 = pairs.map(|(a, b)| f64::from(a) * f64::from(b)).sum();
                assert!((f64::from(*one) - 1.0 - expected).abs() < 1e-4 && (one - 1.0 - other).abs() < 1e-4);
            }
        }
    }
}
