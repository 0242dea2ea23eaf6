//! What a machine has: places with sizes, and how fast bytes and numbers move there; the machines that are built in,
//! and files that describe others.

mod apple;
mod cards;
pub mod catalogue;
pub mod file;
mod host;
#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod machine;

pub use apple::working_set;
pub use catalogue::MachineError;
pub use file::MachineFileError;
pub use machine::{Disk, Gpu, Machine, Processor, Rate};
