//! How weights of a diffusion model are stored.

use std::fmt;

use crate::Certainty;
use crate::model::TensorType;
use crate::phase::product;
use crate::wording::WordingError;

/// A type for weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// All in this type, as GGUF or safetensors have it.
    Plain(TensorType),
    /// Four bits by bitsandbytes, with a scale in single precision for each block of 64.
    Nf4,
}

impl Weights {
    /// The type of this name.
    pub fn parse(text: &str) -> Result<Self, WordingError> {
        let small = text.trim().to_ascii_lowercase();
        match small.as_str() {
            "nf4" | "bnb4" => Ok(Self::Nf4),
            "fp8" => Ok(Self::Plain(TensorType::F8)),
            "fp16" => Ok(Self::Plain(TensorType::F16)),
            "fp32" => Ok(Self::Plain(TensorType::F32)),
            name => name.parse().map(Self::Plain).map_err(|_| WordingError::Unknown {
                found: text.to_owned(),
                known: "bf16, f16, f32, fp8, nf4, and GGUF's q8_0, q6_k, q5_0, q4_k and others".to_owned(),
            }),
        }
    }

    /// What so many parameters take.
    pub fn bytes(self, parameters: u64) -> u64 {
        match self {
            Self::Plain(kind) => kind.size(parameters).map_or(u64::MAX, plimsoll::Bytes::get),
            Self::Nf4 => parameters.div_ceil(2).saturating_add(product(&[parameters.div_ceil(64), 4])),
        }
    }

    /// How sure that is: where not all tensors are of the type, norms and biases stay wide.
    pub fn certainty(self) -> Certainty {
        match self {
            Self::Plain(kind) if !kind.is_quantized() && kind != TensorType::F8 => Certainty::Exact,
            _ => Certainty::Estimated(0.03),
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(kind) => kind.fmt(f),
            Self::Nf4 => f.pad("nf4"),
        }
    }
}
