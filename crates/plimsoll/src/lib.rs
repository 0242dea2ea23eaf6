//! The memory engine for AI on one machine: it plans how many bytes each workload may carry, holds them to that
//! line while they run, and shows where every byte is.

mod engine;
pub mod governor;
// Holdings start threads and read files, which loom and shuttle do not model.
#[cfg(not(any(loom, shuttle)))]
pub mod holding;
pub mod ledger;
pub mod machine;
pub mod pool;
pub mod pressure;
pub mod replay;
pub mod settings;
mod sync;

pub use engine::{Engine, EngineAccount, EngineError};
pub use plimsoll_device::{Bytes, ParseBytesError, ParsePlaceError, Place};
