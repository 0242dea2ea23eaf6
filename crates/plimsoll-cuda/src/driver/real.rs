//! The driver that is installed, loaded when it is first asked for.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use cudarc::driver::sys::{self, CUdevice_attribute_enum as Attribute};

use crate::kernels::{KernelSet, Launcher};

use super::{Code, Driver, HostWork, Location, Physical, RawEvent, RawStream};

/// What the driver says of a GPU before anything is opened on it.
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of the driver's")]
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) device: c_int,
    pub(crate) name: String,
    pub(crate) total: u64,
    pub(crate) compute: (u32, u32),
    pub(crate) multiprocessors: u32,
    pub(crate) pci: Option<String>,
    pub(crate) uuid: Option<[u8; 16]>,
    pub(crate) integrated: bool,
    /// Virtual memory management, on the device and for host memory.
    pub(crate) ranges: bool,
    pub(crate) host_ranges: bool,
    pub(crate) host_node: i32,
    /// Managed memory that host and device may touch at the same time.
    pub(crate) managed: bool,
    /// The device reads pageable host memory by itself, so copies from it may still run when they return.
    pub(crate) pageable: bool,
    /// Other devices whose memory it reaches.
    pub(crate) peers: Vec<c_int>,
}

/// Why nothing can be opened.
pub(crate) enum Unusable {
    /// There is no driver library.
    NoDriver,
    /// It is older than what is needed.
    Old((u32, u32)),
    /// It has no device.
    NoDevice,
    /// It failed.
    Failed(&'static str, Code),
}

/// The oldest driver whose calls are used: virtual memory for the host and prefetching to it came with it.
pub(crate) const NEEDED: (u32, u32) = (12, 2);

fn code(result: sys::CUresult) -> Result<(), Code> {
    if result == sys::CUresult::CUDA_SUCCESS { Ok(()) } else { Err(Code(result as u32)) }
}

/// Fills what the driver writes through a pointer.
fn got<T>(call: impl FnOnce(*mut T) -> sys::CUresult) -> Result<T, Code> {
    let mut value = MaybeUninit::<T>::zeroed();
    code(call(value.as_mut_ptr()))?;
    // SAFETY: the driver wrote the value, as it says with success; all types used here are plain numbers, arrays
    // of them and handles, for which zeros are valid too.
    Ok(unsafe { value.assume_init() })
}

/// The driver's version, and every GPU that it has.
pub(crate) fn probe() -> Result<((u32, u32), Vec<Probe>), Unusable> {
    // SAFETY: only loads the library, whose initializers are the driver's own. Loading may panic inside the binding
    // where a library of that name is not what it should be.
    let present = catch_unwind(AssertUnwindSafe(|| unsafe { sys::is_culib_present() }));
    if !present.unwrap_or(false) {
        return Err(Unusable::NoDriver);
    }
    // SAFETY: a plain query, allowed before initialization; the pointer is to a live number.
    let version = got(|v| unsafe { sys::cuDriverGetVersion(v) });
    let version: c_int =
        version.map_err(|error| Unusable::Failed("asking the CUDA driver for its version", error))?;
    let version = (number(version) / 1000, number(version) % 1000 / 10);
    if version < NEEDED {
        return Err(Unusable::Old(version));
    }
    // SAFETY: no pointers; may be called more than once.
    code(unsafe { sys::cuInit(0) }).map_err(|error| match error.0 {
        100 => Unusable::NoDevice,
        _ => Unusable::Failed("starting the CUDA driver", error),
    })?;
    let failed = |error| Unusable::Failed("listing CUDA devices", error);
    // SAFETY: the driver is initialized; the pointer is to a live number.
    let count: c_int = got(|n| unsafe { sys::cuDeviceGetCount(n) }).map_err(failed)?;
    if count == 0 {
        return Err(Unusable::NoDevice);
    }
    let devices: Vec<Probe> =
        (0..count).map(|n| describe(n, count)).collect::<Result<_, _>>().map_err(failed)?;
    Ok((version, devices))
}

fn number(value: c_int) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

fn describe(ordinal: c_int, count: c_int) -> Result<Probe, Code> {
    // SAFETY: here and below: the driver is initialized, the device number is one that it gave, and every pointer is
    // to a live value or buffer of the length that is passed along.
    let device: c_int = got(|d| unsafe { sys::cuDeviceGet(d, ordinal) })?;
    let mut name = [0_u8; 256];
    // SAFETY: as above.
    code(unsafe { sys::cuDeviceGetName(name.as_mut_ptr().cast(), 256, device) })?;
    // SAFETY: as above.
    let total: usize = got(|bytes| unsafe { sys::cuDeviceTotalMem_v2(bytes, device) })?;
    let mut pci = [0_u8; 32];
    // SAFETY: as above.
    let pci = code(unsafe { sys::cuDeviceGetPCIBusId(pci.as_mut_ptr().cast(), 32, device) })
        .ok()
        .map(|()| text(&pci));
    // SAFETY: as above.
    let uuid = got(|uuid| unsafe { sys::cuDeviceGetUuid_v2(uuid, device) }).ok();
    let attribute = |which: Attribute| -> c_int {
        // SAFETY: as above. What an older driver does not know is zero.
        got(|value| unsafe { sys::cuDeviceGetAttribute(value, which, device) }).unwrap_or(0)
    };
    let peers = (0..count).filter(|&other| other != ordinal).filter(|&other| {
        // SAFETY: as above.
        got(|can: *mut c_int| unsafe { sys::cuDeviceCanAccessPeer(can, device, other) }).unwrap_or(0) != 0
    });
    Ok(Probe {
        device,
        name: text(&name),
        total: total as u64,
        compute: (
            number(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)),
            number(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)),
        ),
        multiprocessors: number(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)),
        pci,
        uuid: uuid.map(|uuid: sys::CUuuid| uuid.bytes.map(|byte| byte.to_ne_bytes()[0])),
        integrated: attribute(Attribute::CU_DEVICE_ATTRIBUTE_INTEGRATED) != 0,
        ranges: attribute(Attribute::CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) != 0,
        host_ranges: attribute(Attribute::CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED)
            != 0,
        host_node: attribute(Attribute::CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID),
        managed: attribute(Attribute::CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS) != 0,
        pageable: attribute(Attribute::CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS) != 0,
        peers: peers.collect(),
    })
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// One GPU's primary context, shared with every library of the process that uses that GPU.
pub(crate) struct Real {
    device: c_int,
    context: sys::CUcontext,
    kernels: Launcher,
}

