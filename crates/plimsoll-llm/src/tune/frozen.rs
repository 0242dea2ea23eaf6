//! A model's weights as tensors that do not change.

use std::sync::{Arc, Mutex, PoisonError};

use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{Dtype, Stage, Tape, Tensor, TensorError, Together, Var, Weight};

use super::changes::Projection;
use super::conveyor::Conveyor;
use super::homes::{Home, Homes, Stages};
use super::matrices::{KeptAs, Matrices};
use crate::Decoder;
use crate::weights::{Matrix, Shape};

/// A model's weights as tensors that do not change.
///
/// Most of them may be [away or divided](Homes), and come when they are needed.
#[derive(Debug)]
pub struct Frozen {
    pub(super) shape: Shape,
    pub(super) stages: Stages,
    homes: Homes,
    conveyor: Mutex<Conveyor>,
    /// Who has the other parts of what is divided.
    together: Option<Arc<dyn Together>>,
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
    pub(super) projections: Matrices,
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
        let kept = KeptAs { dtype, packing };
        let matrix = |matrix: &Matrix, stage: &Stage| {
            let (view, sides) = (matrix.of(file), [matrix.rows, matrix.columns]);
            kept.floats(stage, sides, |row, into| view.row(row, into))
        };
        let vector = |numbers: &[f32]| here.floats(numbers, &[numbers.len()])?.cast(dtype);
        let some = |numbers: &[f32]| (!numbers.is_empty()).then(|| vector(numbers)).transpose();
        let output = &weights.output[0];
        let tied = output.bytes == weights.embedding.bytes;
        let homes = Homes { embedding: homes.embedding && !tied, ..homes };
        let embedding = matrix(&weights.embedding, stages.of(homes.embedding)?)?;
        let output = if tied { embedding.clone() } else { matrix(output, here)? };
        let mut layers = Vec::with_capacity(weights.layers.len());
        for (number, layer) in weights.layers.iter().enumerate() {
            let parts = layer.matrices().into_iter().map(|part| {
                let view = part.of(file);
                ([part.rows, part.columns], move |row: usize, into: &mut [f32]| view.row(row, into))
            });
            layers.push(FrozenLayer {
                attention_norm: vector(&layer.attention_norm)?,
                ffn_norm: vector(&layer.ffn_norm)?,
                projections: kept.layer(&stages, homes.of(number, shape.layers), parts)?,
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
            together: None,
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
        let kept = KeptAs { dtype, packing };
        let table = |stage: &Stage| {
            let width = shape.width;
            kept.floats(stage, [shape.vocabulary, width], |row, into| lot.fill(row * width, width, into))
        };
        let embedding = table(stages.of(homes.embedding)?)?;
        let output = if tied { embedding.clone() } else { table(here)? };
        let layer = |number: usize| -> Result<FrozenLayer, TensorError> {
            let all = Projection::ALL.into_iter().map(|projection| {
                let [rows, columns] = projection.sides(shape);
                let lot = &lot;
                let row = move |row: usize, into: &mut [f32]| lot.fill(row * columns, columns, into);
                ([rows, columns], row)
            });
            Ok(FrozenLayer {
                attention_norm: ones(shape.width)?,
                ffn_norm: ones(shape.width)?,
                projections: kept.layer(&stages, homes.of(number, shape.layers), all)?,
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
            together: None,
            stages,
        })
    }

    /// What of it is away.
    pub const fn homes(&self) -> Homes {
        self.homes
    }

    /// Whether a layer's matrices come when they are needed, and go again.
    pub(super) fn comes(&self, layer: usize) -> bool {
        self.homes.of(layer, self.shape.layers) != Home::Here
    }

    /// What is divided is gathered with these from here on.
    pub(super) fn join(&mut self, together: Arc<dyn Together>) {
        self.together = Some(together);
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
        let (layers, index) = (self.shape.layers, projection.index());
        if let (false, Matrices::Whole(all)) = (self.comes(layer), &self.layers[layer].projections) {
            return Ok(all[index].clone());
        }
        let following = if again {
            (0..layer).rev().find(|other| self.comes(*other))
        } else {
            (layer + 1..layers).find(|other| self.comes(*other))
        };
        let (here, together) = (&self.stages.here, self.together.as_deref());
        let mut conveyor = self.conveyor.lock().unwrap_or_else(PoisonError::into_inner);
        let all = conveyor.bring(layer, following, |of| self.layers[of].projections.on(here, together))?;
        Ok(all[index].clone())
    }

    /// Nothing that came stays here.
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
