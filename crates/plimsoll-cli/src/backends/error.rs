//! Why there is no device.

use std::time::Duration;

use plimsoll::Place;
use plimsoll_device::DeviceError;

/// Why a back end is of no use here, or a place has no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// Places that no device serves.
    #[error("{0} is no device")]
    NoDevice(Place),
    /// A place that does not learn together with others.
    #[error("{0} works alone; several are GPUs of CUDA, as cuda:0,cuda:1")]
    Alone(Place),
    /// A place that was named more than once.
    #[error("it is named twice; name each once")]
    Twice,
    /// A device that takes no time.
    #[error("a simulated device takes no time that could be measured")]
    Simulated,
    /// A back end that was left out when this program was built.
    #[error("this program was built without it (cargo feature {feature})")]
    NotBuilt {
        /// The feature that it takes.
        feature: &'static str,
    },
    /// A driver that says nothing.
    #[error("its driver did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// A driver that failed in a way that it should not.
    #[error("its driver failed while it was asked what there is")]
    Crashed,
    /// CUDA says why.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Cuda(#[from] plimsoll_cuda::CudaError),
    /// Wgpu says why.
    #[cfg(feature = "wgpu")]
    #[error(transparent)]
    Wgpu(#[from] plimsoll_wgpu::GpuError),
    /// The device says why.
    #[error(transparent)]
    Device(#[from] DeviceError),
}
