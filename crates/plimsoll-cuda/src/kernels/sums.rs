//! NCCL, NVIDIA's library of what several GPUs do together, opened when a group is first asked for.
//!
//! Its few functions are called directly, as cuBLAS's are and for the same reasons. The buffers that it works in it takes from
//! the driver by itself: they are on no account.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libloading::Library;
use plimsoll_device::DeviceError;
use plimsoll_device::programs::Gather;

use super::library::Opened;
use super::search::NCCL;
use crate::driver::RawStream;

type Place = *mut c_void;
type Status = c_int;

/// Of `nccl.h`.
const BYTES: c_int = 1;
const SINGLES: c_int = 7;
const ADDED: c_int = 0;

/// The functions that are called. They stay valid while the library does, which is as long as this does.
struct Functions {
    open: unsafe extern "C" fn(*mut Place, c_int, *const c_int) -> Status,
    sum: unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Place, *mut c_void) -> Status,
    gather: unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, Place, *mut c_void) -> Status,
    begin: unsafe extern "C" fn() -> Status,
    end: unsafe extern "C" fn() -> Status,
    abort: unsafe extern "C" fn(Place) -> Status,
    close: unsafe extern "C" fn(Place) -> Status,
    message: unsafe extern "C" fn(Status) -> *const c_char,
    _libraries: Vec<Library>,
}

/// A group of GPUs: a place in it for each.
pub(crate) struct Sums {
    functions: Functions,
    /// Null once the group was left.
    places: Vec<AtomicPtr<c_void>>,
}

impl Sums {
    /// Opens the library, in `folder` if one is given, and a group of the GPUs that the driver numbers so.
    pub(crate) fn of(gpus: &[i32], folder: Option<&Path>, driver: u32) -> Result<Self, DeviceError> {
        let functions = Functions::open(folder, driver)?;
        let mut places = vec![ptr::null_mut(); gpus.len()];
        let count = c_int::try_from(gpus.len()).unwrap_or(c_int::MAX);
        // SAFETY: there is room for a place of each, and the numbers are those of the driver.
        let status = unsafe { (functions.open)(places.as_mut_ptr(), count, gpus.as_ptr()) };
        functions.told("opening a group of GPUs", status)?;
        Ok(Self { functions, places: places.into_iter().map(AtomicPtr::new).collect() })
    }

    pub(crate) fn members(&self) -> usize {
        self.places.len()
    }

    /// Puts sums on a stream of a member.
    ///
    /// # Safety
    /// The member's context is current, the stream is of it, and so many singles lie at each address until the stream has
    /// come past them.
    pub(crate) unsafe fn sum(
        &self,
        member: usize,
        stream: RawStream,
        singles: &[(u64, u64)],
    ) -> Result<(), DeviceError> {
        self.as_one("adding up over several GPUs", member, singles, |place, (address, count)| {
            let raw = ptr::with_exposed_provenance_mut::<c_void>(stream.0);
            let (at, count) = (pointer(*address), usize::try_from(*count).unwrap_or(usize::MAX));
            // SAFETY: the caller's promise; a sum may be written over what it is made of.
            unsafe { (self.functions.sum)(at, at, count, SINGLES, ADDED, place, raw) }
        })
    }

    /// Puts on a stream of a member: wholes are made of all members' parts.
    ///
    /// # Safety
    /// The member's context is current, the stream is of it, and parts and the room for wholes lie at their addresses, apart,
    /// until the stream has come past them.
    pub(crate) unsafe fn gather(
        &self,
        member: usize,
        stream: RawStream,
        all: &[Gather],
    ) -> Result<(), DeviceError> {
        self.as_one("gathering over several GPUs", member, all, |place, one| {
            let raw = ptr::with_exposed_provenance_mut::<c_void>(stream.0);
            let bytes = usize::try_from(one.bytes).unwrap_or(usize::MAX);
            // SAFETY: the caller's promise.
            unsafe {
                (self.functions.gather)(pointer(one.part), pointer(one.whole), bytes, BYTES, place, raw)
            }
        })
    }

