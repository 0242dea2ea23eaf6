//! `plimsoll bench …`: rows that are measured here or by other programs of the workspace, and how they are shown.

mod governor;
mod pool;

pub use governor::{GovernorArgs, GovernorReport, view as governor_view};
pub use pool::{PoolArgs, PoolRow, view as pool_view};
