//! The memory engine for AI on one machine: it plans how many bytes each workload may carry, holds them to that
//! line while they run, and shows where every byte is.

pub mod governor;
// Holdings start threads and read files, which loom and shuttle do not model.
#[cfg(not(any(loom, shuttle)))]
pub mod holding;
pub mod ledger;
pub mod pool;
pub mod replay;
mod sync;

pub use plimsoll_device::{Bytes, ParseBytesError, ParsePlaceError, Place};
