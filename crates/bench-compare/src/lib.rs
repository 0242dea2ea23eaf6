//! Peers measured side by side with Plimsoll, in one run and under one harness.
//!
//! The harness knows no engine and depends on nothing but the standard library, so that whoever brings an
//! engine can run it; the peers are the only code in the workspace that depends on other people's allocators.

pub mod harness;
pub mod peers;
