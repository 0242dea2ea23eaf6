//! Why a fine-tuning does not begin or go on.

use std::path::PathBuf;

use plimsoll::Bytes;
use plimsoll_device::DeviceError;
use plimsoll_tensor::TensorError;

use crate::text::TextError;

/// Why a fine-tuning does not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// A tensor's operation, or its memory.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A text that is none.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A loss or a gradient that is no number any more. Nothing was changed by the step.
    #[error(
        "step {step}: the loss is {loss} and the gradients are {size} long, at a rate of {rate}; nothing was changed by \
         this step, and what was kept last stays. Lower the rate, or look at the data"
    )]
    NotFinite {
        /// Which step.
        step: u32,
        /// Its loss.
        loss: f32,
        /// The length of its gradients.
        size: f32,
        /// Its rate.
        rate: f32,
    },
    /// Passes of other sizes than were said.
    #[error("a pass has {found} tokens and targets, and {wanted} were said; divide the data again")]
    Batch {
        /// How many there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// The line is too low.
    #[error(
        "a step needs at least {floor} and the line is {line}; give it more, or take shorter sequences, fewer of them at \
         once, or a lower rank"
    )]
    Floor {
        /// What was given.
        line: Bytes,
        /// What a step needs when it keeps as little as it can.
        floor: Bytes,
    },
    /// Something that cannot be asked for.
    #[error("{what}")]
    Settings {
        /// What, and what to do.
        what: String,
    },
    /// Data that cannot be learned from.
    #[error("{}: {what}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What was kept cannot be gone on from.
    #[error("{}: {what}", path.display())]
    Kept {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
}

impl TuneError {
    /// Whether it only says that another of those that learn together failed.
    pub(super) fn is_of_another(&self) -> bool {
        matches!(self, Self::Tensor(TensorError::Left | TensorError::Device(DeviceError::GroupLeft)))
    }

    /// The error of a file.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
