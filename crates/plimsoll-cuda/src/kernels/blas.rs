//! cuBLAS, CUDA's library of products of matrices, opened when products are first asked for.
//!
//! Its few functions are called directly, as NVRTC's are and for the same reasons: cudarc's binding opens a library by its
//! bare name and cannot be told a folder. There is one handle a GPU, since each takes tens of megabytes that nobody is charged for; it
//! goes from stream to stream, and the memory that it works in is given with each product.

use std::ffi::{CStr, c_char, c_int, c_longlong, c_void};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libloading::Library;
use plimsoll_device::DeviceError;
use plimsoll_device::programs::{Factor, Multiply};

use super::launch::KernelError;
use super::library::Opened;
use super::search::CUBLAS;
use crate::driver::RawStream;

type Handle = *mut c_void;
type Status = c_int;
type Plain = unsafe extern "C" fn(Handle) -> Status;

/// Of `cublas_api.h` and `library_types.h`.
const AS_IT_IS: c_int = 0;
const TURNED: c_int = 1;
const IN_SINGLES: c_int = 68;
const ANY_WAY: c_int = -1;
/// Sums of parts are added up in singles too.
const NO_SHORT_SUMS: c_int = 16;

const fn kind(factor: Factor) -> c_int {
    match factor {
        Factor::F32 => 0,
        Factor::F16 => 2,
        Factor::Bf16 => 14,
    }
}

type Gemm = unsafe extern "C" fn(
    Handle,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    *const c_void,
    *const c_void,
    c_int,
    c_int,
    c_longlong,
    *const c_void,
    c_int,
    c_int,
    c_longlong,
    *const c_void,
    *mut c_void,
    c_int,
    c_int,
    c_longlong,
    c_int,
    c_int,
    c_int,
) -> Status;

/// The functions that are called. They stay valid while `_libraries` live, which is as long as this does.
struct Functions {
    create: unsafe extern "C" fn(*mut Handle) -> Status,
    destroy: Plain,
    stream: unsafe extern "C" fn(Handle, *mut c_void) -> Status,
    desk: unsafe extern "C" fn(Handle, *mut c_void, usize) -> Status,
    mode: unsafe extern "C" fn(Handle, c_int) -> Status,
    gemm: Gemm,
    message: unsafe extern "C" fn(Status) -> *const c_char,
    _libraries: Vec<Library>,
}

/// A handle, the stream that it puts work on, and the memory that it works in there.
struct Open {
    handle: Handle,
    at: Option<(usize, (u64, u64))>,
}

// SAFETY: a handle may be used by any thread, one at a time, which the lock around it sees to.
unsafe impl Send for Open {}

/// The library, once it is needed, and its handle of one GPU.
pub(crate) struct Blas {
    folder: Option<PathBuf>,
    driver: u32,
    functions: Mutex<Option<Arc<Functions>>>,
    open: Mutex<Option<Open>>,
}

impl Blas {
    /// `driver` is the major version of CUDA that the driver runs.
    pub(super) fn new(folder: Option<PathBuf>, driver: u32) -> Self {
        Self { folder, driver, functions: Mutex::default(), open: Mutex::default() }
    }

    /// Makes the handle, unless there is one. The context is current.
    pub(crate) fn ready(&self) -> Result<(), DeviceError> {
        let functions = self.functions()?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_some() {
            return Ok(());
        }
        let mut handle = std::ptr::null_mut();
        let what = "opening cuBLAS";
        // SAFETY: the context is current and the pointer is to a live value.
        functions.told(what, unsafe { (functions.create)(&raw mut handle) })?;
        // SAFETY: the handle is new.
        if let Err(error) = functions.told(what, unsafe { (functions.mode)(handle, NO_SHORT_SUMS) }) {
            // SAFETY: nobody has it.
            unsafe { (functions.destroy)(handle) };
            return Err(error);
        }
        *open = Some(Open { handle, at: None });
        Ok(())
    }

