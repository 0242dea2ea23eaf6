//! Our CUDA devices beside the bare driver and PyTorch, in one run.
//!
//! Every figure is the median of rounds in which the engines take turns. Copies are put on a stream several at a time
//! and waited for once, so that waiting is nothing beside them. PyTorch runs in a process of its own right after,
//! because it brings its own Python.

mod blocks;
mod copies;
mod driver;
mod leases;
mod rounds;
mod torch;

use std::fmt;
use std::sync::Arc;

use plimsoll_cuda::{Cuda, CudaDevice, CudaError, CudaSettings, PinnedDevice};
use plimsoll_device::DeviceError;

use self::driver::Driver;

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// Who did it.
    pub who: &'static str,
    /// How fast.
    pub value: f64,
    /// In what: `ns` (less is better) or `GB/s` (more is better).
    pub unit: &'static str,
}

/// Why nothing was measured.
#[derive(Debug)]
pub struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<CudaError> for Failed {
    fn from(error: CudaError) -> Self {
        Self(error.to_string())
    }
}

impl From<DeviceError> for Failed {
    fn from(error: DeviceError) -> Self {
        Self(error.to_string())
    }
}

/// What is measured on.
struct Bench {
    device: Arc<CudaDevice>,
    pinned: Arc<PinnedDevice>,
    driver: Driver,
}

/// Measures everything on the first GPU; each row is handed to `row` as soon as it is there.
pub fn measure(row: &mut dyn FnMut(Row)) -> Result<(), Failed> {
    let notice = plimsoll_device::Notice::to(|text| eprintln!("note: {text}"));
    let cuda = Cuda::load(CudaSettings { notice, ..CudaSettings::default() })?;
    let bench = Bench { device: cuda.device(0)?, pinned: cuda.pinned()?, driver: Driver::open()? };
    leases::device(&bench, row)?;
    leases::pinned(&bench, row)?;
    copies::measure(&bench, row)?;
    blocks::measure(&bench, row)?;
    drop(bench);
    torch::measure(row);
    Ok(())
}
