//! Metal and Vulkan memory as a Plimsoll device, through wgpu.
//!
//! A binary with this crate starts anywhere: what is missing is said when a GPU is opened. [`adapters`] lists what
//! there is, [`GpuDevice::open`] opens one. Nothing is needed to build but Rust.

mod adapters;
mod backing;
mod core;
mod device;
mod error;
mod kernels;
mod lane;
mod open;
mod platform;
mod settings;
mod staging;
mod tally;
mod transfer;

pub use adapters::{AdapterFacts, AdapterKind, adapters};
pub use device::GpuDevice;
pub use error::GpuError;
pub use settings::{GpuApi, GpuSettings};
