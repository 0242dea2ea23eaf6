//! Why the cache could not do what was asked.

use plimsoll::pool::LeaseError;

use crate::codec::CodecError;
use crate::engine::PageError;
use crate::store::StoreError;

/// Why a cache could not be opened, or a block not be had. A block that is not there, or is damaged, is none of these:
/// it is to be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// No page, or the engine failed.
    #[error(transparent)]
    Page(#[from] PageError),
    /// No working memory.
    #[error("the warm tier has no room for the cache's working memory: {0}")]
    Memory(#[from] LeaseError),
    /// The layout cannot be encoded as asked.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The cold tier.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("no thread to move blocks with: {0}")]
    Thread(#[from] std::io::Error),
}
