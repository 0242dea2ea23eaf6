//! NVRTC, CUDA's run-time compiler, opened when it is first needed.
//!
//! Its few functions are called directly: cudarc's binding opens the library by name alone, cannot be told a folder,
//! and panics when there is none.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use libloading::Library;
use plimsoll_device::DeviceError;

use super::library::Opened;
use super::search::NVRTC;

type Program = *mut c_void;
type Status = c_int;
type SizeOf = unsafe extern "C" fn(Program, *mut usize) -> Status;
type TextOf = unsafe extern "C" fn(Program, *mut c_char) -> Status;

/// The functions that are called. They stay valid while `_libraries` live, which is as long as this does.
pub struct Nvrtc {
    version: (u32, u32),
    architectures: Vec<u32>,
    create: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> Status,
    destroy: unsafe extern "C" fn(*mut Program) -> Status,
    compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Status,
    log: (SizeOf, TextOf),
    cubin: (SizeOf, TextOf),
    ptx: (SizeOf, TextOf),
    message: unsafe extern "C" fn(Status) -> *const c_char,
    _libraries: Vec<Library>,
}

/// What is compiled.
pub struct Source<'a> {
    pub name: &'a CStr,
    pub text: &'a CStr,
    pub header: (&'a CStr, &'a CStr),
}

/// Which code is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For one architecture.
    Cubin,
    /// For this architecture and later ones; the driver finishes it.
    Ptx,
}

impl Nvrtc {
    /// Opens the library: from `folder` if given, else from where it is found first. `driver` is the major version
    /// of CUDA that the driver runs.
    pub fn open(folder: Option<&Path>, driver: u32) -> Result<Self, DeviceError> {
        Opened::first(&NVRTC, folder, driver, Self::of).map_err(|place| DeviceError::System {
            what: "opening NVRTC, which compiles the kernels",
            why: format!(
                "no libnvrtc that opens was found {place}; install it with `pip install nvidia-cuda-nvrtc` or the CUDA toolkit, \
                 or name its folder in the setting `nvrtc`"
            ),
        })
    }

    fn of(opened: Opened) -> Result<Self, libloading::Error> {
        let main = &opened.main;
        // SAFETY: the types are those of nvrtc.h, which have been the same since version 11.2. The functions are copied
        // out and kept no longer than the library.
        unsafe {
            let version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status =
                *main.get(b"nvrtcVersion\0")?;
            let count: unsafe extern "C" fn(*mut c_int) -> Status =
                *main.get(b"nvrtcGetNumSupportedArchs\0")?;
            let list: unsafe extern "C" fn(*mut c_int) -> Status = *main.get(b"nvrtcGetSupportedArchs\0")?;
            let (mut major, mut minor, mut length) = (0, 0, 0);
            version(&raw mut major, &raw mut minor);
            count(&raw mut length);
            let mut architectures = vec![0; usize::try_from(length).unwrap_or(0)];
            list(architectures.as_mut_ptr());
            let found = Self {
                version: (major.unsigned_abs(), minor.unsigned_abs()),
                architectures: architectures.into_iter().map(c_int::unsigned_abs).collect(),
                create: *main.get(b"nvrtcCreateProgram\0")?,
                destroy: *main.get(b"nvrtcDestroyProgram\0")?,
                compile: *main.get(b"nvrtcCompileProgram\0")?,
                log: (*main.get(b"nvrtcGetProgramLogSize\0")?, *main.get(b"nvrtcGetProgramLog\0")?),
                cubin: (*main.get(b"nvrtcGetCUBINSize\0")?, *main.get(b"nvrtcGetCUBIN\0")?),
                ptx: (*main.get(b"nvrtcGetPTXSize\0")?, *main.get(b"nvrtcGetPTX\0")?),
                message: *main.get(b"nvrtcGetErrorString\0")?,
                _libraries: opened.into_all(),
            };
            Ok(found)
        }
    }

    /// Major and minor.
    pub const fn version(&self) -> (u32, u32) {
        self.version
    }

    /// The architectures that it makes code for: 90 is compute capability 9.0.
    pub fn architectures(&self) -> &[u32] {
        &self.architectures
    }

    /// Compiles. On an error, what the compiler wrote.
    pub fn compile(&self, source: &Source<'_>, options: &[CString], form: Form) -> Result<Vec<u8>, String> {
        let mut program = Open { nvrtc: self, program: ptr::null_mut() };
        let (name, text) = (source.header.0.as_ptr(), source.header.1.as_ptr());
        // SAFETY: all are strings that outlive the call; one header is given and counted.
        let status = unsafe {
            (self.create)(
                &raw mut program.program,
                source.text.as_ptr(),
                source.name.as_ptr(),
                1,
                &raw const text,
                &raw const name,
            )
        };
        self.check(status)?;
        let pointers: Vec<_> = options.iter().map(|option| option.as_ptr()).collect();
        let count = c_int::try_from(pointers.len()).map_err(|_| "too many options".to_owned())?;
        // SAFETY: the program is live, and as many strings are given as are counted.
        let status = unsafe { (self.compile)(program.program, count, pointers.as_ptr()) };
        if let Err(failure) = self.check(status) {
            let log = program.take(self.log).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let log = log.trim_end_matches(['\0', '\n']);
            return Err(if log.is_empty() { failure } else { log.to_owned() });
        }
        program.take(if form == Form::Cubin { self.cubin } else { self.ptx })
    }

    fn check(&self, status: Status) -> Result<(), String> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the function takes every number and returns a string that is never freed.
        let text = unsafe { CStr::from_ptr((self.message)(status)) };
        Err(text.to_string_lossy().into_owned())
    }
}

/// A program of the compiler's, destroyed when it is no longer needed.
struct Open<'n> {
    nvrtc: &'n Nvrtc,
    program: Program,
}

impl Open<'_> {
    /// One of its texts.
    fn take(&self, (size, text): (SizeOf, TextOf)) -> Result<Vec<u8>, String> {
        let mut length = 0;
        // SAFETY: the program is live.
        self.nvrtc.check(unsafe { size(self.program, &raw mut length) })?;
        let mut bytes = vec![0; length];
        // SAFETY: the program is live, and the buffer has the length that it asked for.
        self.nvrtc.check(unsafe { text(self.program, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.program.is_null() {
            // SAFETY: it was created and is destroyed once.
            unsafe { (self.nvrtc.destroy)(&raw mut self.program) };
        }
    }
}
