//! Vectors drawn from a file: to learn middles from, and some that are held out to try them with.

use plimsoll::Bytes;
use plimsoll::holding::Streaming;

use super::division::sign;
use super::seed::Random;
use crate::code::{CodeError, finite, normalize};
use crate::index::reduced::Reduced;
use crate::index::view::View;
use crate::index::{Shape, VecError};
use crate::input::{Input, Origin};
use crate::{BLOCK_ROWS, Metric};

/// What was drawn.
#[derive(Debug)]
pub(in crate::index) struct Sample {
    /// To learn from; every part from the front on is spread over the file.
    pub(in crate::index) vectors: Vec<f32>,
    /// Others, to try with.
    pub(super) held: Vec<f32>,
    /// Where in the file those are.
    pub(super) held_rows: Vec<u64>,
}

/// How many of how many.
#[derive(Clone, Copy, Debug)]
pub(in crate::index) struct Draw {
    pub(in crate::index) rows: u64,
    pub(in crate::index) learn: usize,
    pub(in crate::index) hold: usize,
}

impl Sample {
    /// Reads through a file, and takes one vector of each of as many equal parts of it as are wanted. Vectors are as
    /// middles are told from: of length one under cosine, signs under Hamming.
    pub(in crate::index) fn draw(
        origin: Origin<'_>,
        streaming: &Streaming,
        chunk: Bytes,
        view: &View,
        draw: Draw,
    ) -> Result<Self, VecError> {
        let (shape, coded) = (view.shape, view.shape.coded());
        let (dimension, latent) = (shape.dimension, coded.dimension);
        let mut pending = view.reduced.as_deref().map(|reduced| Pending::new(reduced, &shape));
        let mut input = Input::open(origin, streaming, chunk)?;
        let all = (draw.learn + draw.hold) as u64;
        let mut random = Random(0x5a17);
        let step = stride(all);
        let mut sample = Self {
            vectors: vec![0.0; draw.learn * latent],
            held: vec![0.0; draw.hold * dimension],
            held_rows: vec![0; draw.hold],
        };
        let (mut at, mut ids) = (0, Vec::new());
        for part in 0..all {
            let (from, to) = (share(part, draw.rows, all), share(part + 1, draw.rows, all));
            let row = from + random.below(to - from);
            let place =
                usize::try_from(u128::from(part) * u128::from(step) % u128::from(all)).unwrap_or_default();
            let into = match (place.checked_sub(draw.learn), &mut pending) {
                (None, None) => &mut sample.vectors[place * dimension..][..dimension],
                (None, Some(pending)) => pending.next(place, row),
                (Some(held), _) => {
                    sample.held_rows[held] = row;
                    &mut sample.held[held * dimension..][..dimension]
                }
            };
            input.skip(row - at)?;
            ids.clear();
            input.read(into, &mut ids)?;
            at = row + 1;
            seen(coded.metric, narrow(row), into)?;
            if let Some(pending) = pending.as_mut().filter(|pending| pending.is_full()) {
                pending.reduce(&mut sample.vectors)?;
            }
        }
        if let (Some(mut pending), Some(reduced)) = (pending, &view.reduced) {
            pending.reduce(&mut sample.vectors)?;
            // Those are asked with.
            let name = |held: usize| sample.held_rows.get(held).map_or(held, |row| narrow(*row));
            let asked = reduced.queries(shape.metric, &sample.held, 1);
            sample.held = asked.map_err(|error| error.renamed(name))?.0;
        }
        Ok(sample)
    }

    /// What drawing takes beside the vectors that are drawn and those held out as they came.
    pub(in crate::index) fn beside_bytes(shape: &Shape, hold: usize) -> u64 {
        if shape.reduced.is_none() {
            return 0;
        }
        let block = BLOCK_ROWS * (shape.dimension * 4 + size_of::<(usize, u64)>());
        shape.desk_bytes() + block as u64 + shape.projected_bytes(hold, 1)
    }
}

