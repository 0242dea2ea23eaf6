//! What others leave us on a device that is not ours alone.

use std::sync::Arc;

use plimsoll_device::Device;

use super::{Pressure, PressureError, PressureSource};
use crate::Bytes;

/// Pressure on a device's memory, from what the device says is free.
///
/// That a device is nearly full says nothing when it was planned to be: our own bytes are within their line. What
/// counts is the room that the plan left beside the line. While at least that much is free, nobody is pressed; what
/// is missing of it was taken by others, or the device needs more for itself than was thought. So `used` is the part
/// of that room which is gone. What is free as a whole is told too, and lowers the line that counts as long as others
/// have what the plan promised to us.
#[derive(Debug)]
pub struct DeviceSource {
    device: Arc<dyn Device>,
    room: Bytes,
}

impl DeviceSource {
    /// For a device on which the plan lets us carry `line`. A line that leaves next to nothing is read as if it left
    /// a sixty-fourth, so that a device which is full is noticed before it fails.
    pub fn new(device: Arc<dyn Device>, line: Bytes) -> Self {
        let total = device.facts().total;
        let least = Bytes::new((total.get() / 64).max(1));
        Self { room: total.saturating_sub(line).max(least), device }
    }
}

impl PressureSource for DeviceSource {
    fn read(&mut self) -> Result<Pressure, PressureError> {
        let now = self.device.memory()?;
        let used = 1.0 - now.free.min(self.room).ratio(self.room);
        Ok(Pressure { used, available: Some(now.free), total: Some(self.room), ..Pressure::default() })
    }
}
