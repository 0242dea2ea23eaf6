//! A model's weights as tensors that do not change.

use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{Dtype, PackedTensor, Stage, Tensor, TensorError, Weight};

use super::changes::Projection;
use crate::Decoder;
use crate::weights::{Matrix, Shape};

/// A model's weights as tensors that do not change.
#[derive(Debug)]
pub struct Frozen {
    pub(super) shape: Shape,
    pub(super) embedding: Tensor,
    pub(super) layers: Vec<FrozenLayer>,
    pub(super) norm: Tensor,
    /// The embedding again, where the model has no output of its own.
    pub(super) output: Tensor,
    pub(super) frequencies: Tensor,
    /// How much longer rotations make queries and keys.
    pub(super) length: f32,
    pub(super) dtype: Dtype,
}

#[derive(Debug)]
pub(super) struct FrozenLayer {
    pub(super) attention_norm: Tensor,
    pub(super) ffn_norm: Tensor,
    /// In the order of [`Projection::ALL`].
    pub(super) projections: Vec<Weight>,
    /// Of queries, keys and values, where the family has them.
    pub(super) biases: [Option<Tensor>; 3],
    /// Of the heads of queries and keys, where the family has them.
    pub(super) head_norms: [Option<Tensor>; 2],
}

impl Frozen {
    /// A model file's weights, kept as `dtype`; the matrices of layers packed, if that is said, which takes a quarter or an
    /// eighth of singles.
    ///
    /// # Panics
    /// If the decoder reads its weights when they are needed: all of them are needed here.
    pub fn of(
        decoder: &Decoder,
        stage: &Stage,
        dtype: Dtype,
        packing: Option<Packing>,
    ) -> Result<Self, TensorError> {
        let (shape, weights) = (decoder.shape().clone(), &decoder.weights);
        let file = decoder.file();
        let matrix = |matrix: &Matrix| matrix_tensor(matrix, file, stage, dtype);
        let vector = |numbers: &[f32]| stage.floats(numbers, &[numbers.len()])?.cast(dtype);
        let some = |numbers: &[f32]| (!numbers.is_empty()).then(|| vector(numbers)).transpose();
        let embedding = matrix(&weights.embedding)?;
        let output = &weights.output[0];
        let output =
            if output.bytes == weights.embedding.bytes { embedding.clone() } else { matrix(output)? };
        let mut layers = Vec::with_capacity(weights.layers.len());
        for layer in &weights.layers {
            let parts = layer.matrices();
            layers.push(FrozenLayer {
                attention_norm: vector(&layer.attention_norm)?,
                ffn_norm: vector(&layer.ffn_norm)?,
                projections: parts
                    .into_iter()
                    .map(|part| match packing {
                        None => matrix(part).map(Weight::from),
                        Some(packing) => {
                            let sides = [part.rows, part.columns];
                            let made = PackedTensor::made(stage, packing, sides, |row, into| {
                                part.of(file).row(row, into);
                            });
                            made.map(Weight::from)
                        }
                    })
                    .collect::<Result<_, _>>()?,
                biases: [
                    some(&layer.heads.query_bias)?,
                    some(&layer.heads.key_bias)?,
                    some(&layer.heads.value_bias)?,
                ],
                head_norms: [some(&layer.heads.query_norm)?, some(&layer.heads.key_norm)?],
            });
        }
        let frequencies = frequencies(&shape, &weights.scaling.factors);
        Ok(Self {
            embedding,
            layers,
            norm: vector(&weights.norm)?,
            output,
            frequencies: stage.floats(&frequencies, &[frequencies.len()])?,
            length: weights.scaling.length,
            dtype,
            shape,
        })
    }

