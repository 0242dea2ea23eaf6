//! `plimsoll pool …`: pools seen from outside.

mod replay;

pub use replay::{ReplayArgs, ReplayReport, run, view};
