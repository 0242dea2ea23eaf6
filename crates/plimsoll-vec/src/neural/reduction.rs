//! Searching among latents: with a decoder whose columns are at right angles, distances to what would come back are
//! distances among latents.
//!
//! For `D` with `DᵀD = 1` and a query `y`: `|y − x̂|² = |Dᵀ(y − m) − z|² + (|y − m|² − |Dᵀ(y − m)|²)`, and
//! `⟨y, x̂⟩ = ⟨Dᵀy, z⟩ + ⟨y, m⟩`. What stands in brackets is the query's own, so a scan of `L` numbers a row finds what a scan of
//! decoded vectors would.

use plimsoll::EngineAccount;

use super::site::charge;
use super::train::{dot, orthonormalize};
use super::{LatentRows, NeuralError, NeuralShape, Weights};
use crate::code::{CodeError, Layout, finite};
use crate::{BLOCK_ROWS, Codec, Metric};

/// Weights whose decoder keeps distances: its columns have length one and are at right angles.
///
/// It says what queries are among latents; vectors are coded by a [`NeuralCodec`](super::NeuralCodec) of its
/// [`weights`](Self::weights), and [`LatentRows::write_blocks`] makes blocks for a scan of them.
#[derive(Debug)]
pub struct Reduction {
    weights: Weights,
}

impl Weights {
    /// The same codec with a decoder that keeps distances: `D = Q R`, the encoder becomes `R E`, and the decoder `Q`. What
    /// comes back without rounding is the same; with it, latents are rounded in other directions. Charged to the account.
    pub fn orthonormal(&self, account: &EngineAccount) -> Result<Reduction, NeuralError> {
        let shape = self.shape();
        let NeuralShape { dimension, latent, .. } = shape;
        let paid = charge(account, shape.weight_bytes())?;
        let _passing = charge(account, ((latent * dimension + dimension) * 4 + latent * latent * 8) as u64)?;
        let mut columns = vec![0.0; latent * dimension];
        for (at, row) in self.decoder().chunks_exact(latent).enumerate() {
            for (column, x) in row.iter().enumerate() {
                columns[column * dimension + at] = *x;
            }
        }
        let mut upper = vec![0.0_f64; latent * latent];
        orthonormalize(&mut columns, dimension, |at, of, had| upper[of * latent + at] += had);
        let mut encoder = vec![0.0; latent * dimension];
        let mut sums = vec![0.0_f64; dimension];
        for (into, factors) in encoder.chunks_exact_mut(dimension).zip(upper.chunks_exact(latent)) {
            sums.fill(0.0);
            for (factor, row) in factors.iter().zip(self.encoder().chunks_exact(dimension)) {
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += factor * f64::from(*x);
                }
            }
            for (into, sum) in into.iter_mut().zip(&sums) {
                #[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
                let single = *sum as f32;
                *into = single;
            }
        }
        let mut decoder = vec![0.0; latent * dimension];
        for (column, row) in columns.chunks_exact(dimension).enumerate() {
            for (at, x) in row.iter().enumerate() {
                decoder[at * latent + column] = *x;
            }
        }
        let mut weights = Self::new(shape, encoder, decoder, self.mean().to_vec())?.paid(paid);
        for (name, value) in self.facts() {
            weights = weights.fact(name, value);
        }
        Ok(Reduction { weights: weights.fact("orthonormal", &true) })
    }
}

impl Reduction {
    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What a query is among latents, and what is to be added to each squared distance, or to each product, to have that of the
    /// query and the decoded vector. For [`Metric::L2`] and [`Metric::Ip`]; vectors of length one are compared by either.
    pub fn project_query(&self, metric: Metric, query: &[f32], into: &mut [f32]) -> Result<f64, NeuralError> {
        let NeuralShape { dimension, latent, .. } = self.weights.shape();
        if query.len() != dimension {
            return Err(NeuralError::Dimension { found: query.len(), expected: dimension });
        }
        if into.len() != latent {
            return Err(CodeError::Target { numbers: latent, places: into.len() }.into());
        }
        finite(0, query)?;
        let centred = match metric {
            Metric::L2 => true,
            Metric::Ip => false,
            Metric::Cosine | Metric::Hamming => return Err(NeuralError::Metric { metric }),
        };
        let weights = (self.weights.decoder(), self.weights.mean());
        Ok(project(weights, centred, query, &mut vec![0.0; latent], into))
    }
}

/// What [`Reduction::project_query`] says, of a decoder and a mean: for squared distances if `centre`, else for products.
/// `sums` has a place for each number of the latent.
pub(crate) fn project(
    (decoder, mean): (&[f32], &[f32]),
    centre: bool,
    query: &[f32],
    sums: &mut [f64],
    into: &mut [f32],
) -> f64 {
    let taken = f64::from(u8::from(centre));
    let centred = || query.iter().zip(mean).map(|(x, m)| f64::from(*x) - taken * f64::from(*m));
    sums.fill(0.0);
    // Row by row of the decoder, so that it is gone through once; each sum goes over the query in its order.
    for (x, row) in centred().zip(decoder.chunks_exact(into.len())) {
        for (sum, number) in sums.iter_mut().zip(row) {
            *sum += f64::from(*number) * x;
        }
    }
    for (into, sum) in into.iter_mut().zip(&*sums) {
        #[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
        let single = *sum as f32;
        *into = single;
    }
    let kept: f64 = sums.iter().map(|sum| sum * sum).sum();
    if centre { centred().map(|x| x * x).sum::<f64>() - kept } else { dot(query, mean) }
}