    /// Asks for several things as one, so that they go at once.
    fn as_one<T>(
        &self,
        what: &'static str,
        member: usize,
        all: &[T],
        ask: impl Fn(Place, &T) -> Status,
    ) -> Result<(), DeviceError> {
        let place = self.places[member].load(Ordering::Acquire);
        if place.is_null() {
            return Err(DeviceError::GroupLeft);
        }
        let functions = &self.functions;
        // SAFETY: takes nothing.
        functions.told(what, unsafe { (functions.begin)() })?;
        let mut done = Ok(());
        for one in all {
            done = done.and(functions.told(what, ask(place, one)));
        }
        // SAFETY: takes nothing, and ends what was begun on this thread.
        let ended = functions.told(what, unsafe { (functions.end)() });
        done.and(ended)
    }

    /// Ends all places at once.
    pub(crate) fn leave(&self) {
        for place in &self.places {
            let place = place.swap(ptr::null_mut(), Ordering::AcqRel);
            if !place.is_null() {
                // SAFETY: whoever swaps it out is the only one who ends it; the library lets any thread do that at any time. A
                // refusal leaves nothing to be done.
                let _left = unsafe { (self.functions.abort)(place) };
            }
        }
    }
}

fn pointer(address: u64) -> Place {
    ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap_or(0))
}

impl Drop for Sums {
    fn drop(&mut self) {
        for place in &mut self.places {
            if !place.get_mut().is_null() {
                // SAFETY: nobody has it any more.
                let _closed = unsafe { (self.functions.close)(*place.get_mut()) };
            }
        }
    }
}

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sums").field("members", &self.places.len()).finish_non_exhaustive()
    }
}

impl Functions {
    fn open(folder: Option<&Path>, driver: u32) -> Result<Self, DeviceError> {
        Opened::first(&NCCL, folder, driver, Self::of).map_err(|place| DeviceError::System {
            what: "opening NCCL, with which several GPUs learn together",
            why: format!(
                "no libnccl was found {place}; install it with `pip install nvidia-nccl-cu13` or NVIDIA's packages, \
                 name its folder in the setting `nccl`, or use one GPU"
            ),
        })
    }

    fn of(opened: Opened) -> Result<Self, libloading::Error> {
        let main = &opened.main;
        // SAFETY: the types are those of nccl.h, which have been the same since version 2.2. The functions are copied out and
        // kept no longer than the library.
        unsafe {
            Ok(Self {
                open: *main.get(b"ncclCommInitAll\0")?,
                sum: *main.get(b"ncclAllReduce\0")?,
                gather: *main.get(b"ncclAllGather\0")?,
                begin: *main.get(b"ncclGroupStart\0")?,
                end: *main.get(b"ncclGroupEnd\0")?,
                abort: *main.get(b"ncclCommAbort\0")?,
                close: *main.get(b"ncclCommDestroy\0")?,
                message: *main.get(b"ncclGetErrorString\0")?,
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
        Err(DeviceError::System { what, why: format!("NCCL answers {status}: {}", text.to_string_lossy()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error_that_says_how_to_get_it() {
        let empty = tempfile::tempdir().unwrap();
        let error = Sums::of(&[0, 1], Some(empty.path()), 13).unwrap_err().to_string();
        for part in ["libnccl", "pip install nvidia-nccl-cu13", "`nccl`", &empty.path().display().to_string()]
        {
            assert!(error.contains(part), "{error}");
        }
        std::fs::write(empty.path().join("libnccl.so.2"), "not a library").unwrap();
        let error = Sums::of(&[0, 1], Some(empty.path()), 13).unwrap_err().to_string();
        assert!(error.contains("libnccl.so.2: "), "{error}");
    }
}
