//! CUDA on this machine: what is there, and what is open.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use plimsoll_device::{Notice, Stream};

use crate::device::CudaDevice;
use crate::driver::{Code, Driver, Location, Probe, Real, probe};
use crate::error::CudaError;
use crate::facts::GpuFacts;
use crate::family::Family;
use crate::gpu::Gpu;
use crate::group::GroupMember;
use crate::kernels::{Compiler, KernelSet, KernelSettings, Launcher, Sums};
use crate::pinned::PinnedDevice;

/// How CUDA is used.
#[derive(Clone, Debug, Default)]
pub struct CudaSettings {
    /// Where it is told that something was done differently from what was asked.
    pub notice: Notice,
    /// How kernels are compiled, and where their code is kept.
    pub kernels: KernelSettings,
}

/// CUDA's driver, loaded at run time, and the GPUs that it has.
///
/// Loading it opens nothing: GPUs are described at once and opened when they are asked for. Devices that were asked
/// for from one `Cuda` are one family: they share streams and reach each other's memory.
///
/// ```
/// use plimsoll_cuda::{Cuda, CudaSettings};
/// match Cuda::load(CudaSettings::default()) {
///     Ok(cuda) => println!("{} GPUs, the first is {}", cuda.gpus().len(), cuda.gpus()[0].name),
///     Err(why) => println!("{why}"), // says what is missing and what to do
/// }
/// ```
#[derive(Clone)]
pub struct Cuda {
    inner: Arc<Inner>,
}

/// Opens the driver's context of a GPU.
type OpenDriver = dyn Fn(&Probe) -> Result<Box<dyn Driver>, Code> + Send + Sync;

struct Inner {
    version: (u32, u32),
    probes: Vec<Probe>,
    facts: Vec<GpuFacts>,
    settings: CudaSettings,
    driver: Box<OpenDriver>,
    open: Mutex<Open>,
}

/// What is open now. Nothing here keeps it open.
#[derive(Default)]
struct Open {
    family: Weak<Family>,
    gpus: Vec<(u16, Weak<Gpu>)>,
    devices: Vec<(u16, Weak<CudaDevice>)>,
    pinned: Weak<PinnedDevice>,
}

impl Cuda {
    /// Loads the driver. Without a driver, a device, or with one that is too old, the error says so.
    pub fn load(settings: CudaSettings) -> Result<Self, CudaError> {
        let (version, probes) = probe()?;
        let compiler = Arc::new(Compiler::new(&settings.kernels, version.0, settings.notice.clone()));
        let notice = settings.notice.clone();
        let driver = move |probe: &Probe| -> Result<Box<dyn Driver>, Code> {
            let kernels = Launcher::new(KernelSet::new(Arc::clone(&compiler), probe), notice.clone());
            Ok(Box::new(Real::open(probe.device, kernels)?))
        };
        Ok(Self::with(version, probes, settings, Box::new(driver)))
    }

    pub(crate) fn with(
        version: (u32, u32),
        probes: Vec<Probe>,
        settings: CudaSettings,
        driver: Box<OpenDriver>,
    ) -> Self {
        let facts = probes.iter().zip(0..).map(|(probe, ordinal)| GpuFacts::new(ordinal, probe)).collect();
        Self { inner: Arc::new(Inner { version, probes, facts, settings, driver, open: Mutex::default() }) }
    }

    /// The GPUs, in the driver's order.
    pub fn gpus(&self) -> &[GpuFacts] {
        &self.inner.facts
    }

    /// The CUDA version that the driver is for.
    pub fn driver_version(&self) -> (u32, u32) {
        self.inner.version
    }

    /// A GPU's memory. The same device each time, while somebody has it.
    pub fn device(&self, ordinal: u16) -> Result<Arc<CudaDevice>, CudaError> {
        let mut open = self.inner.open();
        if let Some(device) =
            open.devices.iter().find(|(of, _)| *of == ordinal).and_then(|(_, weak)| weak.upgrade())
        {
            return Ok(device);
        }
        let gpu = self.inner.gpu(&mut open, ordinal)?;
        let (family, first) = self.inner.family(&mut open, &gpu)?;
        let device = Arc::new(CudaDevice::new(ordinal, &family, &gpu, first));
        open.devices.retain(|(of, _)| *of != ordinal);
        open.devices.push((ordinal, Arc::downgrade(&device)));
        Ok(device)
    }

