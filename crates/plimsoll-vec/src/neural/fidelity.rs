//! What came back of vectors that were coded.

use crate::CodeError;

/// How near vectors came back, added up over as many as were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fidelity {
    vectors: u64,
    numbers: u64,
    signal: f64,
    noise: f64,
    cosines: f64,
}

impl Fidelity {
    /// Of vectors and what came back of them, row after row.
    pub fn of(vectors: &[f32], back: &[f32], dimension: usize) -> Result<Self, CodeError> {
        let mut sum = Self::default();
        sum.add(vectors, back, dimension)?;
        Ok(sum)
    }

    /// Looks at more.
    pub fn add(&mut self, vectors: &[f32], back: &[f32], dimension: usize) -> Result<(), CodeError> {
        if dimension == 0 {
            return Err(CodeError::Dimension { dimension });
        }
        crate::code::whole(vectors, dimension)?;
        if vectors.len() != back.len() {
            return Err(CodeError::Target { numbers: vectors.len(), places: back.len() });
        }
        for (vector, back) in vectors.chunks_exact(dimension).zip(back.chunks_exact(dimension)) {
            let (mut signal, mut noise, mut product, mut square) = (0.0, 0.0, 0.0, 0.0);
            for (x, y) in vector.iter().zip(back) {
                let (x, y) = (f64::from(*x), f64::from(*y));
                signal += x * x;
                noise += (x - y) * (x - y);
                product += x * y;
                square += y * y;
            }
            self.vectors += 1;
            self.numbers += dimension as u64;
            self.signal += signal;
            self.noise += noise;
            let lengths = (signal * square).sqrt();
            // Nothing that came back as nothing came back whole.
            self.cosines += if lengths > 0.0 {
                product / lengths
            } else {
                f64::from(u8::from(signal <= 0.0 && square <= 0.0))
            };
        }
        Ok(())
    }

    /// How many vectors were looked at.
    pub fn vectors(&self) -> u64 {
        self.vectors
    }

    /// The mean square of what a number is off by.
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub fn mse(&self) -> f64 {
        self.noise / self.numbers.max(1) as f64
    }

    /// The mean cosine of vectors and what came back.
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub fn cosine(&self) -> f64 {
        self.cosines / self.vectors.max(1) as f64
    }

    /// The signal's power over the noise's, in decibels: `10 · log₁₀(Σx² / Σ(x − x̂)²)`. Infinite where nothing was lost.
    pub fn snr_db(&self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_has_the_power_of_the_signal() {
        let vectors = [3.0, 4.0, 0.0, 10.0];
        let back = [3.0, 3.0, 0.0, 9.0];
        let found = Fidelity::of(&vectors, &back, 2).unwrap();
        assert_eq!((found.vectors(), found.mse()), (2, 0.5));
        assert!((found.snr_db() - 10.0 * (125.0_f64 / 2.0).log10()).abs() < 1e-12);
        assert!((found.cosine() - f64::midpoint(21.0 / (5.0 * 18.0_f64.sqrt()), 1.0)).abs() < 1e-12);
        // Ten times the signal with the same relative noise: the same ratio, another mean square.
        let ten = |numbers: [f32; 4]| numbers.map(|x| x * 10.0);
        let larger = Fidelity::of(&ten(vectors), &ten(back), 2).unwrap();
        assert!((larger.snr_db() - found.snr_db()).abs() < 1e-9 && larger.mse() > 40.0);
        assert!(Fidelity::of(&vectors, &vectors, 4).unwrap().snr_db().is_infinite());
        assert!(Fidelity::of(&vectors, &back[..2], 2).is_err());
        assert!(Fidelity::of(&vectors, &back, 3).is_err());
    }
}