// SAFETY: a context is a handle that any thread may make current.
unsafe impl Send for Real {}
// SAFETY: as above; the driver locks for itself.
unsafe impl Sync for Real {}

impl Real {
    /// Opens a GPU.
    pub(crate) fn open(device: c_int, kernels: Launcher) -> Result<Self, Code> {
        // SAFETY: the device number came from the driver; released when this is dropped.
        let context = got(|context| unsafe { sys::cuDevicePrimaryCtxRetain(context, device) })?;
        Ok(Self { device, context, kernels })
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        if self.enter().is_ok() {
            self.kernels.close();
        }
        // SAFETY: retained when it was opened. At the end of the process the driver may be gone already; there is
        // nobody left to tell.
        let _ = unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

impl fmt::Debug for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Real").field("device", &self.device).finish_non_exhaustive()
    }
}

const fn raw_stream(stream: RawStream) -> sys::CUstream {
    ptr::without_provenance_mut(stream.0)
}

const fn raw_event(event: RawEvent) -> sys::CUevent {
    ptr::without_provenance_mut(event.0)
}

const fn location(of: Location) -> sys::CUmemLocation {
    use sys::CUmemLocationType_enum as Type;
    let (type_, id) = match of {
        Location::Gpu(id) => (Type::CU_MEM_LOCATION_TYPE_DEVICE, id),
        Location::HostNode(id) => (Type::CU_MEM_LOCATION_TYPE_HOST_NUMA, id),
    };
    sys::CUmemLocation { type_, id }
}

