//! What a machine has: places with sizes, and how fast bytes and numbers move there.

#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod machine;

pub use machine::{Disk, Gpu, Machine, Processor, Rate};