    /// Puts products on a stream; [`ready`](Self::ready) was called before.
    ///
    /// # Safety
    /// The context is current, and what is multiplied lies where it is said to lie until the stream has come past it.
    pub(crate) unsafe fn multiply(&self, stream: RawStream, what: &Multiply) -> Result<(), KernelError> {
        let functions = self.functions().map_err(KernelError::Code)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &mut *open else {
            let why = "it was not made ready for products first".to_owned();
            return Err(KernelError::Code(DeviceError::System { what: "multiplying matrices", why }));
        };
        let at = |address: u64| {
            std::ptr::with_exposed_provenance_mut::<c_void>(usize::try_from(address).unwrap_or(0))
        };
        let told = |status| functions.told("multiplying matrices", status).map_err(KernelError::Code);
        if open.at != Some((stream.0, what.desk)) {
            open.at = None;
            let raw = std::ptr::with_exposed_provenance_mut(stream.0);
            let bytes = usize::try_from(what.desk.1).unwrap_or(0);
            // SAFETY: the caller's promise of both. A new stream takes the memory away that was given before, so that is given after.
            told(unsafe { (functions.stream)(open.handle, raw) })?;
            // SAFETY: as above.
            told(unsafe { (functions.desk)(open.handle, at(what.desk.0), bytes) })?;
            open.at = Some((stream.0, what.desk));
        }
        let [rows, columns, depth] = what.sizes;
        let int = |value: u64| c_int::try_from(value).unwrap_or(c_int::MAX);
        let far = |value: u64| c_longlong::try_from(value).unwrap_or(c_longlong::MAX);
        let turned = |by_columns: bool| if by_columns { TURNED } else { AS_IT_IS };
        // The library counts by columns. What is kept by rows is to it the transposed matrix, and xy transposed is y
        // transposed times x transposed: the operands change places and nothing is moved.
        let (one, other, out) = (&what.y, &what.x, &what.out);
        // SAFETY: the caller's promise; the factors are read before the call returns, as the handle's mode of pointers is
        // the host's.
        told(unsafe {
            (functions.gemm)(
                open.handle,
                turned(one.by_columns),
                turned(other.by_columns),
                int(columns.into()),
                int(rows.into()),
                int(depth.into()),
                (&raw const what.scale).cast(),
                at(one.address),
                kind(one.factor),
                int(one.pitch),
                far(one.apart),
                at(other.address),
                kind(other.factor),
                int(other.pitch),
                far(other.apart),
                (&raw const what.keep).cast(),
                at(out.address),
                kind(out.factor),
                int(out.pitch),
                far(out.apart),
                int(what.batch.into()),
                IN_SINGLES,
                ANY_WAY,
            )
        })
    }

    /// Closes the handle. The context is current.
    pub(crate) fn close(&self) {
        let functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(functions), Some(open)) = (functions, open) {
            // SAFETY: the handle is closed once, and nobody has it any more. A refusal leaves nothing to be done.
            let _closed = unsafe { (functions.destroy)(open.handle) };
        }
    }

    /// A failure is not kept: who installs what was missing need not start again.
    fn functions(&self) -> Result<Arc<Functions>, DeviceError> {
        let mut opened = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(functions) = &*opened {
            return Ok(Arc::clone(functions));
        }
        let functions = Arc::new(Functions::open(self.folder.as_deref(), self.driver)?);
        *opened = Some(Arc::clone(&functions));
        Ok(functions)
    }
}

impl fmt::Debug for Blas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blas").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Functions {
    fn open(folder: Option<&Path>, driver: u32) -> Result<Self, DeviceError> {
        Opened::first(&CUBLAS, folder, driver, Self::of).map_err(|place| DeviceError::System {
            what: "opening cuBLAS, which multiplies matrices",
            why: format!(
                "no libcublas was found {place}; install it with `pip install nvidia-cublas` or the CUDA toolkit, \
                 or name its folder in the setting `cublas`"
            ),
        })
    }

    fn of(opened: Opened) -> Result<Self, libloading::Error> {
        let main = &opened.main;
        // SAFETY: the types are those of cublas_api.h, which have been the same since version 11. The functions are copied
        // out and kept no longer than the library.
        unsafe {
            Ok(Self {
                create: *main.get(b"cublasCreate_v2\0")?,
                destroy: *main.get(b"cublasDestroy_v2\0")?,
                stream: *main.get(b"cublasSetStream_v2\0")?,
                desk: *main.get(b"cublasSetWorkspace_v2\0")?,
                mode: *main.get(b"cublasSetMathMode\0")?,
                gemm: *main.get(b"cublasGemmStridedBatchedEx\0")?,
                message: *main.get(b"cublasGetStatusString\0")?,
                _libraries: opened.into_all(),
            })
        }
    }

    fn told(&self, what: &'static str, status: Status) -> Result<(), DeviceError> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the function takes every number and returns a string that is never freed.
        let text = unsafe { CStr::from_ptr((self.message)(status)) };
        let why = format!("cuBLAS answers {status}: {}", text.to_string_lossy());
        Err(DeviceError::System { what, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error_that_says_how_to_get_it() {
        let empty = tempfile::tempdir().unwrap();
        let blas = Blas::new(Some(empty.path().to_path_buf()), 13);
        let error = blas.ready().unwrap_err().to_string();
        for part in
            ["libcublas", "pip install nvidia-cublas", "`cublas`", &empty.path().display().to_string()]
        {
            assert!(error.contains(part), "{error}");
        }
        std::fs::write(empty.path().join("libcublas.so.13"), "not a library").unwrap();
        let error = blas.ready().unwrap_err().to_string();
        assert!(error.contains("libcublas.so.13: "), "{error}");
    }
}
