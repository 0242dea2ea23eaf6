//! What vectors become.

use plimsoll::governor::Charge;

use super::NeuralError;

/// Coded vectors: levels in one piece, row after row, and a scale a row.
#[derive(Debug)]
pub struct Latents {
    pub(super) levels: Vec<i8>,
    pub(super) scales: Vec<f32>,
    pub(super) latent: usize,
    pub(super) _paid: Charge,
}

impl Latents {
    /// What so many take.
    pub const fn bytes_for(rows: usize, latent: usize) -> u64 {
        (rows as u64).saturating_mul(latent as u64 + 4)
    }

    /// How many.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// All of them.
    pub fn view(&self) -> LatentRows<'_> {
        LatentRows { levels: &self.levels, scales: &self.scales, latent: self.latent }
    }
}

/// Coded vectors that somebody keeps: `rows × latent` levels, and `rows` scales.
#[derive(Clone, Copy, Debug)]
pub struct LatentRows<'a> {
    levels: &'a [i8],
    scales: &'a [f32],
    latent: usize,
}

impl<'a> LatentRows<'a> {
    /// Looks at memory as latents of so many levels.
    pub fn new(levels: &'a [i8], scales: &'a [f32], latent: usize) -> Result<Self, NeuralError> {
        if latent == 0 || Some(levels.len()) != scales.len().checked_mul(latent) {
            return Err(NeuralError::Latents { levels: levels.len(), scales: scales.len(), latent });
        }
        Ok(Self { levels, scales, latent })
    }

    /// How many.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Levels of each.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// The levels, row after row.
    pub fn levels(&self) -> &'a [i8] {
        self.levels
    }

    /// The scales.
    pub fn scales(&self) -> &'a [f32] {
        self.scales
    }
}
