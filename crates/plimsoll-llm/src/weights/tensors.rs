//! The tensors of a model, by the names that its format has for them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use plimsoll_plan::model::TensorType;
use plimsoll_plan::read::{gguf, safetensors};
use plimsoll_tensor::packed::Packing;

use super::matrix::Matrix;
use crate::ModelError;

/// The types that matrices may have.
const KINDS: &str = "f32, f16, bf16, q8_0, q4_0, q4_K, q5_K and q6_K";

/// Where a model's tensors are.
#[derive(Clone, Copy)]
pub(crate) enum Stored<'c> {
    /// In a GGUF file.
    Gguf(&'c gguf::Contents),
    /// In safetensors files, each of which begins at such a place of the bytes.
    Files(&'c safetensors::Contents, &'c [usize]),
}

/// What a format calls the tensors that are not in layers.
pub(crate) struct Outer {
    pub(crate) embedding: &'static str,
    pub(crate) norm: &'static str,
    pub(crate) output: &'static str,
}

/// A tensor where it lies.
struct Found<'c> {
    sides: &'c [u64],
    kind: TensorType,
    /// The number of its type where nobody knows that type.
    unknown: Option<u32>,
    bytes: Range<u64>,
}

impl<'c> Stored<'c> {
    fn find(self, name: &str) -> Option<Found<'c>> {
        match self {
            Self::Gguf(contents) => {
                let placed = contents.tensor(name)?;
                let (tensor, unknown) = (&placed.tensor, placed.unknown);
                Some(Found { sides: &tensor.shape, kind: tensor.kind, unknown, bytes: placed.bytes.clone() })
            }
            Self::Files(contents, begins) => {
                let placed = contents.tensor(name)?;
                let begin = begins.get(placed.file).copied().unwrap_or(0) as u64;
                let bytes = placed.bytes.start.saturating_add(begin)..placed.bytes.end.saturating_add(begin);
                let tensor = &placed.tensor;
                Some(Found { sides: &tensor.shape, kind: tensor.kind, unknown: None, bytes })
            }
        }
    }

    /// Names of all tensors.
    fn names(self) -> Vec<&'c str> {
        match self {
            Self::Gguf(contents) => {
                contents.tensors().iter().map(|placed| placed.tensor.name.as_str()).collect()
            }
            Self::Files(contents, _) => {
                contents.tensors().iter().map(|placed| placed.tensor.name.as_str()).collect()
            }
        }
    }

    const fn missing_bytes(self) -> u64 {
        match self {
            Self::Gguf(contents) => contents.missing_bytes(),
            Self::Files(contents, _) => contents.missing_bytes(),
        }
    }

    /// The names outside of layers.
    pub(crate) const fn outer(self) -> Outer {
        match self {
            Self::Gguf(_) => {
                Outer { embedding: "token_embd.weight", norm: "output_norm.weight", output: "output.weight" }
            }
            Self::Files(..) => Outer {
                embedding: "model.embed_tokens.weight",
                norm: "model.norm.weight",
                output: "lm_head.weight",
            },
        }
    }

    /// The name of a layer's tensor, by what GGUF calls it.
    pub(crate) fn inner(self, layer: usize, part: &str, end: &str) -> String {
        if matches!(self, Self::Gguf(_)) {
            return format!("blk.{layer}.{part}.{end}");
        }
        let part = match part {
            "attn_norm" => "input_layernorm",
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_q_norm" => "self_attn.q_norm",
            "attn_k_norm" => "self_attn.k_norm",
            "attn_output" => "self_attn.o_proj",
            "ffn_norm" => "post_attention_layernorm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            other => other,
        };
        format!("model.layers.{layer}.{part}.{end}")
    }

    /// The sides of a tensor, the fastest first.
    pub(crate) fn sides(self, name: &str) -> Option<&'c [u64]> {
        self.find(name).map(|found| found.sides)
    }
}

/// Finds tensors, each checked against the shape that it should have, and remembers which were used.
pub(crate) struct Finder<'c> {
    pub(crate) stored: Stored<'c>,
    file: &'c [u8],
    path: &'c Path,
    used: BTreeSet<String>,
}

impl<'c> Finder<'c> {
    /// Refuses files that lack bytes of their tensors.
    pub(crate) fn new(stored: Stored<'c>, file: &'c [u8], path: &'c Path) -> Result<Self, ModelError> {
        if stored.missing_bytes() > 0 {
            return Err(ModelError::CutShort { path: path.to_owned(), missing: stored.missing_bytes() });
        }
        Ok(Self { stored, file, path, used: BTreeSet::new() })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.stored.find(name).is_some()
    }

    /// Leaves a tensor unused, if it is there.
    pub(crate) fn leave(&mut self, name: &str) {
        self.used.insert(name.to_owned());
    }

    fn find(&mut self, name: &str, sides: &[usize]) -> Result<Matrix, ModelError> {
        let path = || self.path.to_owned();
        let Some(placed) = self.stored.find(name) else {
            return Err(ModelError::Missing { path: path(), name: name.to_owned() });
        };
        let wanted: Vec<u64> = sides.iter().map(|side| *side as u64).collect();
        // A side of one at the end may be written or not.
        let mut found = placed.sides.to_vec();
        while found.len() > wanted.len() && found.last() == Some(&1) {
            found.pop();
        }
        if found != wanted {
            return Err(ModelError::Sides { path: path(), name: name.to_owned(), found, wanted });
        }
        let kind = match (placed.unknown, placed.kind) {
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
        self.used.insert(name.to_owned());
        Ok(Matrix { kind, rows, columns, bytes })
    }

    pub(crate) fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, ModelError> {
        self.find(name, &[columns, rows])
    }

    /// A few numbers, which are kept as singles.
    pub(crate) fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
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

    /// The same, where there need not be any.
    pub(crate) fn vector_if(&mut self, name: &str, len: usize, needed: bool) -> Result<Vec<f32>, ModelError> {
        if needed || self.has(name) { self.vector(name, len) } else { Ok(Vec::new()) }
    }

    /// Refuses what nothing here uses: it would change what the model computes.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        // What older programs wrote of the rotations follows from the configuration.
        let derived = |name: &str| name.ends_with(".rotary_emb.inv_freq");
        let odd = self.stored.names().into_iter().find(|name| !self.used.contains(*name) && !derived(name));
        match odd {
            None => Ok(()),
            Some(name) => {
                Err(ModelError::Feature { path: self.path.to_owned(), what: format!("the tensor {name:?}") })
            }
        }
    }
}
