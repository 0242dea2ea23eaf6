//! `plimsoll bench …`: rows that are measured here or by other programs of the workspace, and how they are shown.

pub mod docs;
pub mod engines;
mod governor;
pub mod harness;
pub mod kv;
pub mod llm;
pub mod made_up;
mod median;
pub mod memory;
mod pool;
mod recorder;
mod resident;
pub mod serve;
mod there;
pub mod train;

pub use governor::{GovernorArgs, GovernorReport, run as run_governor, view as governor_view};
pub(crate) use median::median;
pub use pool::{PoolArgs, PoolRow, rows as pool_rows, run as run_pool, view as pool_view};
pub use recorder::{RecorderArgs, RecorderReport, RecorderRow, run as run_recorder, view as recorder_view};
pub(crate) use resident::{resident, resident_of};
