//! Blocks written to the disk and read back cold, by those who keep them there, in one run with the disk itself.
//!
//! All keep the same blocks, as many and as large, on the same file system. Reading is timed in turns, each block once a
//! turn, in an order that is not the order of writing, and in equal batches: one block at a time, and eight that follow
//! each other. Before every turn the page cache is told to forget what it has (`POSIX_FADV_DONTNEED`), for those who read
//! through it: our store, plain files, and the disk's file read that way. foyer and the disk itself bypass it (`O_DIRECT`).
//! Which it is stands beside each figure.
//!
//! Eight in flight are, for the disk, eight threads that read directly; for plain files and our store eight that are
//! announced to the system before the first is read; for foyer eight gets before the first is awaited, with blocking calls
//! (its default) and with `io_uring`. All but the disk copy what they read into the caller's memory, and our store and
//! foyer check sums over it.

mod beside;
mod blocks;
mod disk;
mod folder;
#[cfg(feature = "foyer")]
mod foyer;
mod opening;
mod plain;

pub use beside::{Plan, measure};
pub use opening::{Opened, Who, open};
