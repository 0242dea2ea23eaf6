//! Recorded allocator traces: reading them, and replaying them against a pool.
//!
//! A trace is what a real program asked of its allocator, so it tells what a synthetic benchmark cannot: how
//! much more than the live bytes a pool has to keep backed. [`Trace`] reads one into numbered blocks (so that a
//! replay measures the pool and not a table of addresses), a [`Replayer`] is anything that can serve it, and
//! [`replay`] drives one through the other and says what came out.

mod bare;
mod best_fit;
mod error;
mod pooled;
mod report;
mod trace;

pub use bare::{BareArena, CacheLimits};
pub use best_fit::BestFit;
pub use error::{RecordedError, ReplayError, TraceError};
pub use pooled::{PooledReplay, recorded, recorded_on, through_pool, through_pool_on};
pub use report::{Outcome, Replayer, Report, replay, report};
pub(crate) use trace::HEADER;
pub use trace::{Action, Event, Oddities, Trace, TraceFacts};
