//! Why a step came to nothing.

use plimsoll_llm::SampleError;

/// Why a sequence cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineFault {
    /// There is no page for its next tokens at this moment. It has lost nothing, and may be tried again.
    #[error("there is no room for the next page: {0}")]
    NoRoom(String),
    /// What computes is gone, and with it all sequences. The model is loaded again for whoever asks next.
    #[error("what computed the model is gone: {0}")]
    Lost(String),
    /// It cannot go on at all.
    #[error("{0}")]
    Failed(String),
}

impl From<SampleError> for EngineFault {
    fn from(error: SampleError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Which part of a step came to nothing, and why. No part has gone on.
#[derive(Debug)]
pub struct Failed {
    /// Which.
    pub part: usize,
    /// Why.
    pub fault: EngineFault,
}