    /// Several GPUs that add up together: a place for each, in the order in which they are named. NCCL is loaded now, and if it
    /// is not there the error says how to get it.
    pub fn group(&self, ordinals: &[u16]) -> Result<Vec<GroupMember>, CudaError> {
        let devices: Vec<Arc<CudaDevice>> =
            ordinals.iter().map(|ordinal| self.device(*ordinal)).collect::<Result<_, _>>()?;
        let numbers: Vec<i32> =
            ordinals.iter().map(|ordinal| self.inner.probes[usize::from(*ordinal)].device).collect();
        let folder = self.inner.settings.kernels.nccl.as_deref();
        Ok(GroupMember::all(Sums::of(&numbers, folder, self.inner.version.0)?, devices))
    }

    /// Page-locked host memory. The same device each time, while somebody has it.
    pub fn pinned(&self) -> Result<Arc<PinnedDevice>, CudaError> {
        let mut open = self.inner.open();
        if let Some(device) = open.pinned.upgrade() {
            return Ok(device);
        }
        // Any GPU will do, and one that is open costs nothing.
        let family = open.family.upgrade().and_then(|family| {
            let gpu = family.lanes.get(Stream(0)).ok().map(|lane| Arc::clone(lane.gpu()));
            gpu.map(|gpu| (family, gpu))
        });
        let (family, gpu) = if let Some(open) = family {
            open
        } else {
            let gpu = self.inner.gpu(&mut open, 0)?;
            (self.inner.family(&mut open, &gpu)?.0, gpu)
        };
        let device = Arc::new(PinnedDevice::new(&family, &gpu)?);
        open.pinned = Arc::downgrade(&device);
        Ok(device)
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gpu(&self, open: &mut Open, ordinal: u16) -> Result<Arc<Gpu>, CudaError> {
        if let Some(gpu) =
            open.gpus.iter().find(|(of, _)| *of == ordinal).and_then(|(_, weak)| weak.upgrade())
        {
            return Ok(gpu);
        }
        let missing = CudaError::NoSuchDevice { asked: ordinal, have: self.probes.len() };
        let probe = self.probes.get(usize::from(ordinal)).ok_or(missing)?;
        let failed = |code| CudaError::driver("opening a CUDA device", code);
        let driver = (self.driver)(probe).map_err(failed)?;
        let others = self.probes.iter().filter(|other| other.peers.contains(&probe.device));
        let reached_by = [probe].into_iter().chain(others).map(|probe| Location::Gpu(probe.device)).collect();
        let gpu = Arc::new(Gpu::new(driver, probe.clone(), reached_by).map_err(failed)?);
        open.gpus.retain(|(of, weak)| *of != ordinal && weak.strong_count() > 0);
        for other in open.gpus.iter().filter_map(|(_, weak)| weak.upgrade()) {
            for (from, to) in [(&gpu, &other), (&other, &gpu)] {
                if from.probe.peers.contains(&to.probe.device) {
                    // SAFETY: both contexts are open. A link that cannot be used is no reason not to open: copies
                    // then go through the host.
                    let _through_the_host = unsafe { from.driver.reach(to.driver.context()) };
                }
            }
        }
        open.gpus.push((ordinal, Arc::downgrade(&gpu)));
        Ok(gpu)
    }

    /// The family, and what a GPU calls stream 0 in it.
    fn family(&self, open: &mut Open, gpu: &Arc<Gpu>) -> Result<(Arc<Family>, Stream), CudaError> {
        if let Some(family) = open.family.upgrade() {
            let first = family.lanes.get(Stream(0))?;
            let stream = if Arc::ptr_eq(first.gpu(), gpu) { Stream(0) } else { family.open_stream(gpu)? };
            return Ok((family, stream));
        }
        let family = Arc::new(Family::new(gpu, self.settings.notice.clone())?);
        open.family = Arc::downgrade(&family);
        Ok((family, Stream(0)))
    }
}

impl fmt::Debug for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cuda").field("version", &self.inner.version).field("gpus", &self.inner.facts).finish()
    }
}
