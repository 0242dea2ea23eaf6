//! GPUs through CUDA.

pub(super) use imp::CudaBackend;

/// What people call it.
pub(super) const NAME: &str = "CUDA";

#[cfg(feature = "cuda")]
mod imp {
    use std::sync::Arc;

    use plimsoll::Place;
    use plimsoll::monitor::{DeviceSample, Gpus};
    use plimsoll_cuda::{Cuda, CudaSettings, GpuFacts, GpuUsage};
    use plimsoll_device::programs::Member;
    use plimsoll_device::{Device, Notice};

    use crate::backends::patient::Pending;
    use crate::backends::{BackendError, Gpu, Link};

    /// The driver, and the GPUs that it has.
    #[derive(Debug)]
    pub(in crate::backends) struct CudaBackend {
        cuda: Cuda,
        gpus: Vec<Gpu>,
    }

    impl CudaBackend {
        pub(in crate::backends) fn ask(notice: &Notice) -> Pending<Self> {
            let settings = CudaSettings { notice: notice.clone(), ..CudaSettings::default() };
            Pending::ask(move || {
                let cuda = Cuda::load(settings)?;
                let (major, minor) = cuda.driver_version();
                let gpus = cuda.gpus().iter().map(|facts| gpu(facts, format!("CUDA {major}.{minor}")));
                Ok(Self { gpus: gpus.collect(), cuda })
            })
        }

        pub(in crate::backends) fn gpus(&self) -> &[Gpu] {
            &self.gpus
        }

        pub(in crate::backends) fn open(&self, number: u16) -> Result<Arc<dyn Device>, BackendError> {
            Ok(self.cuda.device(number)?)
        }

        pub(in crate::backends) fn pinned(&self) -> Result<Arc<dyn Device>, BackendError> {
            Ok(self.cuda.pinned()?)
        }

        pub(in crate::backends) fn group(
            &self,
            numbers: &[u16],
        ) -> Result<Vec<Arc<dyn Member>>, BackendError> {
            let members = self.cuda.group(numbers)?;
            Ok(members.into_iter().map(|member| Arc::new(member) as Arc<dyn Member>).collect())
        }

        /// Who tells of the GPUs without opening them, where there is somebody.
        pub(in crate::backends) fn watch(&self) -> Option<Box<dyn Gpus>> {
            let usage = GpuUsage::open(self.cuda.gpus())?;
            let gpus: Vec<_> =
                self.cuda.gpus().iter().map(|facts| (facts.ordinal, facts.name.clone())).collect();
            let read = move || {
                let sample = |(ordinal, name): &(u16, String)| {
                    let memory = usage.memory(*ordinal);
                    DeviceSample {
                        place: Place::Cuda(*ordinal).to_string(),
                        name: name.clone(),
                        total_bytes: memory.map(|(total, _)| total.get()),
                        free_bytes: memory.map(|(_, free)| free.get()),
                        busy: usage.busy(*ordinal),
                    }
                };
                gpus.iter().map(sample).collect()
            };
            Some(Box::new(read))
        }
    }

    fn gpu(facts: &GpuFacts, api: String) -> Gpu {
        Gpu {
            place: Place::Cuda(facts.ordinal),
            also: Vec::new(),
            name: facts.name.clone(),
            kind: if facts.integrated { "integrated" } else { "discrete" },
            api,
            driver: None,
            total: facts.total,
            // Only an open device is told, and opening one takes memory and time.
            free: None,
            unified: facts.integrated,
            compute: Some(facts.compute),
            multiprocessors: Some(facts.multiprocessors),
            pci: facts.pci.clone(),
            link: facts.link.map(|link| Link {
                generation: link.generation,
                lanes: link.lanes,
                generation_max: link.generation_max,
                lanes_max: link.lanes_max,
            }),
            peers: facts.peers.iter().map(|&peer| Place::Cuda(peer)).collect(),
            lacks: None,
        }
    }
}

#[cfg(not(feature = "cuda"))]
mod imp {
    use std::sync::Arc;

    use plimsoll::monitor::Gpus;
    use plimsoll_device::programs::Member;
    use plimsoll_device::{Device, Notice};

    use crate::backends::patient::Pending;
    use crate::backends::{BackendError, Gpu};

    /// There is none in this build.
    #[derive(Debug)]
    pub(in crate::backends) enum CudaBackend {}

    impl CudaBackend {
        pub(in crate::backends) fn ask(_: &Notice) -> Pending<Self> {
            Pending::ask(|| Err(BackendError::NotBuilt { feature: "cuda" }))
        }

        pub(in crate::backends) fn gpus(&self) -> &[Gpu] {
            match *self {}
        }

        pub(in crate::backends) fn open(&self, _: u16) -> Result<Arc<dyn Device>, BackendError> {
            match *self {}
        }

        pub(in crate::backends) fn pinned(&self) -> Result<Arc<dyn Device>, BackendError> {
            match *self {}
        }

        pub(in crate::backends) fn group(&self, _: &[u16]) -> Result<Vec<Arc<dyn Member>>, BackendError> {
            match *self {}
        }

        pub(in crate::backends) fn watch(&self) -> Option<Box<dyn Gpus>> {
            match *self {}
        }
    }
}
