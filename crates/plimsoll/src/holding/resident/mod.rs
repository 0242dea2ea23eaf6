//! Resident: loaded once, shared by all who use it, gone only when its memory is worth more elsewhere.
//!
//! This is a cache whose keys know how to load their values, and it is built as one: single loading, pins, price and
//! shrinking are those of [`Cached`](super::Cached). What it adds is the names, loaders that last longer than what they
//! loaded, pins that are held on request, and files.
//!
//! * [`Resident`]: the holding. [`Shard`]: one name in it.
//! * [`Block`]: a file's bytes, mapped without a copy or copied, as [`Keep`] says.

mod block;
mod error;
mod in_place;
mod shard;
mod shelter;

pub use block::{Block, Keep};
pub use error::{LoadError, ResidentError};
pub use shard::Shard;
pub use shelter::Resident;
