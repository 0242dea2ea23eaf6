//! Blocks written to the disk and read back cold, by those who keep them there, in one run with the disk itself.
//!
//! All keep the same blocks, as many and as large, on the same file system. Reading is timed in turns, each block once a
//! turn, in an order that is not the order of writing; before every turn the page cache is told to forget what it has,
//! for those who read through it. What each bypasses is told beside its figure.

mod beside;
mod blocks;
mod folder;
#[cfg(feature = "foyer")]
mod foyer;
mod plain;

pub use beside::{Plan, measure};
