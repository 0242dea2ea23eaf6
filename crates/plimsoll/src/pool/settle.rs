//! Waiting for the device, where that is the last resort.

use std::time::{Duration, Instant};

use plimsoll_device::DeviceError;

use super::core::PoolCore;
use super::error::LeaseError;

impl PoolCore {
    /// Waits until the device is done with everything that was dropped so far, in all not longer than one
    /// deadline, however many streams there are. A stream that has run out before is waited for only `again`;
    /// otherwise it is only looked at, or each lease that is dropped after a fence got stuck would take as long.
    pub(super) fn settle(&self, mut again: bool) -> Result<(), LeaseError> {
        let (start, most) = (Instant::now(), self.settings.fence_deadline);
        let mut result = Ok(());
        let mut ran_out = false;
        loop {
            let fences = {
                let mut central = self.central();
                self.poll(&mut central);
                central.pending.backs(again)
            };
            // What waits for several streams stands in one queue after the other: look again until none is left.
            again = false;
            if fences.is_empty() || self.central().pending.is_empty() {
                break;
            }
            for fence in fences {
                let left = if ran_out { Duration::ZERO } else { most.saturating_sub(start.elapsed()) };
                match self.device().wait(fence, left) {
                    Ok(()) | Err(DeviceError::Lost { .. }) => {}
                    Err(error) => {
                        let mut central = self.central();
                        central.pending.mark_stuck(fence);
                        ran_out = true;
                        result = match error {
                            DeviceError::FenceTimeout { .. } => {
                                Err(LeaseError::Poisoned { bytes: central.pending.bytes(), fence })
                            }
                            error => Err(error.into()),
                        };
                    }
                }
            }
        }
        if self.central().pending.is_empty() { Ok(()) } else { result }
    }
}
