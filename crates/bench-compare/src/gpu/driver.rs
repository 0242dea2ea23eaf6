//! The bare driver, as a program without any engine would call it.

use std::ffi::{c_int, c_void};
use std::ptr;

use cudarc::driver::sys;

use super::Failed;

/// The first GPU's primary context and a stream in it.
pub struct Driver {
    stream: sys::CUstream,
}

fn told(what: &str, result: sys::CUresult) -> Result<(), Failed> {
    if result == sys::CUresult::CUDA_SUCCESS { Ok(()) } else { Err(Failed(format!("{what}: {result:?}"))) }
}

#[expect(clippy::cast_possible_truncation, reason = "CUDA exists for 64-bit systems only")]
const fn size(bytes: u64) -> usize {
    bytes as usize
}

// SAFETY (of every call here): pointers are to live values, addresses come from the driver or from devices that keep
// them for the time of the measurement, and each allocation is freed once.
#[expect(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
#[expect(clippy::unused_self, reason = "that it is open is what makes the context current")]
impl Driver {
    /// The context is the one that our devices have made; it stays current on this thread.
    pub fn open() -> Result<Self, Failed> {
        let mut device: c_int = 0;
        let (mut context, mut stream) = (ptr::null_mut(), ptr::null_mut());
        unsafe {
            told("cuInit", sys::cuInit(0))?;
            told("cuDeviceGet", sys::cuDeviceGet(&raw mut device, 0))?;
            told("cuDevicePrimaryCtxRetain", sys::cuDevicePrimaryCtxRetain(&raw mut context, device))?;
            told("cuCtxSetCurrent", sys::cuCtxSetCurrent(context))?;
            told("cuStreamCreate", sys::cuStreamCreate(&raw mut stream, 1))?;
        }
        Ok(Self { stream })
    }

    /// `cuMemAlloc` and `cuMemFree`.
    pub fn plain_pair(&self, bytes: u64) -> Result<(), Failed> {
        let mut address = 0;
        unsafe {
            told("cuMemAlloc", sys::cuMemAlloc_v2(&raw mut address, size(bytes)))?;
            told("cuMemFree", sys::cuMemFree_v2(address))
        }
    }

    /// `cuMemAllocAsync` and `cuMemFreeAsync`.
    pub fn ordered_pair(&self, bytes: u64) -> Result<(), Failed> {
        let mut address = 0;
        unsafe {
            told("cuMemAllocAsync", sys::cuMemAllocAsync(&raw mut address, size(bytes), self.stream))?;
            told("cuMemFreeAsync", sys::cuMemFreeAsync(address, self.stream))
        }
    }

    /// `cuMemHostAlloc` and `cuMemFreeHost`.
    pub fn pinned_pair(&self, bytes: u64) -> Result<(), Failed> {
        let mut address: *mut c_void = ptr::null_mut();
        unsafe {
            told("cuMemHostAlloc", sys::cuMemHostAlloc(&raw mut address, size(bytes), 3))?;
            told("cuMemFreeHost", sys::cuMemFreeHost(address))
        }
    }

    /// Memory of the device, until [`release`](Self::release).
    pub fn take(&self, bytes: u64) -> Result<u64, Failed> {
        let mut address = 0;
        told("cuMemAlloc", unsafe { sys::cuMemAlloc_v2(&raw mut address, size(bytes)) })?;
        Ok(address)
    }

    pub fn release(&self, address: u64) {
        let _freed = unsafe { sys::cuMemFree_v2(address) };
    }

    /// Puts `cuMemcpyAsync` on the stream.
    pub fn copy(&self, target: u64, source: u64, bytes: u64) -> Result<(), Failed> {
        told("cuMemcpyAsync", unsafe { sys::cuMemcpyAsync(target, source, size(bytes), self.stream) })
    }

    /// Waits for the stream.
    pub fn finish(&self) -> Result<(), Failed> {
        told("cuStreamSynchronize", unsafe { sys::cuStreamSynchronize(self.stream) })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The context stays retained: other measurements of this process go on in it.
        #[expect(clippy::undocumented_unsafe_blocks, reason = "as above")]
        let _closed = unsafe { sys::cuStreamDestroy_v2(self.stream) };
    }
}
