//! How busy GPUs are and what of their memory is free, whoever uses it, from NVIDIA's management library (NVML).
//!
//! It comes with the driver and is loaded at run time. It needs no context on a GPU, so asking costs no memory there;
//! a program that watches a machine uses this, and one that allocates has [`CudaDevice`](crate::CudaDevice).

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::{fmt, ptr};

use libloading::Library;
use plimsoll_device::Bytes;

use crate::GpuFacts;

type Device = *mut c_void;
type Status = c_int;

/// What NVML calls success.
const DONE: Status = 0;

#[cfg(windows)]
const NAMES: [&str; 1] = ["nvml.dll"];
#[cfg(not(windows))]
const NAMES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

/// As `nvmlUtilization_t`.
#[repr(C)]
#[derive(Default)]
struct Rates {
    gpu: c_uint,
    memory: c_uint,
}

/// As `nvmlMemory_t`.
#[repr(C)]
#[derive(Default)]
struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

/// The management library and the GPUs that it knows of those that were named.
///
/// ```no_run
/// use plimsoll_cuda::{Cuda, CudaSettings, GpuUsage};
/// let cuda = Cuda::load(CudaSettings::default())?;
/// if let Some(usage) = GpuUsage::open(cuda.gpus()) {
///     println!("cuda:0 works {:?} of the time", usage.busy(0)); // for a sampler: `Sampler::machine().gpus(…)`
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GpuUsage {
    rates: unsafe extern "C" fn(Device, *mut Rates) -> Status,
    memory: unsafe extern "C" fn(Device, *mut Memory) -> Status,
    shutdown: unsafe extern "C" fn() -> Status,
    /// By their number among CUDA's devices.
    gpus: Vec<(u16, Device)>,
    _library: Library,
}

// SAFETY: NVML may be called from any thread, and its handles are valid on all of them.
unsafe impl Send for GpuUsage {}
// SAFETY: as above; calls at the same time are allowed.
unsafe impl Sync for GpuUsage {}

impl GpuUsage {
    /// Opens the library. Absent where there is none, or it knows none of these GPUs.
    pub fn open(gpus: &[GpuFacts]) -> Option<Self> {
        let named: Vec<(u16, &str)> =
            gpus.iter().filter_map(|gpu| Some((gpu.ordinal, gpu.pci.as_deref()?))).collect();
        NAMES.iter().find_map(|name| Self::open_one(name, &named))
    }

    fn open_one(name: &str, named: &[(u16, &str)]) -> Option<Self> {
        // SAFETY: NVIDIA's library may be loaded at any time; its initializers need nothing of us. The types are those
        // of nvml.h, which have been the same since version 5. Functions are copied out and kept no longer than it.
        let (mut found, find) = unsafe {
            let library = Library::new(name).ok()?;
            let init: unsafe extern "C" fn() -> Status = *library.get(b"nvmlInit_v2\0").ok()?;
            let find: unsafe extern "C" fn(*const c_char, *mut Device) -> Status =
                *library.get(b"nvmlDeviceGetHandleByPciBusId_v2\0").ok()?;
            let rates = *library.get(b"nvmlDeviceGetUtilizationRates\0").ok()?;
            let memory = *library.get(b"nvmlDeviceGetMemoryInfo\0").ok()?;
            let shutdown = *library.get(b"nvmlShutdown\0").ok()?;
            if init() != DONE {
                return None;
            }
            // From here on dropping it shuts down what was begun.
            let found = Self { rates, memory, shutdown, gpus: Vec::new(), _library: library };
            (found, find)
        };
        for (ordinal, pci) in named {
            let Ok(pci) = CString::new(*pci) else { continue };
            let mut device = ptr::null_mut();
            // SAFETY: `pci` ends in a zero byte and outlives the call; `device` may be written.
            if unsafe { find(pci.as_ptr(), &raw mut device) } == DONE && !device.is_null() {
                found.gpus.push((*ordinal, device));
            }
        }
        if found.gpus.is_empty() { None } else { Some(found) }
    }

    /// The share of the last moment (a sixth of a second to a second) in which a kernel ran, 0 to 1. Absent for a GPU
    /// that does not tell, such as one that is split (MIG).
    pub fn busy(&self, ordinal: u16) -> Option<f64> {
        let mut told = Rates::default();
        // SAFETY: the handle came from the library, which is still there; `told` may be written.
        let done = unsafe { (self.rates)(self.device(ordinal)?, &raw mut told) } == DONE;
        (done && told.gpu <= 100).then(|| f64::from(told.gpu) / 100.0)
    }

    /// All memory of a GPU, and what of it is free.
    pub fn memory(&self, ordinal: u16) -> Option<(Bytes, Bytes)> {
        let mut told = Memory::default();
        // SAFETY: as above.
        let done = unsafe { (self.memory)(self.device(ordinal)?, &raw mut told) } == DONE;
        (done && told.free <= told.total).then(|| (Bytes::new(told.total), Bytes::new(told.free)))
    }

    fn device(&self, ordinal: u16) -> Option<Device> {
        self.gpus.iter().find(|(number, _)| *number == ordinal).map(|(_, device)| *device)
    }
}

impl Drop for GpuUsage {
    fn drop(&mut self) {
        // SAFETY: pairs with the call that began it; no handle is used afterwards.
        let _ = unsafe { (self.shutdown)() };
    }
}

impl fmt::Debug for GpuUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ordinals: Vec<u16> = self.gpus.iter().map(|(ordinal, _)| *ordinal).collect();
        f.debug_struct("GpuUsage").field("gpus", &ordinals).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_absent() {
        assert!(GpuUsage::open_one("libno-such-library.so.1", &[(0, "0000:01:00.0")]).is_none());
        assert!(GpuUsage::open(&[]).is_none(), "no GPU was named");
    }
}