    /// Weights by lot, of a size that keeps what flows at its size: for measurements of a shape whose model is not here.
    pub fn by_lot(
        shape: &Shape,
        tied: bool,
        stage: &Stage,
        dtype: Dtype,
        packing: Option<Packing>,
    ) -> Result<Self, TensorError> {
        let lot = Lot::new();
        let ones = |len: usize| stage.full(1.0, &[len], dtype);
        let embedding = lot.matrix(stage, dtype, [shape.vocabulary, shape.width])?;
        let output =
            if tied { embedding.clone() } else { lot.matrix(stage, dtype, [shape.vocabulary, shape.width])? };
        let layer = || -> Result<FrozenLayer, TensorError> {
            let sides = Projection::ALL.map(|projection| projection.sides(shape));
            let projections = sides.iter().map(|sides| match packing {
                None => lot.matrix(stage, dtype, *sides).map(Weight::from),
                Some(packing) => lot.packed(stage, packing, *sides).map(Weight::from),
            });
            Ok(FrozenLayer {
                attention_norm: ones(shape.width)?,
                ffn_norm: ones(shape.width)?,
                projections: projections.collect::<Result<_, _>>()?,
                biases: [const { None }; 3],
                head_norms: [const { None }; 2],
            })
        };
        let frequencies = frequencies(shape, &[]);
        Ok(Self {
            embedding,
            layers: (0..shape.layers).map(|_| layer()).collect::<Result<_, _>>()?,
            norm: ones(shape.width)?,
            output,
            frequencies: stage.floats(&frequencies, &[frequencies.len()])?,
            length: 1.0,
            dtype,
            shape: shape.clone(),
        })
    }

    /// What the model is made of.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How weights, and what flows between them, are kept.
    pub const fn dtype(&self) -> Dtype {
        self.dtype
    }
}

/// A matrix of a model file as a tensor, made a few rows at a time.
fn matrix_tensor(matrix: &Matrix, file: &[u8], stage: &Stage, dtype: Dtype) -> Result<Tensor, TensorError> {
    let view = matrix.of(file);
    let mut row = vec![0.0; matrix.columns];
    let mut have = usize::MAX;
    stage.made(&[matrix.rows, matrix.columns], dtype, |from, into| {
        let mut at = from;
        let mut rest = into;
        while !rest.is_empty() {
            let (number, within) = (at / matrix.columns, at % matrix.columns);
            if have != number {
                view.row(number, &mut row);
                have = number;
            }
            let len = (matrix.columns - within).min(rest.len());
            let (piece, behind) = rest.split_at_mut(len);
            piece.copy_from_slice(&row[within..within + len]);
            (rest, at) = (behind, at + len);
        }
    })
}

/// By how much a position turns each pair.
#[expect(clippy::cast_precision_loss, reason = "widths are small")]
fn frequencies(shape: &Shape, factors: &[f32]) -> Vec<f32> {
    let step = shape.rope_base.powf(-2.0 / shape.rope_width as f32);
    let pairs = (0..shape.rope_width / 2).scan(1.0_f32, |angle, _| {
        let this = *angle;
        *angle *= step;
        Some(this)
    });
    let factor = |pair: usize| factors.get(pair).copied().unwrap_or(1.0);
    pairs.enumerate().map(|(pair, angle)| angle / factor(pair) / shape.rope_divisor).collect()
}

/// A run of numbers between −1 and 1 by lot, which is repeated: what is measured with them does not depend on them.
struct Lot {
    numbers: Vec<f32>,
}

impl Lot {
    fn new() -> Self {
        let mut draw = super::changes::Dice::new(17);
        Self { numbers: (0..(1 << 16) - 19).map(|_| draw.between()).collect() }
    }

    fn matrix(&self, stage: &Stage, dtype: Dtype, sides: [usize; 2]) -> Result<Tensor, TensorError> {
        stage.made(&sides, dtype, |from, into| self.fill(from, sides[1], into))
    }

    fn packed(
        &self,
        stage: &Stage,
        packing: Packing,
        sides: [usize; 2],
    ) -> Result<PackedTensor, TensorError> {
        PackedTensor::made(stage, packing, sides, |row, into| self.fill(row * sides[1], sides[1], into))
    }

    /// A matrix's numbers from one on, of a size that keeps what flows through rows of `inner` at its size.
    #[expect(clippy::cast_precision_loss, reason = "widths are small")]
    fn fill(&self, from: usize, inner: usize, into: &mut [f32]) {
        let size = (3.0 / inner as f32).sqrt();
        let rest = &self.numbers[from % self.numbers.len()..];
        let numbers = rest.iter().chain(self.numbers.iter().cycle());
        for (into, number) in into.iter_mut().zip(numbers) {
            *into = size * number;
        }
    }
}
