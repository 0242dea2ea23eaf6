//! What is behind a region: one buffer, or two for managed memory on a device that has memory of its own.

use std::ptr::NonNull;
use std::sync::Arc;

use plimsoll_device::{Bytes, DeviceError};

use crate::core::Core;
use crate::platform::{MapError, Mapped, USES};
use crate::tally::Counted;

/// Buffers are whole multiples of this, so that the widest load of a kernel never ends outside.
pub(crate) const UNIT: u64 = 256;

/// A buffer that the host reads and writes in place.
#[derive(Debug)]
pub(crate) struct HostBuffer {
    pub(crate) buffer: wgpu::Buffer,
    mapped: Arc<Mapped>,
    bytes: u64,
}

impl HostBuffer {
    pub(crate) fn new(core: &Core, bytes: u64, align: u64, unified: bool) -> Result<Self, MapError> {
        let bytes = bytes.next_multiple_of(UNIT);
        let (mapped, buffer) = core
            .attempt(|| Mapped::new(&core.device, bytes, align, unified))
            .map_err(|error| MapError::Other(error.to_string()))??;
        Ok(Self { buffer, mapped, bytes })
    }

    /// Where it starts on the host.
    pub(crate) fn host(&self) -> NonNull<u8> {
        self.mapped.host()
    }

    /// Copies bytes out. The caller has checked that they are within; whatever else uses these bytes at this
    /// moment, they have no defined content (see `Device`).
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) {
        assert!(offset + into.len() as u64 <= self.bytes, "a read outside a buffer");
        // SAFETY: within the mapping, which lives as long as this; the target is a slice of this process.
        unsafe {
            let from = self.host().as_ptr().add(Bytes::new(offset).as_usize());
            std::ptr::copy(from, into.as_mut_ptr(), into.len());
        }
    }

    /// Copies bytes in; as [`read`](Self::read).
    pub(crate) fn write(&self, offset: u64, from: &[u8]) {
        assert!(offset + from.len() as u64 <= self.bytes, "a write outside a buffer");
        // SAFETY: within the mapping, which lives as long as this; the source is a slice of this process.
        unsafe {
            let to = self.host().as_ptr().add(Bytes::new(offset).as_usize());
            std::ptr::copy(from.as_ptr(), to, from.len());
        }
    }
}

/// What kind of memory it is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Only the device sees it.
    Private(wgpu::Buffer),
    /// Host and device see it.
    Shared(HostBuffer),
    /// A copy for the host and one for the device.
    Managed { host: HostBuffer, device: wgpu::Buffer },
}

/// What a region's `backing` is.
#[derive(Debug)]
pub(crate) struct Backing {
    pub(crate) kind: Kind,
    _counted: Counted,
}

impl Backing {
    pub(crate) const fn new(kind: Kind, counted: Counted) -> Self {
        Self { kind, _counted: counted }
    }

    /// The buffer that work on the device uses.
    pub(crate) const fn buffer(&self) -> &wgpu::Buffer {
        match &self.kind {
            Kind::Private(buffer) | Kind::Managed { device: buffer, .. } => buffer,
            Kind::Shared(host) => &host.buffer,
        }
    }

    /// The memory that the host reads and writes.
    pub(crate) const fn host(&self) -> Option<&HostBuffer> {
        match &self.kind {
            Kind::Private(_) => None,
            Kind::Shared(host) | Kind::Managed { host, .. } => Some(host),
        }
    }

    /// The memory that host and device see as one.
    pub(crate) const fn in_place(&self) -> Option<&HostBuffer> {
        match &self.kind {
            Kind::Shared(host) => Some(host),
            Kind::Private(_) | Kind::Managed { .. } => None,
        }
    }
}

/// A part of a buffer for work on the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'b> {
    pub(crate) buffer: &'b wgpu::Buffer,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// The host reads it without asking: what was written must be made visible to it.
    pub(crate) host_visible: bool,
}

impl<'b> Part<'b> {
    pub(crate) const fn of_host(host: &'b HostBuffer, offset: u64, bytes: u64) -> Self {
        Self { buffer: &host.buffer, offset, bytes, host_visible: true }
    }

    /// So much of it, from so far within.
    pub(crate) const fn within(self, offset: u64, bytes: u64) -> Self {
        Self { offset: self.offset + offset, bytes, ..self }
    }
}

/// Memory of the device's own.
pub(crate) fn private(core: &Core, bytes: u64, what: &NoRoom<'_>) -> Result<wgpu::Buffer, DeviceError> {
    let size = bytes.next_multiple_of(UNIT);
    let description = wgpu::BufferDescriptor { label: None, size, usage: USES, mapped_at_creation: false };
    let made = core.attempt(|| core.device.create_buffer(&description));
    core.check()?;
    made.map_err(|error| match error {
        wgpu::Error::OutOfMemory { .. } => what.error(),
        error => DeviceError::System { what: "making a buffer", why: error.to_string() },
    })
}

/// Memory that host and device see.
pub(crate) fn shared(
    core: &Core,
    bytes: u64,
    align: u64,
    unified: bool,
    what: &NoRoom<'_>,
) -> Result<HostBuffer, DeviceError> {
    let made = HostBuffer::new(core, bytes, align, unified);
    core.check()?;
    made.map_err(|error| match error {
        MapError::OutOfMemory => what.error(),
        MapError::Other(why) => DeviceError::System { what: "mapping device memory", why },
    })
}

/// What is said when there is no room.
pub(crate) struct NoRoom<'d> {
    pub(crate) device: &'d str,
    pub(crate) asked: Bytes,
    pub(crate) free: &'d dyn Fn() -> Bytes,
}

impl NoRoom<'_> {
    fn error(&self) -> DeviceError {
        DeviceError::OutOfMemory { device: self.device.to_owned(), asked: self.asked, free: (self.free)() }
    }
}
