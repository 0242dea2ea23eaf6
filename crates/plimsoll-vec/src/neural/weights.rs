//! The weights of a neural codec: plain data.

use std::collections::BTreeMap;

use plimsoll::governor::Charge;

use super::{NeuralError, NeuralShape};

/// What each of the weights is called, in files and in errors.
pub(super) const ENCODER: &str = "encoder";
pub(super) const DECODER: &str = "decoder";
pub(super) const MEAN: &str = "mean";

/// Encoder, decoder and mean.
///
/// It does nothing by itself; [`NeuralCodec`](super::NeuralCodec) runs it. [`read`](Self::read) pays for what it holds; what
/// is given to [`new`](Self::new) is the caller's to pay. It takes `4 (2 L D + D)` bytes.
///
/// ```
/// use plimsoll_vec::neural::{NeuralShape, Weights};
///
/// // Two of three numbers are kept.
/// let encoder = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
/// let decoder = vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
/// let weights = Weights::new(NeuralShape::new(3, 2), encoder, decoder, vec![0.0; 3])?;
/// assert_eq!(weights.shape().row_bytes(), 6);
/// # Ok::<(), plimsoll_vec::neural::NeuralError>(())
/// ```
#[derive(Debug)]
pub struct Weights {
    shape: NeuralShape,
    encoder: Vec<f32>,
    decoder: Vec<f32>,
    mean: Vec<f32>,
    facts: BTreeMap<String, String>,
    paid: Option<Charge>,
}

impl Weights {
    /// `encoder` has a row of `dimension` numbers for each number of the latent, `decoder` a row of `latent` numbers for each
    /// number of the vector, and `mean` is taken off a vector before it is coded.
    pub fn new(
        shape: NeuralShape,
        encoder: Vec<f32>,
        decoder: Vec<f32>,
        mean: Vec<f32>,
    ) -> Result<Self, NeuralError> {
        shape.check()?;
        let matrix = shape.dimension * shape.latent;
        for (tensor, numbers, expected) in
            [(ENCODER, &encoder, matrix), (DECODER, &decoder, matrix), (MEAN, &mean, shape.dimension)]
        {
            if numbers.len() != expected {
                let NeuralShape { dimension, latent, .. } = shape;
                return Err(NeuralError::Weights {
                    tensor,
                    found: numbers.len(),
                    expected,
                    dimension,
                    latent,
                });
            }
            if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
                return Err(NeuralError::NotFinite { tensor, at, value: numbers[at] });
            }
        }
        Ok(Self { shape, encoder, decoder, mean, facts: BTreeMap::new(), paid: None })
    }

    /// With what pays for them.
    pub(super) fn paid(mut self, charge: Charge) -> Self {
        self.paid = Some(charge);
        self
    }

    /// With a fact that goes into the file: how they were trained, on what, and what came of it.
    #[must_use]
    pub fn fact(mut self, name: &str, value: &impl ToString) -> Self {
        self.facts.insert(name.to_owned(), value.to_string());
        self
    }

    /// Encoder, decoder and mean; whoever takes them pays for them.
    pub(crate) fn into_parts(self) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        (self.encoder, self.decoder, self.mean)
    }

    /// How long vectors and latents are.
    pub fn shape(&self) -> NeuralShape {
        self.shape
    }

    /// `latent × dimension`.
    pub fn encoder(&self) -> &[f32] {
        &self.encoder
    }

    /// `dimension × latent`.
    pub fn decoder(&self) -> &[f32] {
        &self.decoder
    }

    /// What is taken off a vector before it is coded.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// What the file says besides.
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.facts
    }
}
