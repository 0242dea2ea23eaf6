//! Why a cache gave nothing.

use std::fmt;

use crate::governor::Refusal;

/// Why a value could not be kept, or could not be had. Nothing is lost: a value that was refused is in here.
#[non_exhaustive]
pub enum CachedError<V> {
    /// The account or the line does not carry the value. It is handed back, uncached and uncharged.
    Refused {
        /// What was to be kept; none when it was refused before it was computed.
        value: Option<V>,
        /// Why.
        refusal: Refusal,
    },
    /// A computation asked, by itself or through other threads, for the very value it is computing.
    Circle,
    /// The cache's last handle is gone.
    Closed {
        /// What was to be kept.
        value: Option<V>,
    },
}

impl<V> CachedError<V> {
    /// The value that could not be kept, if it exists.
    pub fn into_value(self) -> Option<V> {
        match self {
            Self::Refused { value, .. } | Self::Closed { value } => value,
            Self::Circle => None,
        }
    }
}

impl<V> fmt::Display for CachedError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, .. } => write!(f, "the value cannot be kept: {refusal}"),
            Self::Circle => f.write_str(
                "this value is being computed by the very computation that asks for it; let the computation not \
                 depend on its own result",
            ),
            Self::Closed { .. } => f.write_str("the cache was dropped; open it again"),
        }
    }
}

impl<V> fmt::Debug for CachedError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, .. } => {
                f.debug_struct("Refused").field("refusal", refusal).finish_non_exhaustive()
            }
            Self::Circle => f.write_str("Circle"),
            Self::Closed { .. } => f.write_str("Closed"),
        }
    }
}

impl<V> std::error::Error for CachedError<V> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            Self::Circle | Self::Closed { .. } => None,
        }
    }
}

/// Why a computation that may fail gave no value.
#[derive(Debug, thiserror::Error)]
pub enum TryCachedError<V, E> {
    /// The cache could not keep or give it.
    #[error(transparent)]
    Cache(CachedError<V>),
    /// The computation failed. Nothing is kept or charged.
    #[error("the value could not be computed: {0}")]
    Failed(E),
}

impl<V, E> From<CachedError<V>> for TryCachedError<V, E> {
    fn from(error: CachedError<V>) -> Self {
        Self::Cache(error)
    }
}