impl LatentRows<'_> {
    /// Writes latents as the rows from `first_row` on of blocks of [`Codec::Int8`] with as many numbers, which
    /// [`scan`](crate::scan) looks through.
    pub fn write_blocks(&self, first_row: usize, blocks: &mut [u8]) -> Result<(), CodeError> {
        let layout = Layout::new(Codec::Int8, self.latent());
        let bytes = layout.block_bytes();
        let to = first_row.saturating_add(self.rows());
        if !blocks.len().is_multiple_of(bytes) || to.div_ceil(BLOCK_ROWS) > blocks.len() / bytes {
            return Err(CodeError::Blocks { from: first_row, to, bytes: blocks.len() });
        }
        let rows = self.levels().chunks_exact(self.latent()).zip(self.scales());
        for (row, (levels, scale)) in (first_row..).zip(rows) {
            let block = &mut blocks[row / BLOCK_ROWS * bytes..][..bytes];
            for (into, level) in block[layout.code(row % BLOCK_ROWS)].iter_mut().zip(levels) {
                *into = level.cast_unsigned();
            }
            block[layout.side(row % BLOCK_ROWS)].copy_from_slice(&scale.to_le_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use plimsoll::Bytes;

    use super::*;
    use crate::code::tests::normal;
    use crate::neural::NeuralCodec;
    use crate::neural::tests::{account, some};
    use crate::{Queries, Tops, scan};

    #[test]
    fn a_decoder_at_right_angles_brings_back_the_same() {
        let account = account(Bytes::mib(8));
        for (dimension, latent) in [(1, 1), (40, 7), (64, 64)] {
            let weights = some(NeuralShape::new(dimension, latent));
            let reduction = weights.orthonormal(&account).unwrap();
            let found = reduction.weights();
            // What is coded and decoded at once is the same matrix.
            for row in [0, dimension - 1] {
                for column in [0, dimension / 2] {
                    let both = |weights: &Weights| -> f64 {
                        let row = &weights.decoder()[row * latent..][..latent];
                        let column = weights.encoder()[column..].iter().step_by(dimension);
                        row.iter().zip(column).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                    };
                    assert!((both(&weights) - both(found)).abs() < 1e-4, "{dimension} {latent}");
                }
            }
            for (a, b) in [(0, 0), (0, latent - 1)] {
                let column = |at: usize| found.decoder()[at..].iter().step_by(latent);
                let product: f64 = column(a).zip(column(b)).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                assert!((product - f64::from(u8::from(a == b))).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn scores_among_latents_are_those_of_what_comes_back() {
        let (dimension, latent, rows) = (48, 20, 200);
        let account = account(Bytes::mib(8));
        let reduction = some(NeuralShape::new(dimension, latent)).orthonormal(&account).unwrap();
        let codec = NeuralCodec::new(reduction.weights(), &account).unwrap();
        let latents = codec.encode(&normal(5, rows * dimension)).unwrap();
        let mut back = vec![0.0; rows * dimension];
        codec.decode_flat(latents.view(), &mut back).unwrap();
        let mut blocks = vec![0; rows.div_ceil(BLOCK_ROWS) * Layout::new(Codec::Int8, latent).block_bytes()];
        latents.view().write_blocks(0, &mut blocks).unwrap();
        assert!(latents.view().write_blocks(100, &mut blocks).is_err());
        for metric in [Metric::L2, Metric::Ip] {
            let query = normal(6, dimension);
            let mut projected = vec![0.0; latent];
            let constant = reduction.project_query(metric, &query, &mut projected).unwrap();
            let queries = Queries::new(Codec::Int8, metric, latent, &projected).unwrap();
            let mut tops = Tops::new(&queries, rows).unwrap();
            scan(&queries, &blocks, rows, 0, None, &mut tops);
            let hits = tops.hits(0);
            assert_eq!(hits.len(), rows);
            for hit in hits {
                let row = &back[usize::try_from(hit.row).unwrap() * dimension..][..dimension];
                let pairs = || row.iter().zip(&query).map(|(x, y)| (f64::from(*x), f64::from(*y)));
                let expected: f64 = match metric {
                    Metric::L2 => pairs().map(|(x, y)| (x - y) * (x - y)).sum(),
                    _ => pairs().map(|(x, y)| x * y).sum(),
                };
                let found = f64::from(metric.distance(hit.score)) + constant;
                // The scan rounds the query to bytes.
                assert!(
                    (found - expected).abs() < 0.02 * expected.abs().max(10.0),
                    "{metric}: {found} {expected}"
                );
            }
        }
        let refused = reduction.project_query(Metric::Cosine, &[0.0; 48], &mut [0.0; 20]);
        assert!(matches!(refused, Err(NeuralError::Metric { .. })));
        let refused = reduction.project_query(Metric::L2, &[0.0; 47], &mut [0.0; 20]);
        assert!(matches!(refused, Err(NeuralError::Dimension { found: 47, expected: 48 })));
    }

    #[test]
    fn a_decoder_that_says_less_than_its_numbers_works() {
        let account = account(Bytes::mib(1));
        // Both numbers of the latent mean the same; the third means nothing.
        let decoder = vec![1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 2.0, 4.0, 0.0, 0.0, 0.0, 0.0];
        let weights = Weights::new(NeuralShape::new(4, 3), vec![0.5; 12], decoder, vec![0.0; 4]).unwrap();
        let found = weights.orthonormal(&account).unwrap();
        let codec = |weights: &Weights| NeuralCodec::new(weights, &account).unwrap();
        let back = |codec: NeuralCodec| {
            let mut back = [0.0; 4];
            codec.decode_flat(codec.encode(&[1.0, 2.0, 3.0, 4.0]).unwrap().view(), &mut back).unwrap();
            back
        };
        let (one, other) = (back(codec(&weights)), back(codec(found.weights())));
        assert!(one.iter().zip(other).all(|(a, b)| (a - b).abs() < 0.05), "{one:?} {other:?}");
    }
}
