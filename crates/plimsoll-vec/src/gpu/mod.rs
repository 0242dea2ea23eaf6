//! Flat search on a device: rows in its memory, or streamed to it from memory of the host.
//!
//! [`Flat`] takes pools and works on whatever device they are on that has kernels: CUDA, wgpu, the host, the simulated
//! one. Everything it takes is leases of those pools, so that it is charged to their accounts.

pub(crate) mod desk;
mod error;
mod flat;
mod pieces;
mod ring;
pub(crate) mod settings;
#[cfg(test)]
mod tests;

pub use error::GpuError;
pub use flat::Flat;
pub use settings::{FlatSettings, FlatShape};
