//! CUDA memory as a Plimsoll device, loaded at run time: a program that was built without CUDA starts anywhere.
//!
//! * [`Cuda`]: the driver, and what GPUs there are.
//! * [`CudaDevice`]: a GPU's memory. Growable ranges through virtual memory, plain, stream-ordered and managed
//!   allocations, streams, events as fences, and kernels that are compiled where they run.
//! * [`PinnedDevice`]: page-locked host memory, which GPUs copy from at full speed and reach in place.
//! * [`GroupMember`]: several GPUs that add up together, through NCCL.
//! * [`GpuUsage`]: how busy GPUs are, from NVIDIA's management library.
//!
//! Both pass the conformance suite of [`plimsoll_device`], on hardware and (in this crate's tests) on a driver that is
//! made of ordinary memory.

mod cuda;
mod device;
mod driver;
mod error;
mod facts;
mod family;
mod gpu;
mod group;
mod host;
mod kernels;
mod lane;
mod memory;
mod operate;
mod pinned;
mod programs;
mod range;
#[cfg(test)]
mod tests;
mod usage;

pub use cuda::{Cuda, CudaSettings};
pub use device::CudaDevice;
pub use error::CudaError;
pub use facts::{GpuFacts, Link};
pub use group::GroupMember;
pub use kernels::{CodeCache, KernelSettings, compile_for};
pub use pinned::PinnedDevice;
pub use usage::GpuUsage;
