//! Peers measured side by side with Plimsoll, in one run and under one harness.
//!
//! The harness and Plimsoll's own engine are those of `plimsoll bench pool`; the peers here are the only code in
//! the workspace that depends on other people's allocators.

pub mod gpu;
pub mod kv;
pub mod peers;
