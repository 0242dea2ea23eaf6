//! GPUs through wgpu.

pub(super) use imp::WgpuBackend;

/// What people call the interface that wgpu uses on this system.
pub(super) const NAME: &str = if cfg!(target_vendor = "apple") { "Metal" } else { "Vulkan" };

#[cfg(feature = "wgpu")]
mod imp {
    use std::sync::Arc;

    use plimsoll::Place;
    use plimsoll_device::Device;
    use plimsoll_wgpu::{AdapterFacts, GpuDevice, GpuSettings, adapters};

    use crate::backends::patient::{Pending, Quiet};
    use crate::backends::{BackendError, Gpu};

    /// The adapters that there are.
    #[derive(Debug)]
    pub(in crate::backends) struct WgpuBackend {
        settings: GpuSettings,
        gpus: Vec<Gpu>,
    }

    impl WgpuBackend {
        pub(in crate::backends) fn ask() -> Pending<Self> {
            Pending::quietly(|| {
                let settings = GpuSettings::default();
                let gpus: Vec<_> = adapters(&settings).into_iter().map(gpu).collect();
                if gpus.is_empty() {
                    // Opening knows why there are none.
                    GpuDevice::open(settings.clone())?;
                }
                Ok(Self { settings, gpus })
            })
        }

        pub(in crate::backends) fn gpus(&self) -> &[Gpu] {
            &self.gpus
        }

        pub(in crate::backends) fn open(&self, number: u16) -> Result<Arc<dyn Device>, BackendError> {
            let _quiet = Quiet::new();
            Ok(GpuDevice::open(GpuSettings { adapter: number, ..self.settings.clone() })?)
        }
    }

    fn gpu(facts: AdapterFacts) -> Gpu {
        Gpu {
            place: Place::Gpu(facts.number),
            also: Vec::new(),
            name: facts.name,
            kind: facts.kind.word(),
            api: facts.api.to_owned(),
            driver: Some(facts.driver).filter(|driver| !driver.is_empty()),
            total: facts.total,
            free: facts.free,
            unified: facts.unified,
            compute: None,
            multiprocessors: None,
            pci: facts.pci,
            link: None,
            peers: Vec::new(),
            lacks: facts.lacks,
        }
    }
}

#[cfg(not(feature = "wgpu"))]
mod imp {
    use std::sync::Arc;

    use plimsoll_device::Device;

    use crate::backends::patient::Pending;
    use crate::backends::{BackendError, Gpu};

    /// There is none in this build.
    #[derive(Debug)]
    pub(in crate::backends) enum WgpuBackend {}

    impl WgpuBackend {
        pub(in crate::backends) fn ask() -> Pending<Self> {
            Pending::quietly(|| Err(BackendError::NotBuilt { feature: "wgpu" }))
        }

        pub(in crate::backends) fn gpus(&self) -> &[Gpu] {
            match *self {}
        }

        pub(in crate::backends) fn open(&self, _: u16) -> Result<Arc<dyn Device>, BackendError> {
            match *self {}
        }
    }
}
