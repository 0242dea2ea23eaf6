//! Why a GPU cannot be opened.

use plimsoll_device::{Bytes, DeviceError};

/// Why there is no [`GpuDevice`](crate::GpuDevice).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// The system has no interface to GPUs that can be used.
    #[error("no GPU can be reached: {0}")]
    NoInterface(&'static str),
    /// The interface is there, and no GPU behind it.
    #[error(
        "no GPU was found through {0}; a driver may be missing (`vulkaninfo --summary` lists what Vulkan sees)"
    )]
    NoAdapter(&'static str),
    /// There are GPUs, and not this one.
    #[error("there is no GPU number {number}; there are: {there}")]
    NoSuchAdapter {
        /// What was asked.
        number: u16,
        /// The numbers and names of those that are there.
        there: String,
    },
    /// A GPU that cannot do what this needs.
    #[error("{adapter} cannot be used: {lacks}")]
    TooWeak {
        /// Its name.
        adapter: String,
        /// What it lacks.
        lacks: String,
    },
    /// The driver refused to open it.
    #[error("{adapter} cannot be opened: {why}")]
    Refused {
        /// Its name.
        adapter: String,
        /// What the driver says.
        why: String,
    },
    /// A setting that cannot be.
    #[error("the setting {setting} = {value} cannot be used: {why}")]
    BadSetting {
        /// Its name.
        setting: &'static str,
        /// What was given.
        value: Bytes,
        /// What it must be.
        why: &'static str,
    },
    /// What opening needs of the device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}
