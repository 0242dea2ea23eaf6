//! Holdings: the ways in which workloads keep memory.
pub mod cached;
pub mod streaming;
