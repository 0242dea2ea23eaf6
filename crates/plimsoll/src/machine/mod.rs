//! What this machine is and how much memory a program may use on it.
//!
//! The number that matters is not how much memory is fitted but how much this process may use before someone
//! stops it: a container's limit, a ulimit, or the memory itself, whichever is lowest. [`Machine::read`] gathers
//! all of them with where each was read, so that a person can see what to change.
//!
//! A fact that the system does not tell is `None`. It is never zero and never a guess: a planner that takes
//! "unknown" for "nothing" plans nonsense.
//!
//! Everything on Linux is read from files below a [`Root`], so the tests run on fixture trees of machines that
//! nobody has at hand: cgroup v1, v2, both at once, containers, kernels with parts missing.

pub(crate) mod calls;
mod capacity;
pub(crate) mod cgroup;
mod cores;
#[cfg(target_os = "macos")]
pub(crate) mod darwin;
mod disk;
mod facts;
mod limits;
mod linux;
pub(crate) mod meminfo;
mod pages;
mod root;
mod unified;

#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) use calls::user;
pub use capacity::PlaceFacts;
pub use facts::{Cache, Cpu, Disk, HugePages, Limit, LimitKind, Machine, Memory, Os, Pages, Transparent};
pub use root::Root;
pub use unified::{GpuShare, gpu_share};
