//! How long vectors and latents are.

use std::fmt;

use super::NeuralError;
use crate::DIMENSION_MAX;

/// What a neural codec takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NeuralShape {
    /// Numbers of a vector.
    pub dimension: usize,
    /// Numbers of a latent, a byte each: 1 to as many as a vector has.
    pub latent: usize,
    /// Whether vectors are brought to length one before they are coded, as is right for cosine.
    pub normalized: bool,
}

impl NeuralShape {
    /// Usual ones: 768 → 128, 768 → 64 for directions, 384 → 64.
    pub const PRESETS: [Self; 3] = [Self::new(768, 128), Self::new(768, 64).unit(), Self::new(384, 64)];

    /// From so many numbers to so many.
    pub const fn new(dimension: usize, latent: usize) -> Self {
        Self { dimension, latent, normalized: false }
    }

    /// The same for vectors of length one.
    #[must_use]
    pub const fn unit(mut self) -> Self {
        self.normalized = true;
        self
    }

    /// What a coded vector takes: a byte a number, and its scale.
    pub const fn row_bytes(self) -> usize {
        self.latent.saturating_add(4)
    }

    /// What the weights take as singles: encoder, decoder, mean.
    pub const fn weight_bytes(self) -> u64 {
        let matrix = (self.dimension as u64).saturating_mul(self.latent as u64);
        matrix.saturating_mul(8).saturating_add(self.dimension as u64 * 4)
    }

    /// Whether there can be such a codec.
    pub fn check(self) -> Result<(), NeuralError> {
        let Self { dimension, latent, .. } = self;
        if dimension == 0 || dimension > DIMENSION_MAX {
            return Err(crate::CodeError::Dimension { dimension }.into());
        }
        if latent == 0 || latent > dimension {
            return Err(NeuralError::Latent { latent, dimension });
        }
        Ok(())
    }
}

impl fmt::Display for NeuralShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{}", self.dimension, self.latent)?;
        if self.normalized { f.write_str(", normalized") } else { Ok(()) }
    }
}
