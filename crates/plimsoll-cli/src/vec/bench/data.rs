//! Vectors with a seed, near one of many centres, in a file that is written as they come.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use plimsoll_vec::input::npy_head;

const CENTRES: usize = 1000;

/// Makes vectors, the same for the same seed.
#[derive(Debug)]
pub(in crate::vec) struct Source {
    centres: Vec<f32>,
    dimension: usize,
}

impl Source {
    pub(in crate::vec) fn new(dimension: usize) -> Self {
        let mut state = Random(1);
        Self { centres: (0..CENTRES * dimension).map(|_| state.normal()).collect(), dimension }
    }

    /// Each of so many vectors in turn.
    pub(super) fn each(
        &self,
        seed: u64,
        rows: u64,
        mut take: impl FnMut(&[f32]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut random = Random(seed);
        let mut vector = vec![0.0; self.dimension];
        for _ in 0..rows {
            let centre = usize::try_from(random.word() >> 33).unwrap_or_default() % CENTRES * self.dimension;
            for (into, centre) in vector.iter_mut().zip(&self.centres[centre..]) {
                *into = random.normal() + centre;
            }
            take(&vector)?;
        }
        Ok(())
    }

    /// So many of them at once.
    pub(in crate::vec) fn vectors(&self, seed: u64, rows: u64) -> Vec<f32> {
        let mut all = Vec::new();
        // Taking them cannot fail.
        let _ = self.each(seed, rows, |vector| {
            all.extend_from_slice(vector);
            Ok(())
        });
        all
    }

    /// So many of them into a `.npy` file.
    pub(super) fn write(&self, seed: u64, rows: u64, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(&npy_head("<f4", rows, self.dimension))?;
        self.each(seed, rows, |vector| {
            vector.iter().try_for_each(|number| file.write_all(&number.to_le_bytes()))
        })?;
        file.flush()
    }
}

/// A small generator (xorshift with a multiplication at the end).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Nearly normal, mean 0 and variance 1: the sum of the four parts of a word.
    #[expect(clippy::cast_precision_loss, reason = "18 bits")]
    fn normal(&mut self) -> f32 {
        let word = self.word();
        let sum: u64 = (0..4).map(|part| word >> (16 * part) & 0xffff).sum();
        (sum as f32 / 65_536.0 - 2.0) * 1.732_050_8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_the_same_for_a_seed_and_spread_as_they_should() {
        let source = Source::new(16);
        let some = source.vectors(2, 500);
        assert_eq!(some, source.vectors(2, 500));
        assert_ne!(some, source.vectors(3, 500));
        let count = f32::from(u16::try_from(some.len()).unwrap());
        let mean = some.iter().sum::<f32>() / count;
        let variance = some.iter().map(|n| (n - mean) * (n - mean)).sum::<f32>() / count;
        assert!(mean.abs() < 0.1 && (variance - 2.0).abs() < 0.3, "{mean} {variance}");
    }
}
