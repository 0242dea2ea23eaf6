//! The back ends: the only place that picks them.
//!
//! Each is asked once, when it is first needed, on a thread of its own and with a deadline: a driver that hangs must
//! not hang this program. Nothing is opened to find out what there is.

mod cuda;
mod error;
mod gpu;
mod group;
mod patient;
mod wgpu;

use std::cell::OnceCell;
use std::sync::Arc;

use plimsoll::Place;
use plimsoll::monitor::Sampler;
use plimsoll_device::{Device, HostDevice, HostSettings, Notice, SimDevice, SimSettings};

pub use error::BackendError;
pub use gpu::{Gpu, Link};

use self::cuda::CudaBackend;
use self::wgpu::WgpuBackend;
use crate::CliError;

/// What this program reaches memory through, and what is not there.
#[derive(Debug)]
pub struct Backends {
    notice: Notice,
    cuda: OnceCell<Result<CudaBackend, BackendError>>,
    wgpu: OnceCell<Result<WgpuBackend, BackendError>>,
}

impl Backends {
    /// Back ends that tell here what they do differently from what is asked of them.
    pub fn new(notice: Notice) -> Self {
        Self { notice, cuda: OnceCell::new(), wgpu: OnceCell::new() }
    }

    /// The GPUs, those that CUDA reaches first. One that both back ends reach is one entry.
    pub fn gpus(&self) -> Vec<Gpu> {
        self.ask_all();
        let of = |found: Option<&[Gpu]>| found.unwrap_or_default().to_vec();
        gpu::merged(of(self.cuda().ok().map(CudaBackend::gpus)), of(self.wgpu().ok().map(WgpuBackend::gpus)))
    }

    /// Back ends that are of no use here, by name, and why.
    pub fn missing(&self) -> Vec<(&'static str, BackendError)> {
        self.ask_all();
        let named = [(cuda::NAME, self.cuda().err()), (wgpu::NAME, self.wgpu().err())];
        named.into_iter().filter_map(|(name, error)| Some((name, error?))).collect()
    }

    /// Page-locked memory that the device of a place reaches: the same whoever opens either. Only GPUs of CUDA have some.
    pub fn beside(&self, place: Place) -> Result<Option<Arc<dyn Device>>, BackendError> {
        matches!(place, Place::Cuda(_)).then(|| self.open(Place::Pinned)).transpose()
    }

    /// Opens the device of a place.
    pub fn open(&self, place: Place) -> Result<Arc<dyn Device>, BackendError> {
        match place {
            Place::Host => Ok(Arc::new(HostDevice::open(HostSettings::default())?)),
            Place::Sim(_) => Ok(Arc::new(SimDevice::new(SimSettings { place, ..SimSettings::default() })?)),
            Place::Cuda(number) => self.cuda()?.open(number),
            Place::Pinned => self.cuda()?.pinned(),
            Place::Gpu(number) => self.wgpu()?.open(number),
            Place::Disk | Place::Remote => Err(BackendError::NoDevice(place)),
        }
    }

    /// The same for a command that can do nothing without it.
    pub(crate) fn device(&self, place: Place) -> Result<Arc<dyn Device>, CliError> {
        self.open(place).map_err(|why| CliError::Place { place, why })
    }

    /// A sampler of this machine and its GPUs. None of them is opened: that would take memory of who is watched.
    pub fn sampler(&self) -> Sampler {
        match self.cuda().ok().and_then(CudaBackend::watch) {
            Some(gpus) => Sampler::machine().gpus(gpus),
            None => Sampler::machine(),
        }
    }

    /// Both at once: either takes a tenth of a second and more.
    fn ask_all(&self) {
        let cuda = self.cuda.get().is_none().then(|| CudaBackend::ask(&self.notice));
        let wgpu = self.wgpu.get().is_none().then(WgpuBackend::ask);
        if let Some(pending) = cuda {
            let _first = self.cuda.set(pending.wait());
        }
        if let Some(pending) = wgpu {
            let _first = self.wgpu.set(pending.wait());
        }
    }

    fn cuda(&self) -> Result<&CudaBackend, BackendError> {
        self.cuda.get_or_init(|| CudaBackend::ask(&self.notice).wait()).as_ref().map_err(Clone::clone)
    }

    fn wgpu(&self) -> Result<&WgpuBackend, BackendError> {
        self.wgpu.get_or_init(|| WgpuBackend::ask().wait()).as_ref().map_err(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_is_not_opened() {
        let backends = Backends::new(Notice::default());
        for place in [Place::Disk, Place::Remote] {
            assert_eq!(backends.open(place).unwrap_err(), BackendError::NoDevice(place));
        }
        assert_eq!(backends.open(Place::Host).unwrap().facts().place, Place::Host);
        assert_eq!(backends.open(Place::Sim(3)).unwrap().facts().place, Place::Sim(3));
    }

    #[test]
    fn each_back_end_is_there_or_says_why_not() {
        let backends = Backends::new(Notice::default());
        let (gpus, missing) = (backends.gpus(), backends.missing());
        let reached = |cuda: bool| {
            gpus.iter().flat_map(Gpu::places).any(|place| matches!(place, Place::Cuda(_)) == cuda)
        };
        for (name, cuda) in [(cuda::NAME, true), (wgpu::NAME, false)] {
            let why = missing.iter().find(|(missing, _)| *missing == name);
            assert!(reached(cuda) != why.is_some(), "{name}: {gpus:?} {missing:?}");
        }
        assert!(missing.iter().all(|(_, why)| !why.to_string().is_empty()));
    }
}
