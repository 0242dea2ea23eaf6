//! A model's tensors, each checked against the shape that the metadata states.

use std::path::Path;

use super::family::Family;
use super::heads::Heads;
use super::matrix::Matrix;
use super::shape::Shape;
use super::tensors::{Finder, Stored};
use super::yarn::Scaling;
use crate::ModelError;

/// All weights of a model.
pub(crate) struct Weights {
    pub(crate) embedding: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Vec<f32>,
    /// The embedding again, where the file has no output of its own. Several pieces, rows after rows, where weights are read
    /// when they are needed.
    pub(crate) output: Vec<Matrix>,
    /// What is done to rotations.
    pub(crate) scaling: Scaling,
}

/// The weights of one layer.
pub(crate) struct Layer {
    pub(crate) attention_norm: Vec<f32>,
    pub(crate) query: Matrix,
    pub(crate) key: Matrix,
    pub(crate) value: Matrix,
    pub(crate) heads: Heads,
    pub(crate) output: Matrix,
    pub(crate) ffn_norm: Vec<f32>,
    pub(crate) gate: Matrix,
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
}

impl Layer {
    /// Its matrices, in the order of [`Projection::ALL`](crate::tune::Projection::ALL).
    pub(crate) const fn matrices(&self) -> [&Matrix; 7] {
        [&self.query, &self.key, &self.value, &self.output, &self.gate, &self.up, &self.down]
    }

    /// The same, to be changed.
    pub(crate) const fn matrices_mut(&mut self) -> [&mut Matrix; 7] {
        let Self { query, key, value, output, gate, up, down, .. } = self;
        [query, key, value, output, gate, up, down]
    }
}

/// Finds all of them. A tensor that is not used is refused: it would change what the model computes. `tied` says that the
/// embedding is the output whatever else there is, and `scaling` what a configuration says of the rotations.
pub(crate) fn load(
    stored: Stored<'_>,
    shape: &Shape,
    file: &[u8],
    path: &Path,
    (tied, mut scaling): (bool, Scaling),
) -> Result<Weights, ModelError> {
    let mut finder = Finder::new(stored, file, path)?;
    let names = stored.outer();
    let embedding = finder.matrix(names.embedding, shape.vocabulary, shape.width)?;
    let norm = finder.vector(names.norm, shape.width)?;
    let output = if finder.has(names.output) && !tied {
        finder.matrix(names.output, shape.vocabulary, shape.width)?
    } else {
        finder.leave(names.output);
        embedding.clone()
    };
    let factors = finder.vector_if("rope_freqs.weight", shape.rope_width / 2, false)?;
    if scaling.factors.is_empty() {
        scaling.factors = factors;
    } else {
        scaling.factors.iter_mut().zip(&factors).for_each(|(one, other)| *one *= other);
    }
    let mut layers = Vec::new();
    for number in 0..shape.layers {
        layers.push(layer(&mut finder, number, shape)?);
    }
    finder.finish()?;
    Ok(Weights { embedding, layers, norm, output: vec![output], scaling })
}

fn layer(finder: &mut Finder<'_>, number: usize, shape: &Shape) -> Result<Layer, ModelError> {
    let stored = finder.stored;
    let name = |part: &str| stored.inner(number, part, "weight");
    let bias = |part: &str| stored.inner(number, part, "bias");
    let (keys, values) = (shape.kv_heads * shape.key_width, shape.kv_heads * shape.value_width);
    let (queries, mixed) = (shape.heads * shape.key_width, shape.heads * shape.value_width);
    let (biased, normed) = (shape.family == Family::Qwen2, shape.family == Family::Qwen3);
    let heads = Heads {
        query_bias: finder.vector_if(&bias("attn_q"), queries, biased)?,
        key_bias: finder.vector_if(&bias("attn_k"), keys, biased)?,
        value_bias: finder.vector_if(&bias("attn_v"), values, biased)?,
        query_norm: finder.vector_if(&name("attn_q_norm"), shape.key_width, normed)?,
        key_norm: finder.vector_if(&name("attn_k_norm"), shape.key_width, normed)?,
    };
    Ok(Layer {
        attention_norm: finder.vector(&name("attn_norm"), shape.width)?,
        query: finder.matrix(&name("attn_q"), queries, shape.width)?,
        key: finder.matrix(&name("attn_k"), keys, shape.width)?,
        value: finder.matrix(&name("attn_v"), values, shape.width)?,
        heads,
        output: finder.matrix(&name("attn_output"), shape.width, mixed)?,
        ffn_norm: finder.vector(&name("ffn_norm"), shape.width)?,
        gate: finder.matrix(&name("ffn_gate"), shape.inner, shape.width)?,
        up: finder.matrix(&name("ffn_up"), shape.inner, shape.width)?,
        down: finder.matrix(&name("ffn_down"), shape.width, shape.inner)?,
    })
}
