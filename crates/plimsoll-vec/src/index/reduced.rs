//! Vectors of fewer numbers, as a neural codec's decoder has them: what an index codes instead of what came, where it was
//! made so. Its weights are a file of the index, written once.
//!
//! Rows become `E (x − m)` before they are coded, queries `Dᵀ (y − m)` (under the inner product `Dᵀ y`) before they are
//! prepared. As `D` keeps distances, those among so few numbers are those to `D z + m`, but for a constant of the
//! query's own, which is added when distances are told. What is told after a second look is that of the vectors as they came.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use plimsoll::governor::Charge;

use super::budget::Budget;
use super::encode::share;
use super::manifest::Manifest;
use super::view::View;
use super::{Shape, VecError};
use crate::code::{CodeError, normalize};
use crate::column::{Column, ColumnWriter, Header, Holds, PAGE_BYTES};
use crate::neural::projection::Projection;
use crate::neural::reduction;
use crate::neural::{NeuralShape, Reduction, Weights};
use crate::segment::{header, path};
use crate::{BLOCK_ROWS, Metric};

/// Vectors that a thread reduces at once.
const ROWS_A_PART: usize = 4 * BLOCK_ROWS;
/// Queries likewise.
const QUERIES_A_PART: usize = 16;

/// Weights in memory, ready to run.
#[derive(Debug)]
pub(super) struct Reduced {
    rows: Projection,
    /// A row of the latent for each number of a vector; columns are at right angles and of length one.
    decoder: Vec<f32>,
}

/// Queries as they are compared with codes.
#[derive(Debug)]
pub(super) struct Projected<'q> {
    pub(super) vectors: Cow<'q, [f32]>,
    /// What each adds to the distances that are told; none where nothing was reduced.
    pub(super) constants: Vec<f64>,
}

impl Shape {
    /// What is coded of such vectors: as many numbers as they are reduced to, and how these are compared. Directions are
    /// compared as vectors of length one, whose squared distance says the same.
    pub(super) fn coded(&self) -> Self {
        let Some(latent) = self.reduced else { return *self };
        let metric = if self.metric == Metric::Cosine { Metric::L2 } else { self.metric };
        Self { dimension: latent, metric, reduced: None, ..*self }
    }

    /// What is told of a row that is so far from a query in what is coded.
    pub(super) fn told(&self, score: f32, constant: f64) -> f32 {
        let score = f64::from(score);
        #[expect(clippy::cast_possible_truncation, reason = "distances are singles")]
        let told = match self.metric {
            Metric::L2 | Metric::Hamming => (score + constant).max(0.0),
            Metric::Ip => constant - score,
            // |u − v|² = 2 − 2 ⟨u, v⟩ for vectors of length one.
            Metric::Cosine => 1.0 - f64::midpoint(score, constant),
        } as f32;
        told
    }

    /// How a reduction is called that makes such vectors shorter.
    fn neural(&self) -> Option<NeuralShape> {
        let Self { dimension, metric, .. } = *self;
        let normalized = metric == Metric::Cosine;
        self.reduced.map(|latent| NeuralShape { dimension, latent, normalized })
    }

    /// What a thread needs to reduce rows.
    pub(super) fn desk_bytes(&self) -> u64 {
        self.neural().map_or(0, Projection::desk_bytes)
    }

    /// What so many rows take when they are reduced, beside what they came as.
    pub(super) fn latent_bytes(&self, rows: usize) -> u64 {
        self.reduced.map_or(0, |latent| (rows as u64).saturating_mul(latent as u64 * 4))
    }

    /// What so many queries take when they are reduced, with so many threads.
    pub(super) fn projected_bytes(&self, queries: usize, threads: usize) -> u64 {
        let Some(latent) = self.reduced else { return 0 };
        let desks = threads.saturating_mul(latent * 8 + self.dimension * 4) as u64;
        self.latent_bytes(queries).saturating_add(queries as u64 * 8).saturating_add(desks)
    }
}

