//! A model's weights as tensors that do not change.

use std::sync::{Mutex, PoisonError};

use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{Dtype, PackedTensor, Stage, Tape, Tensor, TensorError, Var, Weight};

use super::changes::Projection;
use super::conveyor::Conveyor;
use super::homes::{Homes, Stages};
use crate::Decoder;
use crate::weights::{Matrix, Shape};

/// A model's weights as tensors that do not change.
///
/// Most of them may be [away](Homes), where there is room for them, and come when they are needed.
#[derive(Debug)]
pub struct Frozen {
    pub(super) shape: Shape,
    pub(super) stages: Stages,
    homes: Homes,
    conveyor: Mutex<Conveyor>,
    embedding: Tensor,
    pub(super) layers: Vec<FrozenLayer>,
    pub(super) norm: Tensor,
    /// The embedding again, where the model has no output of its own.
    pub(super) output: Tensor,
    pub(super) frequencies: Tensor,
    /// How much longer rotations make queries and keys.
    pub(super) length: f32,
    dtype: Dtype,
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
        stages: impl Into<Stages>,
        dtype: Dtype,
        packing: Option<Packing>,
        homes: Homes,
    ) -> Result<Self, TensorError> {
        let (shape, weights) = (decoder.shape().clone(), &decoder.weights);
        let stages = stages.into();
        let (file, here) = (decoder.file(), &stages.here);
        let matrix = |matrix: &Matrix, stage: &Stage| matrix_tensor(matrix, file, stage, dtype);
        let vector = |numbers: &[f32]| here.floats(numbers, &[numbers.len()])?.cast(dtype);
        let some = |numbers: &[f32]| (!numbers.is_empty()).then(|| vector(numbers)).transpose();
        let output = &weights.output[0];
        let tied = output.bytes == weights.embedding.bytes;
        let homes = Homes { embedding: homes.embedding && !tied, ..homes };
        let embedding = matrix(&weights.embedding, stages.of(homes.embedding)?)?;
        let output = if tied { embedding.clone() } else { matrix(output, here)? };
        let mut layers = Vec::with_capacity(weights.layers.len());
        for (number, layer) in weights.layers.iter().enumerate() {
            let stage = stages.of(homes.has_away(number, shape.layers))?;
            let parts = layer.matrices();
            layers.push(FrozenLayer {
                attention_norm: vector(&layer.attention_norm)?,
                ffn_norm: vector(&layer.ffn_norm)?,
                projections: parts
                    .into_iter()
                    .map(|part| match packing {
                        None => matrix(part, stage).map(Weight::from),
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
            frequencies: here.floats(&frequencies, &[frequencies.len()])?,
            length: weights.scaling.length,
            dtype,
            shape,
            homes,
            conveyor: Mutex::default(),
            stages,
        })
    }

    /// Weights by lot, of a size that keeps what flows at its size: for measurements of a shape whose model is not here.
    pub fn by_lot(
        shape: &Shape,
        tied: bool,
        stages: impl Into<Stages>,
        dtype: Dtype,
        packing: Option<Packing>,
        homes: Homes,
    ) -> Result<Self, TensorError> {
        let (lot, stages) = (Lot::new(), stages.into());
        let here = &stages.here;
        let ones = |len: usize| here.full(1.0, &[len], dtype);
        let homes = Homes { embedding: homes.embedding && !tied, ..homes };
        let sides = [shape.vocabulary, shape.width];
        let embedding = lot.matrix(stages.of(homes.embedding)?, dtype, sides)?;
        let output = if tied { embedding.clone() } else { lot.matrix(here, dtype, sides)? };
        let layer = |number: usize| -> Result<FrozenLayer, TensorError> {
            let stage = stages.of(homes.has_away(number, shape.layers))?;
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
            layers: (0..shape.layers).map(layer).collect::<Result<_, _>>()?,
            norm: ones(shape.width)?,
            output,
            frequencies: here.floats(&frequencies, &[frequencies.len()])?,
            length: 1.0,
            dtype,
            shape: shape.clone(),
            homes,
            conveyor: Mutex::default(),
            stages,
        })
    }

    /// What of it is away.
    pub const fn homes(&self) -> Homes {
        self.homes
    }

    /// Whether a layer's matrices are away.
    pub(super) fn is_away(&self, layer: usize) -> bool {
        self.homes.has_away(layer, self.shape.layers)
    }

    /// Where ids of tokens are wanted.
    pub(super) fn reads_tokens_on(&self) -> Stage {
        self.embedding.stage()
    }

    /// The rows of some tokens, on the tape's stage. Of a table that is away only those rows come.
    pub(super) fn embed(&self, tape: &mut Tape<'_>, tokens: &Tensor) -> Result<Var, TensorError> {
        let there = self.embedding.stage();
        if there.is(tape.stage()) {
            let table = tape.constant(&self.embedding);
            return tape.embedding(&table, tokens);
        }
        let mut look = Tape::without_gradients(&there);
        let table = look.constant(&self.embedding);
        let rows = look.embedding(&table, tokens)?.into_tensor();
        Ok(tape.constant(&rows.to(tape.stage())?))
    }

    /// A matrix of a layer, on the stage that computes. `again` says that layers are gone through from the last to the first.
    pub(super) fn weight(
        &self,
        layer: usize,
        projection: Projection,
        again: bool,
    ) -> Result<Weight, TensorError> {
        let index = projection.index();
        if !self.is_away(layer) {
            return Ok(self.layers[layer].projections[index].clone());
        }
        let following = if again {
            (0..layer).rev().find(|other| self.is_away(*other))
        } else {
            (layer + 1..self.shape.layers).find(|other| self.is_away(*other))
        };
        let mut conveyor = self.conveyor.lock().unwrap_or_else(PoisonError::into_inner);
        let all = conveyor.bring(&self.stages.here, layer, following, |of| &self.layers[of].projections)?;
        Ok(all[index].clone())
    }

    /// Nothing that is away stays here.
    pub(super) fn rest(&self) {
        self.conveyor.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
