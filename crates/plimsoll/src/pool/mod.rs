//! Pools: few big device allocations turned into many small leases, for one account.
//!
//! A lease comes from this thread's cache (`bins`) when it can, without a lock, a locked instruction or a
//! system call; else from the pool's arena under one mutex (`grow`); else from the device, after the account
//! was charged for what will be backed. What is charged is always what is backed: live, cached and pending
//! bytes alike, so the ledger counts the pool's own free lists too.

pub mod arena;
mod biased;
mod bins;
mod block;
mod central;
mod chain;
mod compact;
mod core;
mod error;
mod expand;
mod fences;
mod grow;
mod holders;
mod lease;
mod local;
mod movable;
mod nearest;
mod operate;
mod pending;
#[expect(clippy::module_inception, reason = "one noun, one file; the noun is the pool")]
mod pool;
mod settings;
mod settle;
mod stats;
mod tag;
mod tally;
mod turn;
mod work;

pub use error::LeaseError;
pub use expand::ExpandIn;
pub use lease::Lease;
pub use movable::{Movable, Pinned, PinnedMut};
pub use nearest::{NearestIn, SquaresIn};
pub use operate::{NumbersIn, RowsIn};
pub use pool::{LeaseRequest, Pool};
pub use settings::PoolSettings;
pub use stats::{PoolStats, TagStats};
pub use tag::Tag;
