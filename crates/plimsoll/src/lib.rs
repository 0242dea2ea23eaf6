//! The memory engine for AI on one machine: one ledger for every byte that is handed out, a governor that holds
//! each workload to its share of a line while it runs, and pools, leases and holdings over both.

mod calendar;
mod engine;
pub mod governor;
// Holdings start threads and read files, which loom and shuttle do not model.
#[cfg(not(any(loom, shuttle)))]
pub mod holding;
pub mod ledger;
pub mod machine;
#[cfg(not(any(loom, shuttle)))]
pub mod monitor;
pub mod pool;
pub mod pressure;
pub mod record;
pub mod replay;
pub mod runs;
pub mod settings;
mod sync;

pub use calendar::utc;
pub use engine::{Engine, EngineAccount, EngineError};
pub use plimsoll_device::{Bytes, ParseBytesError, ParsePlaceError, Place};
