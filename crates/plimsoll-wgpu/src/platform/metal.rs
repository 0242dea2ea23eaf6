//! Metal: buffers in shared storage, and how much memory the GPU should use.

use std::ptr::NonNull;
use std::sync::Arc;

use objc2_metal::{MTLBuffer, MTLDevice, MTLResourceOptions};
use wgpu::hal::metal::Api;

use super::{Heap, MapError, description};

/// A page of Apple's GPUs: shared buffers of whole pages start at one.
const PAGE: u64 = 16 << 10;

/// Host memory that the device reaches too, mapped for as long as this lives.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// Metal counts references; the memory stays while this is one.
    _buffer: Kept,
    host: NonNull<u8>,
}

type Kept = objc2::rc::Retained<objc2::runtime::ProtocolObject<dyn MTLBuffer>>;

// SAFETY: Metal's buffers may be retained and released on any thread, and the pointer is an address of memory
// that this keeps; who reads and writes it through `host` says how.
unsafe impl Send for Mapped {}
// SAFETY: as above; nothing here changes through a shared reference.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// `bytes` of memory, filled with zeros, that starts at a multiple of `align` on the host; and wgpu's buffer
    /// of exactly these bytes.
    pub(crate) fn new(
        device: &wgpu::Device,
        bytes: u64,
        align: u64,
        _unified: bool,
    ) -> Result<(Arc<Self>, wgpu::Buffer), MapError> {
        // SAFETY: nothing is destroyed through the guard.
        let hal = unsafe { device.as_hal::<Api>() };
        let hal = hal.ok_or_else(|| MapError::Other("the device is not a Metal device".to_owned()))?;
        let length = usize::try_from(bytes.next_multiple_of(PAGE)).map_err(|_| MapError::OutOfMemory)?;
        let options = MTLResourceOptions::StorageModeShared;
        let buffer = hal.raw_device().newBufferWithLength_options(length, options);
        let buffer = buffer.ok_or(MapError::OutOfMemory)?;
        let host = buffer.contents().cast::<u8>();
        if !(host.addr().get() as u64).is_multiple_of(align) {
            return Err(MapError::Other(format!(
                "Metal placed a buffer at {host:?}, not at a multiple of {align}"
            )));
        }
        // SAFETY: Metal's buffer was made from this device and has at least so many bytes.
        let hal_buffer = unsafe { wgpu::hal::metal::Device::buffer_from_raw(buffer.clone(), bytes) };
        // SAFETY: it was made from this device with the size of the description, which is not zero, and a new
        // buffer of Metal is filled with zeros.
        let wrapped = unsafe { device.create_buffer_from_hal::<Api>(hal_buffer, &description(bytes)) };
        Ok((Arc::new(Self { _buffer: buffer, host }), wrapped))
    }

    /// Where it starts on the host.
    pub(crate) const fn host(&self) -> NonNull<u8> {
        self.host
    }
}

/// The memory of an adapter that is not open.
pub(crate) fn heap_of_adapter(adapter: &wgpu::Adapter) -> Option<Heap> {
    // SAFETY: nothing is destroyed through the guard.
    let hal = unsafe { adapter.as_hal::<Api>() }?;
    Some(heap(hal.raw_device()))
}

/// The memory of an adapter that is open.
pub(crate) fn heap_of_device(device: &wgpu::Device) -> Option<Heap> {
    // SAFETY: nothing is destroyed through the guard.
    let hal = unsafe { device.as_hal::<Api>() }?;
    Some(heap(hal.raw_device()))
}

/// What the GPU uses with good performance, and what of it this process has not taken. Metal does not tell what
/// other processes use.
fn heap(device: &objc2::runtime::ProtocolObject<dyn MTLDevice>) -> Heap {
    let total = device.recommendedMaxWorkingSetSize();
    Heap { total, free: Some(total.saturating_sub(device.currentAllocatedSize() as u64)) }
}

/// Why there is no adapter. Metal itself is part of the system.
pub(crate) fn why_nothing(_instance: &wgpu::Instance) -> Option<&'static str> {
    None
}
