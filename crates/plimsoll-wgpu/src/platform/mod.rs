//! What wgpu does not tell or give, asked of the interface below it: host memory that stays mapped, and how much
//! memory there is.
//!
//! # Memory that stays mapped
//! wgpu forbids the GPU every use of a buffer while it is mapped, and mapping waits until the GPU has finished
//! with the whole buffer. A pool keeps thousands of leases in one buffer; each write would wait for the work of
//! all others. Vulkan and Metal have no such rule. So [`Mapped`] memory is allocated below wgpu, mapped once, and
//! given to wgpu as a buffer that it did not make and cannot map.
//!
//! The memory belongs to a `Mapped` and not to wgpu, because wgpu destroys its buffers when the device is lost,
//! and the host may be reading then. It goes when both the region and wgpu's buffer are gone.

#[cfg(target_vendor = "apple")]
mod metal;
#[cfg(not(target_vendor = "apple"))]
mod vulkan;

#[cfg(target_vendor = "apple")]
pub(crate) use metal::{Mapped, heap_of_adapter, heap_of_device, why_nothing};
#[cfg(not(target_vendor = "apple"))]
pub(crate) use vulkan::{Mapped, heap_of_adapter, heap_of_device, why_nothing};

/// The memory that an adapter calls its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heap {
    /// All of it.
    pub(crate) total: u64,
    /// What may still be allocated, where the platform tells.
    pub(crate) free: Option<u64>,
}

/// Why memory could not be mapped.
#[derive(Debug)]
pub(crate) enum MapError {
    /// There is none left.
    OutOfMemory,
    /// Anything else, in words.
    Other(String),
}

/// How a buffer of [`Mapped`] memory is described to wgpu: without uses for mapping, which it does not do.
pub(crate) const fn description(bytes: u64) -> wgpu::BufferDescriptor<'static> {
    wgpu::BufferDescriptor { label: None, size: bytes, usage: USES, mapped_at_creation: false }
}

/// What every buffer may be used for.
pub(crate) const USES: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);
