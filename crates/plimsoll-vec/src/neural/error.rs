//! Why a neural codec does not do what was asked.

use std::io;
use std::path::PathBuf;

use plimsoll::governor::Refusal;
use plimsoll::pool::LeaseError;
use plimsoll::{Bytes, EngineError};

use crate::CodeError;
use crate::input::InputError;
use crate::top::TopsError;

/// What went wrong with a neural codec.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NeuralError {
    /// Vectors that cannot be coded, or targets that do not fit.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// Vectors that cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// More or fewer neighbours than can be searched.
    #[error(transparent)]
    Tops(#[from] TopsError),
    /// Memory that was not granted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Memory that was not given.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The device does not multiply rows.
    #[error(
        "{device} reads no latents back: do it on the host, or bring what compiles kernels (for CUDA, NVRTC)"
    )]
    NoKernels {
        /// Its name.
        device: String,
    },
    /// A latent of no numbers, or of more than a vector has.
    #[error("vectors of {dimension} numbers cannot become latents of {latent}: take 1 to {dimension}")]
    Latent {
        /// What was asked for.
        latent: usize,
        /// Numbers of a vector.
        dimension: usize,
    },
    /// Weights of another shape.
    #[error(
        "the {tensor} has {found} numbers, and vectors of {dimension} with latents of {latent} need {expected}"
    )]
    Weights {
        /// Which of them.
        tensor: &'static str,
        /// How many numbers it has.
        found: usize,
        /// How many it should have.
        expected: usize,
        /// Numbers of a vector.
        dimension: usize,
        /// Numbers of a latent.
        latent: usize,
    },
    /// A weight that is no number.
    #[error("number {at} of the {tensor} is {value}: these weights are damaged; train the codec again")]
    NotFinite {
        /// Which of the weights.
        tensor: &'static str,
        /// Which of its numbers.
        at: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// Codec and vectors that do not go together.
    #[error("these vectors have {found} numbers, and the codec is for {expected}; train one for {found}")]
    Dimension {
        /// What came.
        found: usize,
        /// What the codec takes.
        expected: usize,
    },
    /// A vector whose latent is beyond singles.
    #[error(
        "vector {vector} is too large: its latent is beyond what singles can say; scale the vectors down"
    )]
    TooLarge {
        /// Which.
        vector: usize,
    },
    /// A scale that no encoder wrote.
    #[error("the scale of latent {row} is {scale}: these latents are damaged, or another codec's")]
    Scale {
        /// Which.
        row: usize,
        /// Its scale.
        scale: f32,
    },
    /// Latents that are not whole.
    #[error("{levels} levels and {scales} scales are not latents of {latent} levels with a scale each")]
    Latents {
        /// How many levels.
        levels: usize,
        /// How many scales.
        scales: usize,
        /// Levels of a latent.
        latent: usize,
    },
    /// A way of comparing that latents cannot follow.
    #[error("latents cannot be compared by {metric}: take l2 or ip, with vectors of length one for cosine")]
    Metric {
        /// Which.
        metric: crate::Metric,
    },
    /// A file of weights that the system could not read or write.
    #[error("{} could not be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that holds no neural codec.
    #[error("{} is no neural codec: {why}", path.display())]
    NoCodec {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file that is there already.
    #[error("{} is there already; give another name, or remove it", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// Too little memory.
    #[error("a budget of {budget} is too little {what}: {needed} would do")]
    Budget {
        /// What there is.
        budget: Bytes,
        /// For what.
        what: &'static str,
        /// What would do.
        needed: Bytes,
    },
    /// Too few vectors to learn from.
    #[error("{rows} vectors are too few to learn from: give at least {least}")]
    FewRows {
        /// How many there are.
        rows: u64,
        /// How many are needed.
        least: u64,
    },
}