/// Whether an index of this shape can have such a reduction; the shape with it.
pub(super) fn shaped(shape: Shape, reduction: &Reduction) -> Result<Shape, VecError> {
    let NeuralShape { dimension, latent, normalized } = reduction.weights().shape();
    if dimension != shape.dimension {
        return Err(VecError::Codec { found: shape.dimension, expected: dimension });
    }
    let Shape { metric, .. } = shape;
    if metric == Metric::Hamming || (normalized && metric != Metric::Cosine) {
        return Err(VecError::Reduced { metric, normalized });
    }
    Ok(Shape { reduced: Some(latent), ..shape })
}

/// A column of one unit: all weights.
fn column(shape: &Shape, neural: NeuralShape) -> Header {
    let unit = usize::try_from(neural.weight_bytes()).unwrap_or(usize::MAX);
    header(shape.layout(), Holds::Reduction, unit)
}

/// What the weights of an index take on disk: a page, the numbers and their checksum.
pub(super) fn disk_bytes(shape: &Shape) -> u64 {
    shape.neural().map_or(0, |neural| PAGE_BYTES as u64 + neural.weight_bytes() + 8)
}

/// Writes the weights of an index that is made, under this number.
pub(super) fn write(
    folder: &Path,
    number: u64,
    shape: &Shape,
    weights: &Weights,
    budget: &Budget,
) -> Result<(), VecError> {
    let Some(neural) = shape.neural() else { return Ok(()) };
    let _meanwhile = budget.charge(neural.weight_bytes())?;
    let file = path(folder, number, Holds::Reduction);
    // What was begun here and not published is nobody's.
    let _ = std::fs::remove_file(&file);
    let numbers = [weights.encoder(), weights.decoder(), weights.mean()];
    let unit: Vec<u8> = numbers.into_iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
    let write = || {
        let mut column = ColumnWriter::create(&file, column(shape, neural))?;
        column.append(&unit, 1)?;
        column.finish()
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&file);
    })?;
    Ok(())
}

/// Reads the weights that a manifest names, checks them, and pays for them.
pub(super) fn open(
    folder: &Path,
    manifest: &Manifest,
    budget: &Budget,
) -> Result<Option<(Arc<Reduced>, Charge)>, VecError> {
    let shape = &manifest.shape;
    let Some((number, neural)) = manifest.reduction.zip(shape.neural()) else { return Ok(None) };
    let decoder = (neural.dimension * neural.latent * 4) as u64;
    let charge = budget.charge(Projection::bytes_for(neural).saturating_add(decoder))?;
    let _meanwhile = budget.charge(neural.weight_bytes().saturating_add(decoder))?;
    let column = Column::open(&path(folder, number, Holds::Reduction), &column(shape, neural))?;
    let mut unit = vec![0; usize::try_from(neural.weight_bytes()).unwrap_or(usize::MAX)];
    column.read(0, &mut unit)?;
    let mut numbers = unit.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four));
    let matrix = neural.dimension * neural.latent;
    let mut take = |count: usize| numbers.by_ref().take(count).collect::<Vec<f32>>();
    let (encoder, decoder, mean) = (take(matrix), take(matrix), take(neural.dimension));
    let (encoder, decoder, mean) = Weights::new(neural, encoder, decoder, mean)?.into_parts();
    Ok(Some((Arc::new(Reduced { rows: Projection::new(neural, &encoder, mean), decoder }), charge)))
}

impl Reduced {
    /// Numbers of a vector, and of what it is reduced to.
    fn widths(&self) -> (usize, usize) {
        let NeuralShape { dimension, latent, .. } = self.rows.shape();
        (dimension, latent)
    }

    /// Numbers of a thread's desk.
    pub(super) fn desk(&self) -> usize {
        usize::try_from(Projection::desk_bytes(self.rows.shape()) / 4).unwrap_or(usize::MAX)
    }

