//! GPUs that add up together, and give each other their parts.

use std::sync::Arc;

use plimsoll_device::programs::{Gather, Member};
use plimsoll_device::{DeviceError, Stream};

use crate::CudaDevice;
use crate::driver::RawStream;
use crate::kernels::Sums;

/// A GPU's place in a group.
#[derive(Debug)]
pub struct GroupMember {
    sums: Arc<Sums>,
    device: Arc<CudaDevice>,
    place: usize,
}

impl GroupMember {
    pub(crate) fn all(sums: Sums, devices: Vec<Arc<CudaDevice>>) -> Vec<Self> {
        let sums = Arc::new(sums);
        let devices = devices.into_iter().enumerate();
        devices.map(|(place, device)| Self { sums: Arc::clone(&sums), device, place }).collect()
    }

    /// Puts something on a stream, with the device's context current.
    fn on(
        &self,
        stream: Stream,
        put: impl FnOnce(RawStream) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        let lane = self.device.view().lane(stream)?;
        // The stream is not held meanwhile: its members may have to wait for each other, and one of them may look at all
        // streams before it comes.
        let raw = lane.start(&[], |_, raw| Ok(raw))?;
        put(raw)?;
        // So that a fence is put behind it.
        lane.start(&[], |_, _| Ok(()))
    }
}

impl Member for GroupMember {
    fn members(&self) -> usize {
        self.sums.members()
    }

    unsafe fn sum(&self, stream: Stream, singles: &[(u64, u64)]) -> Result<(), DeviceError> {
        // SAFETY: the caller's promise; the context is current, as `on` says.
        self.on(stream, |raw| unsafe { self.sums.sum(self.place, raw, singles) })
    }

    unsafe fn gather(&self, stream: Stream, all: &[Gather]) -> Result<(), DeviceError> {
        // SAFETY: as above.
        self.on(stream, |raw| unsafe { self.sums.gather(self.place, raw, all) })
    }

    fn leave(&self) {
        self.sums.leave();
    }
}
