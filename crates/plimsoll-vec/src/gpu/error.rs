//! What goes wrong with a search on a device.

use plimsoll::pool::LeaseError;
use plimsoll_device::DeviceError;

use crate::{CodeError, Codec, Metric, TOP_MAX};

/// Why a device does not search.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// The device runs no kernels.
    #[error("{device} runs no kernels: search on the host, or bring what compiles them (for CUDA, NVRTC)")]
    NoKernels {
        /// Its name.
        device: String,
    },
    /// Devices know some codes only.
    #[error(
        "devices do not search {codec} codes so: take f32, f16, bf16, int8, int8a or int4, or an index of binary or planes"
    )]
    Codec {
        /// The code.
        codec: Codec,
    },
    /// Signs are counted of signs alone.
    #[error("{codec} codes are not compared by {metric}: take l2, ip or cosine, or codec binary")]
    Metric {
        /// The code.
        codec: Codec,
        /// The metric.
        metric: Metric,
    },
    /// None or too many were asked for.
    #[error("the {k} nearest cannot be searched: ask for 1 to {TOP_MAX}")]
    Count {
        /// How many.
        k: usize,
    },
    /// There is no room for so many rows.
    #[error(
        "{more} more rows do not fit: there is room for {room} and {filled} are there; make a larger one"
    )]
    Full {
        /// How many there is room for.
        room: u32,
        /// How many there are.
        filled: u32,
        /// How many came.
        more: usize,
    },
    /// A mask has a bit for each row.
    #[error("a mask of {found} words for {rows} rows; give {wanted}, a bit for each row")]
    Mask {
        /// Words that came.
        found: usize,
        /// Words there should be.
        wanted: usize,
        /// Rows that there are.
        rows: u32,
    },
    /// Rows are numbered in 32 bits.
    #[error("{rows} rows are more than a device numbers; search on the host, or in several indexes")]
    Rows {
        /// How many.
        rows: u64,
    },
    /// Vectors cannot be coded.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The account does not carry it, or a lease cannot be used.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}
