//! A second look at the best candidates, with the vectors as they came.

use plimsoll::Bytes;

use super::search::Search;
use super::view::{Part, View};
use super::{Shape, VecError};
use crate::Metric;
use crate::code::{Coder, normalize};
use crate::top::Hit;

/// Looks again at candidates.
pub(super) struct Again<'r> {
    shape: Shape,
    parts: &'r [Part<'r>],
    bases: &'r [u64],
    vector: Vec<f32>,
    query: Vec<f32>,
    bytes: Vec<u8>,
}

impl<'r> Again<'r> {
    pub(super) fn new(shape: Shape, parts: &'r [Part<'r>], bases: &'r [u64], search: &Search) -> Self {
        let numbers = if search.again > 1 { shape.dimension } else { 0 };
        Self { shape, parts, bases, vector: vec![0.0; numbers], query: vec![0.0; numbers], bytes: Vec::new() }
    }

    /// Gives candidates the score that their vectors have, and puts them in order. Says what was read.
    pub(super) fn look(&mut self, query: &[f32], hits: &mut [Hit]) -> Result<Bytes, VecError> {
        let mut read = 0;
        self.query.copy_from_slice(query);
        if self.shape.metric == Metric::Cosine {
            normalize(&mut self.query);
        }
        // In the order of the disk.
        hits.sort_unstable_by_key(|hit| hit.row);
        for hit in hits.iter_mut() {
            let (place, row) = View::place(self.bases, hit.row);
            let Some(part) = self.parts.get(place) else { continue };
            read += self.vector(*part, row)?;
            hit.score = score(self.shape.metric, &self.query, &self.vector);
        }
        hits.sort_unstable();
        Ok(Bytes::new(read))
    }

    /// Reads the vector of a row.
    fn vector(&mut self, part: Part<'_>, row: u64) -> Result<u64, VecError> {
        let dimension = self.vector.len();
        let read = match part {
            Part::Young(batch) => {
                let row = usize::try_from(row).unwrap_or(usize::MAX);
                if let Some(vector) = batch.vectors.chunks_exact(dimension).nth(row) {
                    self.vector.copy_from_slice(vector);
                }
                0
            }
            Part::Segment(segment) => match segment.originals() {
                Some(originals) => {
                    originals.read(row, &mut self.bytes, &mut self.vector)?;
                    self.bytes.len() as u64
                }
                // Exact codes are originals.
                None => self.decoded(segment, row)?,
            },
        };
        if self.shape.metric == Metric::Cosine {
            normalize(&mut self.vector);
        }
        Ok(read)
    }

    fn decoded(&mut self, segment: &crate::segment::Segment, row: u64) -> Result<u64, VecError> {
        let shape = self.shape;
        let rows = crate::BLOCK_ROWS as u64;
        self.bytes.resize(shape.codec.block_bytes(shape.dimension), 0);
        segment.codes().read(row / rows, &mut self.bytes)?;
        let row = usize::try_from(row % rows).unwrap_or_default();
        Coder::new(shape.codec, shape.metric, shape.dimension)?.decode(
            &self.bytes,
            row..row + 1,
            &mut self.vector,
        )?;
        Ok(self.bytes.len() as u64)
    }
}

/// Less is nearer. Summed in doubles: there are few, and no order of adding up to agree on with others.
fn score(metric: Metric, query: &[f32], vector: &[f32]) -> f32 {
    let score = match metric {
        Metric::L2 => sum(query, vector, |a, b| (a - b) * (a - b)),
        Metric::Ip | Metric::Cosine => -sum(query, vector, |a, b| a * b),
        Metric::Hamming => sum(query, vector, |a, b| f64::from(u8::from((a < 0.0) != (b < 0.0)))),
    };
    #[expect(clippy::cast_possible_truncation, reason = "scores are singles")]
    let score = score as f32;
    score
}

/// In eight sums, so that none waits for the other. By index: iterators in the inmost loop were not always inlined.
fn sum(query: &[f32], vector: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let (queries, query_rest) = query.as_chunks::<8>();
    let (vectors, vector_rest) = vector.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (query, vector) in queries.iter().zip(vectors) {
        for at in 0..8 {
            sums[at] += term(f64::from(query[at]), f64::from(vector[at]));
        }
    }
    let rest = query_rest.iter().zip(vector_rest).map(|(a, b)| term(f64::from(*a), f64::from(*b)));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}