fn properties(of: Location) -> sys::CUmemAllocationProp {
    sys::CUmemAllocationProp {
        type_: sys::CUmemAllocationType_enum::CU_MEM_ALLOCATION_TYPE_PINNED,
        requestedHandleTypes: sys::CUmemAllocationHandleType_enum::CU_MEM_HANDLE_TYPE_NONE,
        location: location(of),
        win32HandleMetaData: ptr::null_mut(),
        allocFlags: sys::CUmemAllocationProp_st__bindgen_ty_1 {
            compressionType: 0,
            gpuDirectRDMACapable: 0,
            usage: 0,
            reserved: [0; 4],
        },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the driver exists for 64-bit systems only")]
const fn size(bytes: u64) -> usize {
    bytes as usize
}

extern "C" fn run_host_work(work: *mut c_void) {
    // SAFETY: made by `host_work` below with `Box::into_raw`, and run once.
    let work = unsafe { Box::from_raw(work.cast::<HostWork>()) };
    // A panic must not go through the driver's frames. What the work writes is then undefined, as after any fault.
    let _ = catch_unwind(AssertUnwindSafe(work));
}

// SAFETY (of every call below): the trait's contract hands the driver's own rules to the caller; pointers made here
// are to live values for the time of the call.
#[expect(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
impl Driver for Real {
    fn enter(&self) -> Result<(), Code> {
        code(unsafe { sys::cuCtxSetCurrent(self.context) })
    }

    fn context(&self) -> usize {
        self.context.expose_provenance()
    }

    unsafe fn reach(&self, context: usize) -> Result<(), Code> {
        self.enter()?;
        match code(unsafe { sys::cuCtxEnablePeerAccess(ptr::without_provenance_mut(context), 0) }) {
            // Somebody has done it already.
            Err(Code(704)) => Ok(()),
            result => result,
        }
    }

    fn memory(&self) -> Result<(u64, u64), Code> {
        let mut total = 0;
        let free = got(|free| unsafe { sys::cuMemGetInfo_v2(free, &raw mut total) })?;
        Ok((free as u64, total as u64))
    }

    unsafe fn allocate(&self, bytes: u64) -> Result<u64, Code> {
        got(|address| unsafe { sys::cuMemAlloc_v2(address, size(bytes)) })
    }

    unsafe fn free(&self, address: u64) -> Result<(), Code> {
        code(unsafe { sys::cuMemFree_v2(address) })
    }

    unsafe fn allocate_on(&self, bytes: u64, stream: RawStream) -> Result<u64, Code> {
        got(|address| unsafe { sys::cuMemAllocAsync(address, size(bytes), raw_stream(stream)) })
    }

    unsafe fn free_on(&self, address: u64, stream: RawStream) -> Result<(), Code> {
        code(unsafe { sys::cuMemFreeAsync(address, raw_stream(stream)) })
    }

    unsafe fn allocate_managed(&self, bytes: u64) -> Result<u64, Code> {
        let global = sys::CUmemAttach_flags_enum::CU_MEM_ATTACH_GLOBAL as u32;
        got(|address| unsafe { sys::cuMemAllocManaged(address, size(bytes), global) })
    }

    unsafe fn allocate_pinned(&self, bytes: u64) -> Result<u64, Code> {
        // Not write-combined: the host reads it too.
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        let address: *mut c_void =
            got(|address| unsafe { sys::cuMemHostAlloc(address, size(bytes), flags) })?;
        Ok(address.expose_provenance() as u64)
    }

    unsafe fn free_pinned(&self, address: u64) -> Result<(), Code> {
        code(unsafe { sys::cuMemFreeHost(ptr::with_exposed_provenance_mut(size(address))) })
    }

    fn granule(&self, of: Location) -> Result<u64, Code> {
        use sys::CUmemAllocationGranularity_flags_enum::CU_MEM_ALLOC_GRANULARITY_MINIMUM as MINIMUM;
        let properties = properties(of);
        let bytes = got(|bytes| unsafe {
            sys::cuMemGetAllocationGranularity(bytes, &raw const properties, MINIMUM)
        })?;
        Ok(bytes as u64)
    }

    unsafe fn reserve(&self, bytes: u64) -> Result<u64, Code> {
        got(|address| unsafe { sys::cuMemAddressReserve(address, size(bytes), 0, 0, 0) })
    }

    unsafe fn unreserve(&self, address: u64, bytes: u64) -> Result<(), Code> {
        code(unsafe { sys::cuMemAddressFree(address, size(bytes)) })
    }

    unsafe fn create(&self, of: Location, bytes: u64) -> Result<Physical, Code> {
        let properties = properties(of);
        got(|handle| unsafe { sys::cuMemCreate(handle, size(bytes), &raw const properties, 0) }).map(Physical)
    }

    unsafe fn release(&self, physical: Physical) -> Result<(), Code> {
        code(unsafe { sys::cuMemRelease(physical.0) })
    }

    unsafe fn map(&self, address: u64, bytes: u64, physical: Physical) -> Result<(), Code> {
        code(unsafe { sys::cuMemMap(address, size(bytes), 0, physical.0, 0) })
    }

    unsafe fn unmap(&self, address: u64, bytes: u64) -> Result<(), Code> {
        code(unsafe { sys::cuMemUnmap(address, size(bytes)) })
    }

    unsafe fn allow(&self, address: u64, bytes: u64, who: &[Location]) -> Result<(), Code> {
        let flags = sys::CUmemAccess_flags_enum::CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        let access = |of: &Location| sys::CUmemAccessDesc { location: location(*of), flags };
        let access: Vec<_> = who.iter().map(access).collect();
        code(unsafe { sys::cuMemSetAccess(address, size(bytes), access.as_ptr(), access.len()) })
    }

    fn stream(&self) -> Result<RawStream, Code> {
        let apart = sys::CUstream_flags_enum::CU_STREAM_NON_BLOCKING as u32;
        let stream: sys::CUstream = got(|stream| unsafe { sys::cuStreamCreate(stream, apart) })?;
        Ok(RawStream(stream.expose_provenance()))
    }

    unsafe fn close_stream(&self, stream: RawStream) -> Result<(), Code> {
        code(unsafe { sys::cuStreamDestroy_v2(raw_stream(stream)) })
    }

    unsafe fn finish(&self, stream: RawStream) -> Result<(), Code> {
        code(unsafe { sys::cuStreamSynchronize(raw_stream(stream)) })
    }

    fn event(&self) -> Result<RawEvent, Code> {
        let untimed = sys::CUevent_flags_enum::CU_EVENT_DISABLE_TIMING as u32;
        let event: sys::CUevent = got(|event| unsafe { sys::cuEventCreate(event, untimed) })?;
        Ok(RawEvent(event.expose_provenance()))
    }

    unsafe fn close_event(&self, event: RawEvent) -> Result<(), Code> {
        code(unsafe { sys::cuEventDestroy_v2(raw_event(event)) })
    }

    unsafe fn record(&self, event: RawEvent, stream: RawStream) -> Result<(), Code> {
        code(unsafe { sys::cuEventRecord(raw_event(event), raw_stream(stream)) })
    }

    unsafe fn follow(&self, stream: RawStream, event: RawEvent) -> Result<(), Code> {
        code(unsafe { sys::cuStreamWaitEvent(raw_stream(stream), raw_event(event), 0) })
    }

    unsafe fn passed(&self, event: RawEvent) -> Result<bool, Code> {
        match unsafe { sys::cuEventQuery(raw_event(event)) } {
            sys::CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            result => code(result).map(|()| true),
        }
    }

    unsafe fn copy(&self, target: u64, source: u64, bytes: u64, stream: RawStream) -> Result<(), Code> {
        code(unsafe { sys::cuMemcpyAsync(target, source, size(bytes), raw_stream(stream)) })
    }

    unsafe fn fill(&self, target: u64, value: u8, bytes: u64, stream: RawStream) -> Result<(), Code> {
        code(unsafe { sys::cuMemsetD8Async(target, value, size(bytes), raw_stream(stream)) })
    }

    unsafe fn prefetch(&self, address: u64, bytes: u64, to: Location, stream: RawStream) -> Result<(), Code> {
        code(unsafe { sys::cuMemPrefetchAsync_v2(address, size(bytes), location(to), 0, raw_stream(stream)) })
    }

    unsafe fn host_work(&self, stream: RawStream, work: HostWork) -> Result<(), Code> {
        let work = Box::into_raw(Box::new(work));
        let result = unsafe { sys::cuLaunchHostFunc(raw_stream(stream), Some(run_host_work), work.cast()) };
        code(result).inspect_err(|_| {
            // It was not taken, so it is still ours.
            drop(unsafe { Box::from_raw(work) });
        })
    }

    fn kernels(&self) -> Option<&KernelSet> {
        self.kernels.get()
    }

    fn is_pinned(&self, address: u64) -> bool {
        use sys::CUpointer_attribute_enum::CU_POINTER_ATTRIBUTE_MEMORY_TYPE as KIND;
        let mut kind = 0_u32;
        let result = unsafe { sys::cuPointerGetAttribute((&raw mut kind).cast(), KIND, address) };
        result == sys::CUresult::CUDA_SUCCESS
    }
}
