//! A disk made of memory, which fails as it is told: for tests of whatever stands on a folder.
//!
//! It counts operations, so that a scripted run can be made to fail, or to die, at every one of them in turn. What was
//! written survives the death of the process ([`SimDisk::kill`]). Of what was not synced, a loss of power
//! ([`SimDisk::lose_power`]) keeps any part, in sectors: later writes without earlier ones, names without files, files
//! without names. Space is counted in blocks, as a file system does, that of removed files that are still open too.

mod disk;
mod file;
mod state;

pub use disk::{Fault, SimDisk};
