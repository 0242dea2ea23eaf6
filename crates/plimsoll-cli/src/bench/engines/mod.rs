//! What is measured without anything else installed: our pool, and what stands below it.

mod device;
mod malloc;
mod plimsoll;

use std::sync::Arc;

use plimsoll_device::Device;

pub use self::plimsoll::{PlimsollPool, PlimsollSeat};
pub use device::{DeviceAlone, DeviceSeat};
pub use malloc::{Malloc, MallocSeat};

use super::harness::Peer;

/// Of the machine's memory: our pool, and the system's allocator.
pub fn own() -> Vec<Box<dyn Peer>> {
    vec![Box::new(PlimsollPool::host()), Box::new(Malloc)]
}

/// Of a device's memory: our pool, and the device without one.
pub fn on(device: &Arc<dyn Device>) -> Vec<Box<dyn Peer>> {
    vec![Box::new(PlimsollPool::on(Arc::clone(device))), Box::new(DeviceAlone::new(Arc::clone(device)))]
}
