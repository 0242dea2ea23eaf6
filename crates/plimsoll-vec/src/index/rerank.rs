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

/// Less is nearer. Summed in doubles: there are few, and no order of adding up to agree on.
fn score(metric: Metric, query: &[f32], vector: &[f32]) -> f32 {
    let pairs = query.iter().zip(vector).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let score = match metric {
        Metric::L2 => pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>(),
        Metric::Ip | Metric::Cosine => -pairs.map(|(a, b)| a * b).sum::<f64>(),
        Metric::Hamming => pairs.map(|(a, b)| f64::from(u8::from((a < 0.0) != (b < 0.0)))).sum(),
    };
    #[expect(clippy::cast_possible_truncation, reason = "scores are singles")]
    let score = score as f32;
    score
}
