//! Predictions beside what llama.cpp itself said: its logs, and its dry runs on headers alone.

mod check;
mod dryrun;
mod logs;
mod row;
mod shape;
mod table;

pub use check::{Check, Fit, Remark, Tally, check};
pub use dryrun::dry_runs;
pub use logs::logs;
pub use row::{Measured, Row, Size, Source, Subject};
