//! Programs that a caller brings: loaded once, and launched by what the driver calls them.

use std::ffi::{CString, c_void};

use cudarc::driver::{result, sys};
use plimsoll_device::programs::{Argument, Entry, Source, Threads};
use plimsoll_device::{DeviceError, Notice};

use super::compile::{Compiler, Job};
use super::launch::{Function, KernelError, KernelSet, raw, refused, told, widen};
use super::settings::KernelSettings;
use crate::driver::RawStream;

/// The most arguments that a launch has.
const MOST: usize = 24;

/// A program that was loaded.
pub(crate) struct Brought {
    name: String,
    text: String,
    functions: Vec<Function>,
}

impl Brought {
    fn entries(&self) -> Vec<Entry> {
        self.functions.iter().map(|function| Entry(function.0.expose_provenance() as u64)).collect()
    }
}

impl KernelSet {
    /// Compiles and loads a program, unless it was before. The context is current.
    pub(crate) fn bring(&self, source: &Source<'_>) -> Result<Vec<Entry>, KernelError> {
        let mut brought = self.brought.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = brought.iter().find(|known| known.name == source.name && known.text == source.text);
        if let Some(known) = known {
            return Ok(known.entries());
        }
        let job = Job {
            device: &self.name,
            capability: self.capability,
            name: source.name,
            text: source.text,
            own: asks_for_own(source.text),
        };
        let code = self.compiler.code(&job).map_err(KernelError::Code)?;
        // SAFETY: the code is whole: it comes from the compiler, or from a file whose checksum agrees. PTX ends with
        // a zero, as the compiler gives it.
        let module = unsafe { result::module::load_data(code.as_ptr().cast()) }
            .map_err(|error| refused("loading a program", error.0))?;
        let mut functions = Vec::with_capacity(source.entries.len());
        for (entry, shared) in source.entries {
            let missing = || refused("finding an entry", sys::CUresult::CUDA_ERROR_NOT_FOUND);
            let name = CString::new(*entry).map_err(|_| missing())?;
            // SAFETY: the module was loaded just now.
            let function = unsafe { result::module::get_function(module, name) };
            let function = Function(function.map_err(|error| refused("finding an entry", error.0))?);
            widen(&function, *shared);
            functions.push(function);
        }
        let loaded = Brought { name: source.name.to_owned(), text: source.text.to_owned(), functions };
        let entries = loaded.entries();
        brought.push(loaded);
        Ok(entries)
    }

    /// Launches an entry.
    ///
    /// # Safety
    /// The context is current, the entry was loaded in it, and the arguments are its parameters, in order.
    pub(crate) unsafe fn launch_entry(
        stream: RawStream,
        entry: Entry,
        threads: Threads,
        arguments: &[Argument<'_>],
    ) -> Result<(), KernelError> {
        if arguments.len() > MOST {
            return told("launching a program", sys::CUresult::CUDA_ERROR_INVALID_VALUE);
        }
        let mut values = [0_u64; MOST];
        let mut pointers = [std::ptr::null_mut::<c_void>(); MOST];
        for ((argument, value), pointer) in arguments.iter().zip(&mut values).zip(&mut pointers) {
            *value = match argument {
                Argument::Long(long) => *long,
                // The low half comes first, on every machine that the driver is for.
                Argument::Word(word) => u64::from(*word),
                Argument::Single(single) => u64::from(single.to_bits()),
                Argument::Words(words) => {
                    *pointer = words.as_ptr().cast_mut().cast();
                    continue;
                }
            };
            *pointer = std::ptr::from_mut(value).cast();
        }
        let [x, y, z] = threads.blocks;
        let function = std::ptr::with_exposed_provenance_mut(usize::try_from(entry.0).unwrap_or(0));
        // SAFETY: the caller's promise; arguments are copied before the call returns.
        let launched = unsafe {
            result::launch_kernel(
                function,
                (x, y, z),
                (threads.each, 1, 1),
                threads.shared,
                raw(stream),
                &mut pointers[..arguments.len()],
            )
        };
        launched.map_err(|error| refused("launching a program", error.0))
    }
}

/// What NVRTC makes of a program for GPUs of a compute capability, none of which need be there: to see early whether it
/// compiles. Without NVRTC the error says how to get it.
pub fn compile_for(
    settings: &KernelSettings,
    capability: (u32, u32),
    source: &Source<'_>,
) -> Result<Vec<u8>, DeviceError> {
    /// The newest major version of CUDA that a driver could run.
    const NEWEST: u32 = 13;
    let compiler = Compiler::new(settings, NEWEST, Notice::default());
    let device = format!("a GPU of compute capability {}.{}", capability.0, capability.1);
    let own = asks_for_own(source.text);
    compiler.code(&Job { device: &device, capability, name: source.name, text: source.text, own })
}

/// Whether a program has code for what only one architecture has: it asks whether it is compiled for that.
fn asks_for_own(text: &str) -> bool {
    text.contains("__CUDA_ARCH_FEAT_")
}
