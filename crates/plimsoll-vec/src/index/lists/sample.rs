//! Vectors drawn from a file: to learn middles from, and some that are held out to try them with.

use plimsoll::Bytes;
use plimsoll::holding::Streaming;

use super::division::sign;
use super::seed::Random;
use crate::Metric;
use crate::code::{CodeError, finite, normalize};
use crate::index::VecError;
use crate::input::{Input, Origin};

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
        (metric, dimension): (Metric, usize),
        draw: Draw,
    ) -> Result<Self, VecError> {
        let mut input = Input::open(origin, streaming, chunk)?;
        let all = (draw.learn + draw.hold) as u64;
        let mut random = Random(0x5a17);
        let step = stride(all);
        let mut sample = Self {
            vectors: vec![0.0; draw.learn * dimension],
            held: vec![0.0; draw.hold * dimension],
            held_rows: vec![0; draw.hold],
        };
        let (mut at, mut ids) = (0, Vec::new());
        for part in 0..all {
            let (from, to) = (share(part, draw.rows, all), share(part + 1, draw.rows, all));
            let row = from + random.below(to - from);
            let place =
                usize::try_from(u128::from(part) * u128::from(step) % u128::from(all)).unwrap_or_default();
            let into = match place.checked_sub(draw.learn) {
                None => &mut sample.vectors[place * dimension..][..dimension],
                Some(held) => {
                    sample.held_rows[held] = row;
                    &mut sample.held[held * dimension..][..dimension]
                }
            };
            input.skip(row - at)?;
            ids.clear();
            input.read(into, &mut ids)?;
            at = row + 1;
            seen(metric, usize::try_from(row).unwrap_or(usize::MAX), into)?;
        }
        Ok(sample)
    }
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
