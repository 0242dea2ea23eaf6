//! Why something is not resident.

use std::error::Error;

use crate::governor::Refusal;
use crate::holding::cached::{CachedError, TryCachedError};

/// What a load may fail with.
pub type LoadError = Box<dyn Error + Send + Sync>;

/// Why a shard could not be had. Nothing is charged for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResidentError {
    /// The account or the line does not carry it.
    #[error("{name} cannot be loaded: {refusal}")]
    Refused {
        /// Which shard.
        name: String,
        /// Why.
        refusal: Refusal,
    },
    /// Loading failed. The next use tries again.
    #[error("{name} could not be loaded: {source}")]
    Load {
        /// Which shard.
        name: String,
        /// What went wrong.
        source: LoadError,
    },
    /// Loading it needs it.
    #[error("{name} is needed in order to load it; let its loader not ask for it")]
    Circle {
        /// Which shard.
        name: String,
    },
    /// The holding is gone.
    #[error("{name} was asked for while its holding was being dropped; open the holding again")]
    Closed {
        /// Which shard.
        name: String,
    },
}

impl ResidentError {
    pub(super) fn of<T>(name: &str, error: TryCachedError<T, LoadError>) -> Self {
        let name = name.to_owned();
        match error {
            TryCachedError::Failed(source) => Self::Load { name, source },
            TryCachedError::Cache(CachedError::Refused { refusal, .. }) => Self::Refused { name, refusal },
            TryCachedError::Cache(CachedError::Circle) => Self::Circle { name },
            TryCachedError::Cache(CachedError::Closed { .. }) => Self::Closed { name },
        }
    }
}
