//! Why nothing was learned.

use plimsoll::EngineError;
use plimsoll_llm::ModelError;
use plimsoll_llm::tune::TuneError;
use plimsoll_tensor::TensorError;

/// Why `plimsoll train` did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A model that cannot be computed with.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The line, or what is charged to it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A training that does not begin or go on.
    #[error(transparent)]
    Tune(#[from] TuneError),
    /// The losses could not be drawn.
    #[error("the picture could not be drawn: {0}")]
    Picture(String),
}

impl TrainError {
    /// What to do about it.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Model(_) => "give a GGUF file of the Llama family",
            Self::Engine(_) => "give it a higher `--line`",
            Self::Tune(TuneError::NotFinite { .. }) => {
                "what was kept last is as it was: start again with a lower `--rate` and it goes on from there"
            }
            Self::Tune(TuneError::Floor { .. } | TuneError::Tensor(TensorError::Lease(_))) => {
                "give it a higher `--line`, or a lower `--sequence`, `--batch` or `--rank`"
            }
            Self::Tune(_) => "`plimsoll train lora --help` has examples",
            Self::Picture(_) => "leave `--svg` out; the losses are in `--json` as well",
        }
    }
}
