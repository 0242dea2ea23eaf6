//! A device's own allocations, without a pool: what every lease would cost if there were none.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_device::{Device, Region, Request, StorageMode};

use crate::bench::harness::{Engine, Seat};

/// Allocations of this device.
#[derive(Debug)]
pub struct DeviceAlone(Arc<dyn Device>);

/// A thread's handle of it.
pub struct DeviceSeat {
    device: Arc<dyn Device>,
    mode: StorageMode,
}

impl DeviceAlone {
    /// Of the memory that a pool of this device takes.
    pub fn new(device: Arc<dyn Device>) -> Self {
        Self(device)
    }
}

impl Engine for DeviceAlone {
    type Seat = DeviceSeat;

    fn name(&self) -> &'static str {
        "device alone"
    }

    fn seats(&self, threads: usize) -> Vec<DeviceSeat> {
        let facts = self.0.facts();
        let mode = if facts.unified || !facts.capabilities.private {
            StorageMode::Shared
        } else {
            StorageMode::Private
        };
        (0..threads).map(|_| DeviceSeat { device: Arc::clone(&self.0), mode }).collect()
    }
}

impl Seat for DeviceSeat {
    type Block = Region;

    fn take(&mut self, bytes: u64) -> Option<Region> {
        self.device.allocate(Request::new(Bytes::new(bytes), self.mode)).ok()
    }

    fn put(&mut self, block: Region) {
        // A device that is lost says so at the next block.
        let _kept = self.device.free(block);
    }

    fn touch(&mut self, _: &mut Region, _: u64) -> bool {
        false
    }
}
