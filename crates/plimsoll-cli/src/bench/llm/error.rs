//! Why a model could not be measured.

use plimsoll::governor::Refusal;
use plimsoll::{EngineError, Place};
use plimsoll_device::DeviceError;
use plimsoll_llm::{BatchError, ModelError, SampleError, StepError};

use crate::backends::BackendError;
use crate::bench::made_up::MadeUpError;

/// Why a model could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LlmBenchError {
    /// The file.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A step.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A step of several sequences.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// No token could be drawn.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The made-up model could not be written.
    #[error(transparent)]
    Write(#[from] MadeUpError),
    /// A context that has no room for anything.
    #[error("a context of {context} tokens is too short to measure: 16 are the least; name another model")]
    Short {
        /// What the model states.
        context: usize,
    },
    /// A device.
    #[error("nothing can be measured at {place}: {why}")]
    Place {
        /// Which.
        place: Place,
        /// Why.
        why: Box<BackendError>,
    },
    /// What it does not do.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Its line.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Room for the weights.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No page-locked memory.
    #[error("{place} has no page-locked memory beside it from which layers could come: take a GPU of CUDA")]
    Beside {
        /// Which.
        place: Place,
    },
    /// Memory for the array that is read beside.
    #[error(
        "there is no memory for an array of {bytes} bytes to read beside the model; name a smaller model or --shape 100m"
    )]
    Memory {
        /// How much.
        bytes: usize,
    },
}