    /// What at most a block of vectors is reduced to, in the desk.
    pub(super) fn block<'d>(&self, vectors: &[f32], desk: &'d mut [f32]) -> Result<&'d [f32], CodeError> {
        let (dimension, latent) = self.widths();
        let found = self.rows.block(0, vectors, desk)?;
        let found = &found[..vectors.len() / dimension * latent];
        match found.iter().position(|number| !number.is_finite()) {
            Some(at) => Err(CodeError::Reduced { vector: at / latent }),
            None => Ok(found),
        }
    }

    /// What vectors are reduced to, by so many threads.
    pub(super) fn project(&self, vectors: &[f32], into: &mut [f32], threads: usize) -> Result<(), CodeError> {
        let (dimension, latent) = self.widths();
        let parts = vectors.chunks(ROWS_A_PART * dimension).zip(into.chunks_mut(ROWS_A_PART * latent));
        share(parts, (ROWS_A_PART, self.desk()), threads, |(vectors, into), desk| {
            let blocks = vectors.chunks(BLOCK_ROWS * dimension).zip(into.chunks_mut(BLOCK_ROWS * latent));
            for (block, (vectors, into)) in blocks.enumerate() {
                let found = self.block(vectors, desk).map_err(|error| error.after(block * BLOCK_ROWS))?;
                into.copy_from_slice(found);
            }
            Ok(())
        })
    }

    /// What queries are among rows, by so many threads, and the constant of each.
    pub(super) fn queries(
        &self,
        metric: Metric,
        vectors: &[f32],
        threads: usize,
    ) -> Result<(Vec<f32>, Vec<f64>), CodeError> {
        let (dimension, latent) = self.widths();
        let count = vectors.len() / dimension;
        let (mut projected, mut constants) = (vec![0.0; count * latent], vec![0.0; count]);
        let parts = vectors
            .chunks(QUERIES_A_PART * dimension)
            .zip(projected.chunks_mut(QUERIES_A_PART * latent))
            .zip(constants.chunks_mut(QUERIES_A_PART));
        let weights = (&*self.decoder, self.rows.mean());
        share(parts, (QUERIES_A_PART, dimension), threads, |((vectors, into), constants), query| {
            let mut sums = vec![0.0; latent];
            let each = vectors.chunks_exact(dimension).zip(into.chunks_exact_mut(latent)).zip(constants);
            for (at, ((vector, into), constant)) in each.enumerate() {
                query.copy_from_slice(vector);
                // A number that is none is told as such, whatever the direction.
                crate::code::finite(at, query)?;
                if metric == Metric::Cosine && !normalize(query) {
                    return Err(CodeError::NoDirection { vector: at });
                }
                *constant = reduction::project(weights, metric != Metric::Ip, query, &mut sums, into);
            }
            Ok(())
        })?;
        Ok((projected, constants))
    }
}

impl View {
    /// Vectors as they are coded: reduced, where the index is.
    pub(super) fn as_coded<'v>(
        &self,
        vectors: &'v [f32],
        threads: usize,
    ) -> Result<Cow<'v, [f32]>, CodeError> {
        let Some(reduced) = &self.reduced else { return Ok(Cow::Borrowed(vectors)) };
        let (dimension, latent) = reduced.widths();
        let mut into = vec![0.0; vectors.len() / dimension * latent];
        reduced.project(vectors, &mut into, threads)?;
        Ok(Cow::Owned(into))
    }

    /// Queries as they are compared with what is coded.
    pub(super) fn as_asked<'q>(
        &self,
        vectors: &'q [f32],
        threads: usize,
    ) -> Result<Projected<'q>, CodeError> {
        let Some(reduced) = &self.reduced else {
            return Ok(Projected { vectors: Cow::Borrowed(vectors), constants: Vec::new() });
        };
        let (vectors, constants) = reduced.queries(self.shape.metric, vectors, threads)?;
        Ok(Projected { vectors: Cow::Owned(vectors), constants })
    }
}
