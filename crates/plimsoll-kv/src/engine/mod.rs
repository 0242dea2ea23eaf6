//! How an inference engine plugs in.
//!
//! An engine with paged attention lends its pages through [`Pages`]: the hot tier *is* those pages, so a prefix that is
//! hot is used in place. [`LeasedPages`] is the ready-made one: pages that are leases of a pool, on any device.
//!
//! An engine that only gives and takes the state of whole sequences keeps its own pages; its state is cut into blocks of
//! the same layout, which go through leased pages of host memory: [`llama_state`] does that for llama.cpp.

mod leased;
pub mod llama_state;
mod pages;

pub use leased::{LeasedPages, Page};
pub use pages::{Effort, PageError, Pages};
