//! Work on memory in WGSL: what wgpu's own copies and fills cannot do, and the operations of
//! [`Kernels`](plimsoll_device::Kernels).
//!
//! All buffers are bound as read-write, also those that are only read: source and target are often leases of one
//! buffer, and wgpu refuses a buffer that a kernel both reads and writes unless both bindings may write.

mod moves;
mod nearest;
mod operations;
mod programs;

pub(crate) use moves::{copy, fill};
pub(crate) use programs::Programs;
