//! How a GPU is to be opened.

use plimsoll_device::Bytes;

/// Which interface to the GPU may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GpuApi {
    /// Whatever this system has: Metal on macOS, Vulkan elsewhere.
    #[default]
    Any,
    /// Vulkan only.
    Vulkan,
    /// Metal only.
    Metal,
}

impl GpuApi {
    pub(crate) const fn backends(self) -> wgpu::Backends {
        match self {
            Self::Any => wgpu::Backends::VULKAN.union(wgpu::Backends::METAL),
            Self::Vulkan => wgpu::Backends::VULKAN,
            Self::Metal => wgpu::Backends::METAL,
        }
    }
}

/// Settings of a [`GpuDevice`](crate::GpuDevice).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuSettings {
    /// Which adapter, by its number in [`adapters`](crate::adapters). The first is the one that is worth most:
    /// discrete before integrated before software.
    pub adapter: u16,
    /// Which interface may be used; the numbers of adapters depend on it.
    pub api: GpuApi,
    /// Act as if the adapter had only so much memory: something is left for the display, say.
    pub limit: Option<Bytes>,
    /// Whether host and device share one memory. `None` believes the driver, which is wrong about some virtual
    /// GPUs. Decides whether managed memory needs a copy for the host, and which memory shared regions take.
    pub unified: Option<bool>,
    /// How much memory transfers may be staged in; larger ones go in pieces. `None` chooses from the adapter: 32
    /// MiB where memory is the device's own, 8 MiB where it is shared. At least 64 KiB.
    pub staging: Option<Bytes>,
}
