//! A source into code for one GPU: from the cache, or from NVRTC and then into the cache.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use plimsoll_device::{DeviceError, Notice};

use super::cache::{Cache, Key};
use super::nvrtc::{Form, Nvrtc, Source};
use super::program::HEADER;
use super::settings::KernelSettings;

/// Compiles for all GPUs of the machine. NVRTC is opened when something is first compiled, not before.
pub(crate) struct Compiler {
    folder: Option<PathBuf>,
    /// Where cuBLAS is, which is looked for in the same way.
    pub(super) cublas: Option<PathBuf>,
    /// The major version of CUDA that the driver runs.
    pub(super) driver: u32,
    cache: Cache,
    nvrtc: Mutex<Option<Arc<Nvrtc>>>,
}

/// What is to be compiled, and for what.
pub(super) struct Job<'a> {
    /// What messages call the device.
    pub device: &'a str,
    /// Compute capability.
    pub capability: (u32, u32),
    /// The source's name and text.
    pub name: &'a str,
    pub text: &'a str,
    /// Whether it has code for what only this very architecture has.
    pub own: bool,
}

impl Compiler {
    /// `driver` is the major version of CUDA that the driver runs.
    pub(crate) fn new(settings: &KernelSettings, driver: u32, notice: Notice) -> Self {
        let cache = Cache::new(&settings.cache, notice);
        Self {
            folder: settings.nvrtc.clone(),
            cublas: settings.cublas.clone(),
            driver,
            cache,
            nvrtc: Mutex::default(),
        }
    }

    /// Whether NVRTC is there.
    pub(super) fn available(&self) -> Result<(), DeviceError> {
        self.nvrtc().map(drop)
    }

    /// Code that the driver takes: a CUBIN, or PTX with its closing zero.
    pub(super) fn code(&self, job: &Job<'_>) -> Result<Vec<u8>, DeviceError> {
        let nvrtc = self.nvrtc()?;
        let refused = |log: String| DeviceError::Compile {
            device: job.device.to_owned(),
            kernel: job.name.to_owned(),
            log,
        };
        let (major, minor) = nvrtc.version();
        let (architecture, form) =
            target(nvrtc.architectures(), job.capability, job.own).ok_or_else(|| {
                let (wanted, lower) = job.capability;
                refused(format!(
                    "NVRTC {major}.{minor} makes no code for compute capability {wanted}.{lower}; \
                 an older NVRTC does"
                ))
            })?;
        let options = [architecture, "-default-device".to_owned(), "--std=c++17".to_owned()];

        let compiler = format!("NVRTC {major}.{minor}");
        let mut parts = vec![compiler.as_str(), job.name, job.text, HEADER.1];
        parts.extend(options.iter().map(String::as_str));
        let key = Key::of(&parts);
        if let Some(code) = self.cache.get(&key) {
            return Ok(code);
        }

        let strings = |text: &str| CString::new(text).map_err(|_| refused("a zero in the text".to_owned()));
        let (name, text, header) = (strings(job.name)?, strings(job.text)?, strings(HEADER.1)?);
        let options = options.iter().map(|option| strings(option)).collect::<Result<Vec<_>, _>>()?;
        let source = Source { name: &name, text: &text, header: (HEADER.0, &header) };
        let code = nvrtc.compile(&source, &options, form).map_err(refused)?;
        self.cache.put(&key, &code);
        Ok(code)
    }

    /// A failure is not kept: who installs what was missing need not start again.
    fn nvrtc(&self) -> Result<Arc<Nvrtc>, DeviceError> {
        let mut opened = self.nvrtc.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nvrtc) = &*opened {
            return Ok(Arc::clone(nvrtc));
        }
        let nvrtc = Arc::new(Nvrtc::open(self.folder.as_deref(), self.driver)?);
        *opened = Some(Arc::clone(&nvrtc));
        Ok(nvrtc)
    }
}

/// Machine code where the compiler knows this GPU; else PTX of the newest architecture before it, which the driver
/// finishes. None when all that the compiler knows is newer.
fn target(known: &[u32], (major, minor): (u32, u32), own: bool) -> Option<(String, Form)> {
    let wanted = major * 10 + minor;
    if known.contains(&wanted) {
        // Architectures have had instructions of their own since this one.
        let own = if own && wanted >= 90 { "a" } else { "" };
        return Some((format!("--gpu-architecture=sm_{wanted}{own}"), Form::Cubin));
    }
    let before = known.iter().filter(|&&known| known < wanted).max()?;
    Some((format!("--gpu-architecture=compute_{before}"), Form::Ptx))
}
