//! A model's tensors, each checked against the shape that the metadata states.

use std::path::Path;

use plimsoll_plan::model::TensorType;
use plimsoll_plan::read::gguf::Contents;
use plimsoll_tensor::packed::Packing;

use super::matrix::Matrix;
use super::shape::Shape;
use crate::ModelError;

/// The types that matrices may have.
const KINDS: &str = "f32, f16, bf16, q8_0, q4_0, q4_K, q5_K and q6_K";

/// All weights of a model.
pub(crate) struct Weights {
    pub(crate) embedding: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Vec<f32>,
    /// The embedding again, where the file has no output of its own.
    pub(crate) output: Matrix,
    /// By what the frequencies of the rotations are divided, a number for each pair; empty if they are not.
    pub(crate) rope_factors: Vec<f32>,
}

/// The weights of one layer.
pub(crate) struct Layer {
    pub(crate) attention_norm: Vec<f32>,
    pub(crate) query: Matrix,
    pub(crate) key: Matrix,
    pub(crate) value: Matrix,
    pub(crate) output: Matrix,
    pub(crate) ffn_norm: Vec<f32>,
    pub(crate) gate: Matrix,
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
}

/// Finds all of them. A tensor that is not used is refused: it would change what the model computes.
pub(crate) fn load(
    contents: &Contents,
    shape: &Shape,
    file: &[u8],
    path: &Path,
) -> Result<Weights, ModelError> {
    if contents.missing_bytes() > 0 {
        return Err(ModelError::CutShort { path: path.to_owned(), missing: contents.missing_bytes() });
    }
    let mut finder = Finder { contents, file, path, used: 0 };
    let embedding = finder.matrix("token_embd.weight", shape.vocabulary, shape.width)?;
    let norm = finder.vector("output_norm.weight", shape.width)?;
    let output = match contents.tensor("output.weight") {
        Some(_) => finder.matrix("output.weight", shape.vocabulary, shape.width)?,
        None => embedding.clone(),
    };
    let rope_factors = match contents.tensor("rope_freqs.weight") {
        Some(_) => finder.vector("rope_freqs.weight", shape.rope_width / 2)?,
        None => Vec::new(),
    };
    let mut layers = Vec::new();
    for number in 0..shape.layers {
        layers.push(layer(&mut finder, number, shape)?);
    }
    if finder.used < contents.tensors().len() {
        return Err(finder.odd(shape));
    }
    Ok(Weights { embedding, layers, norm, output, rope_factors })
}

fn layer(finder: &mut Finder<'_>, number: usize, shape: &Shape) -> Result<Layer, ModelError> {
    let name = |part: &str| format!("blk.{number}.{part}.weight");
    let (keys, values) = (shape.kv_heads * shape.key_width, shape.kv_heads * shape.value_width);
    let (queries, mixed) = (shape.heads * shape.key_width, shape.heads * shape.value_width);
    Ok(Layer {
        attention_norm: finder.vector(&name("attn_norm"), shape.width)?,
        query: finder.matrix(&name("attn_q"), queries, shape.width)?,
        key: finder.matrix(&name("attn_k"), keys, shape.width)?,
        value: finder.matrix(&name("attn_v"), values, shape.width)?,
        output: finder.matrix(&name("attn_output"), shape.width, mixed)?,
        ffn_norm: finder.vector(&name("ffn_norm"), shape.width)?,
        gate: finder.matrix(&name("ffn_gate"), shape.inner, shape.width)?,
        up: finder.matrix(&name("ffn_up"), shape.inner, shape.width)?,
        down: finder.matrix(&name("ffn_down"), shape.width, shape.inner)?,
    })
}

struct Finder<'c> {
    contents: &'c Contents,
    file: &'c [u8],
    path: &'c Path,
    /// How many tensors were found.
    used: usize,
}

impl Finder<'_> {
    fn find(&mut self, name: &str, sides: &[usize]) -> Result<Matrix, ModelError> {
        let path = || self.path.to_owned();
        let Some(placed) = self.contents.tensor(name) else {
            return Err(ModelError::Missing { path: path(), name: name.to_owned() });
        };
        let wanted: Vec<u64> = sides.iter().map(|side| *side as u64).collect();
        // A side of one at the end may be written or not.
        let mut found = placed.tensor.shape.clone();
        while found.len() > wanted.len() && found.last() == Some(&1) {
            found.pop();
        }
        if found != wanted {
            return Err(ModelError::Sides { path: path(), name: name.to_owned(), found, wanted });
        }
        let kind = match (placed.unknown, placed.tensor.kind) {
            (None, TensorType::F32) => Packing::F32,
            (None, TensorType::F16) => Packing::F16,
            (None, TensorType::BF16) => Packing::Bf16,
            (None, TensorType::Q8_0) => Packing::Q8_0,
            (None, TensorType::Q4_0) => Packing::Q4_0,
            (None, TensorType::Q4_K) => Packing::Q4K,
            (None, TensorType::Q5_K) => Packing::Q5K,
            (None, TensorType::Q6_K) => Packing::Q6K,
            (unknown, kind) => {
                let found = unknown.map_or_else(|| kind.to_string(), |number| format!("number {number}"));
                return Err(ModelError::Kind { path: path(), name: name.to_owned(), found, wanted: KINDS });
            }
        };
        let (columns, rows) = (sides.first().copied().unwrap_or(0), sides.get(1).copied().unwrap_or(1));
        let range = usize::try_from(placed.bytes.start).ok().zip(usize::try_from(placed.bytes.end).ok());
        let bytes = match range {
            Some((start, end)) if end <= self.file.len() && start <= end => start..end,
            _ => {
                let missing = placed.bytes.end.saturating_sub(self.file.len() as u64);
                return Err(ModelError::CutShort { path: path(), missing });
            }
        };
        self.used += 1;
        Ok(Matrix { kind, rows, columns, bytes })
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, ModelError> {
        self.find(name, &[columns, rows])
    }

    /// A few numbers, which are kept as singles.
    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        let file = self.file;
        let matrix = self.find(name, &[len])?;
        if matrix.kind.block_numbers() > 1 {
            let (path, found) = (self.path.to_owned(), matrix.kind.to_string());
            return Err(ModelError::Kind { path, name: name.to_owned(), found, wanted: "f32, f16 and bf16" });
        }
        let mut numbers = vec![0.0; len];
        matrix.of(file).row(0, &mut numbers);
        Ok(numbers)
    }

    /// The refusal of a tensor that nothing here uses.
    fn odd(&self, shape: &Shape) -> ModelError {
        let parts = [
            "attn_norm",
            "attn_q",
            "attn_k",
            "attn_v",
            "attn_output",
            "ffn_norm",
            "ffn_gate",
            "ffn_up",
            "ffn_down",
        ];
        let known = |name: &str| {
            let outer = ["token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight"];
            let layer = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
            let inner = layer.is_some_and(|(number, rest)| {
                number.parse::<usize>().is_ok_and(|number| number < shape.layers)
                    && rest.strip_suffix(".weight").is_some_and(|part| parts.contains(&part))
            });
            outer.contains(&name) || inner
        };
        let odd = self.contents.tensors().iter().find(|placed| !known(&placed.tensor.name));
        let name = odd.map(|placed| placed.tensor.name.clone()).unwrap_or_default();
        ModelError::Feature { path: self.path.to_owned(), what: format!("the tensor {name:?}") }
    }
}