/// Drawn vectors on their way through a reduction, a block of them at a time.
struct Pending<'r> {
    reduced: &'r Reduced,
    dimension: usize,
    latent: usize,
    vectors: Vec<f32>,
    /// Where in the sample each belongs, and its row in the file.
    places: Vec<(usize, u64)>,
    desk: Vec<f32>,
}

impl<'r> Pending<'r> {
    fn new(reduced: &'r Reduced, shape: &Shape) -> Self {
        Self {
            reduced,
            dimension: shape.dimension,
            latent: shape.coded().dimension,
            vectors: vec![0.0; BLOCK_ROWS * shape.dimension],
            places: Vec::with_capacity(BLOCK_ROWS),
            desk: vec![0.0; reduced.desk()],
        }
    }

    /// Room for the vector of a row that belongs to a place.
    fn next(&mut self, place: usize, row: u64) -> &mut [f32] {
        self.places.push((place, row));
        &mut self.vectors[(self.places.len() - 1) * self.dimension..][..self.dimension]
    }

    fn is_full(&self) -> bool {
        self.places.len() == BLOCK_ROWS
    }

    /// Puts what is there into its places.
    fn reduce(&mut self, into: &mut [f32]) -> Result<(), CodeError> {
        let vectors = &self.vectors[..self.places.len() * self.dimension];
        let name = |at: usize| self.places.get(at).map_or(at, |(_, row)| narrow(*row));
        let found = self.reduced.block(vectors, &mut self.desk).map_err(|error| error.renamed(name))?;
        for (found, (place, _)) in found.chunks_exact(self.latent).zip(&self.places) {
            into[place * self.latent..][..self.latent].copy_from_slice(found);
        }
        self.places.clear();
        Ok(())
    }
}

fn narrow(row: u64) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

/// Where a part of so many begins.
fn share(part: u64, rows: u64, all: u64) -> u64 {
    u64::try_from(u128::from(part) * u128::from(rows) / u128::from(all.max(1))).unwrap_or(rows)
}

/// A step with which all places are come to, and early ones lie apart: near the golden section, without a common divisor.
fn stride(all: u64) -> u64 {
    let common = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let golden = u64::try_from(u128::from(all) * 618 / 1000).unwrap_or(1).max(1);
    (golden..=golden + all).find(|step| common(*step, all) == 1).unwrap_or(1)
}

/// A vector as middles are told from it.
pub(super) fn seen(metric: Metric, row: usize, vector: &mut [f32]) -> Result<(), CodeError> {
    finite(row, vector)?;
    match metric {
        Metric::Cosine if !normalize(vector) => return Err(CodeError::NoDirection { vector: row }),
        Metric::Hamming => vector.iter_mut().for_each(|number| *number = sign(*number)),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_come_to_and_the_front_is_spread() {
        for all in [1, 2, 3, 10, 618, 1000, 4096] {
            let step = stride(all);
            let mut places: Vec<u64> = (0..all).map(|part| part * step % all).collect();
            let front: Vec<usize> =
                (0..all / 8).map(|place| places.iter().position(|p| *p == place).unwrap()).collect();
            if all > 500 {
                let early = front.iter().filter(|part| (**part as u64) < all / 2).count() as u64;
                assert!((all / 20..all / 12).contains(&early), "{all}: {early} of {}", front.len());
            }
            places.sort_unstable();
            assert!(places.iter().copied().eq(0..all), "{all}");
        }
    }

    #[test]
    fn what_has_no_direction_is_told_with_its_row() {
        let mut vector = [0.0, 0.0];
        assert!(seen(Metric::L2, 7, &mut vector).is_ok());
        assert!(matches!(seen(Metric::Cosine, 7, &mut vector), Err(CodeError::NoDirection { vector: 7 })));
        assert!(seen(Metric::Hamming, 7, &mut [f32::NAN, 1.0]).is_err());
    }
}
