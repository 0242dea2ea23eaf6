//! Regions that the host can reach.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use plimsoll_device::{Bytes, DeviceId, Region, StorageMode};

use crate::memory::Memory;

/// A region at an address that host and devices share; `memory` is mapped there for all of its size.
pub(crate) fn host_region(
    device: DeviceId,
    id: u64,
    bytes: Bytes,
    mode: StorageMode,
    address: u64,
    memory: Arc<Memory>,
) -> Region {
    match NonNull::new(ptr::with_exposed_provenance_mut(Bytes::new(address).as_usize())) {
        // SAFETY: the memory is the host's, or managed and touchable by host and device at once; it stays mapped for
        // as long as `memory` lives.
        Some(host) => unsafe { Region::host_visible(device, id, bytes, mode, host, memory) },
        None => Region::device_only(device, id, bytes, mode, address, memory),
    }
}
