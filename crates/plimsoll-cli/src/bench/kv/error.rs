//! What can go wrong while measuring.

use plimsoll::EngineError;
use plimsoll::pool::LeaseError;
use plimsoll_device::DeviceError;
use plimsoll_kv::cache::CacheError;
use plimsoll_kv::engine::PageError;
use plimsoll_kv::store::StoreError;

/// Why the tiered cache could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvBenchError {
    /// The ledger.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Pages.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Memory.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The cold store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files beside it.
    #[error("the disk could not be measured: {0}")]
    Disk(#[from] std::io::Error),
    /// The cache did not do what is measured.
    #[error("nothing to measure: {0}")]
    Nothing(String),
}
