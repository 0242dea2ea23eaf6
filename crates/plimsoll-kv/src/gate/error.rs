//! Why a precision could not be measured.

use std::path::PathBuf;

use super::ProbeError;
use crate::codec::CodecError;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// No text has a context of whole blocks and something behind it.
    #[error("no text is longer than a block of {block_tokens} tokens; give longer texts")]
    NoText {
        /// Tokens a block.
        block_tokens: u32,
    },
    /// Blocks have no such form.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The engine did not answer.
    #[error("the model could not be asked: {0}")]
    Probe(#[source] ProbeError),
    /// The engine answered with another number of probabilities than there are.
    #[error("the model gave {found} probabilities where {wanted} were asked for; its probe is wrong")]
    Answer {
        /// Tokens × vocabulary.
        wanted: usize,
        /// What came.
        found: usize,
    },
    /// The verdicts could not be written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
