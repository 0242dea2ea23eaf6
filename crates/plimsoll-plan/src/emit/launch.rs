//! How a language model is to be run, whichever program runs it.

use std::path::PathBuf;

use plimsoll::{Bytes, Place};

use crate::model::TensorType;

/// Everything that a plan decided about one language model.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// What it is called in the plan.
    pub name: String,
    /// Its weights.
    pub weights: Weights,
    /// Tokens of context of one sequence.
    pub context: u64,
    /// Sequences at once.
    pub parallel: u64,
    /// Whether all sequences share one cache.
    pub unified: bool,
    /// Tokens handed in at once, and computed at once.
    pub batch: (u64, u64),
    /// Types of keys and values.
    pub kv: (TensorType, TensorType),
    /// Whether attention is computed without its scores being kept.
    pub flash: bool,
    /// Layers that go to GPUs, and how many there are, the output counted as one.
    pub offload: (u32, u32),
    /// The GPUs, and how much of the plan each carries.
    pub gpus: Vec<(Place, Bytes)>,
    /// What all of it takes of each GPU, over what that GPU has: for programs that are told a share.
    pub gpu_share: Option<f64>,
    /// A smaller model that guesses ahead.
    pub draft: Option<Weights>,
    /// What sees pictures.
    pub projector: Option<PathBuf>,
    /// Adapters on top.
    pub adapters: Vec<PathBuf>,
    /// Host memory for prompts that were seen before.
    pub prompt_cache: Bytes,
}

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// A file.
    File(PathBuf),
    /// A model of the catalogue in a quantization: the user has to bring the file.
    Named {
        /// Its name.
        model: String,
        /// The quantization's.
        scheme: String,
    },
}

impl Weights {
    /// The file, or the name under which such a file is usually found.
    pub fn file(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Named { model, scheme } => format!("{model}-{scheme}.gguf"),
        }
    }
}
