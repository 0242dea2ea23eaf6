//! What a device is, told once when it is opened.

use crate::{Bytes, Place};

/// What kind of hardware a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The machine's own memory.
    Host,
    /// A device that is only simulated.
    Simulated,
    /// A GPU through CUDA.
    Cuda,
    /// A GPU through wgpu.
    Wgpu,
}

/// How an allocation may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageMode {
    /// Visible to the host and to the device at one address; the host reads and writes it in place.
    Shared,
    /// Visible to the device only. Reading or writing it from the host is an error.
    Private,
    /// A host copy and a device copy that are brought into step by [`Device::sync`](crate::Device::sync).
    Managed,
}

/// What a device can do beyond allocate, copy and fence.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a device can or cannot do")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Address ranges can be reserved first and backed later, granule by granule.
    pub growable_ranges: bool,
    /// [`StorageMode::Shared`] is offered.
    pub shared: bool,
    /// [`StorageMode::Private`] memory is honoured as such (on unified memory it may be the same bytes, yet
    /// the host is still refused).
    pub private: bool,
    /// [`StorageMode::Managed`] is offered.
    pub managed: bool,
}

/// A device's unchanging facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What people call it: "host", "NVIDIA H200".
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The place whose line its bytes count against.
    pub place: Place,
    /// All the memory it has.
    pub total: Bytes,
    /// Whether host and device share one memory.
    pub unified: bool,
    /// Every allocation starts at a multiple of this; the machine's cache line or the device's own rule.
    pub min_align: u64,
    /// The size of a page; mapped memory starts at a multiple of it.
    pub page: u64,
    /// Growable ranges are backed and given back in multiples of this.
    pub granule: u64,
    /// The largest single allocation.
    pub max_allocation: Bytes,
    /// What it can do.
    pub capabilities: Capabilities,
}
