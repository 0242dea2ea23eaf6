//! What a block waits for: work on the device that may still use its bytes.

use plimsoll_device::{Device, DeviceError, Fence, Stream};

/// Stands for a fence that the device did not give, on a stream where work was started all the same.
pub(super) const UNFENCED: u64 = u64::MAX;

/// One fence a stream, the latest.
#[derive(Debug, Default)]
pub(super) struct Fences {
    each: Vec<Fence>,
    /// Of these, the work of an earlier lease: other streams than its own stay away until it is done.
    carried: Option<Fence>,
}

impl Fences {
    /// Work up to this fence uses the bytes.
    pub(super) fn add(&mut self, fence: Fence) {
        match self.each.iter_mut().find(|known| known.stream == fence.stream) {
            Some(known) if fence.implies(*known) => *known = fence,
            Some(_) => {}
            None => self.each.push(fence),
        }
    }

    /// The bytes come from an earlier lease, whose work up to this fence may still use them.
    pub(super) fn carry(&mut self, fence: Fence) {
        self.add(fence);
        self.carried = Some(fence);
    }

    /// The earlier lease's work, done or not.
    pub(super) const fn carried(&self) -> Option<Fence> {
        self.carried
    }

    /// Takes one fence out. An earlier lease's work is one of them.
    pub(super) fn pop(&mut self) -> Option<Fence> {
        self.carried = None;
        self.each.pop()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Fence> + '_ {
        self.each.iter().copied()
    }

    /// Forgets fences that are signalled; the first that is not, if any.
    pub(super) fn settle(&mut self, device: &dyn Device) -> Result<Option<Fence>, DeviceError> {
        while let Some(&fence) = self.each.last() {
            if !is_done(device, fence)? {
                return Ok(Some(fence));
            }
            self.each.pop();
        }
        self.carried = None;
        Ok(None)
    }
}

impl From<Fence> for Fences {
    fn from(fence: Fence) -> Self {
        Self { each: vec![fence], carried: None }
    }
}

/// Whether the device is done with what a fence stands for.
pub(super) fn is_done(device: &dyn Device, fence: Fence) -> Result<bool, DeviceError> {
    if fence.seq == UNFENCED { Ok(false) } else { device.signalled(fence) }
}

/// A fence for what was put on a stream, to be had later when the device gives none now.
pub(super) fn fence_or_none(device: &dyn Device, stream: Stream) -> Fence {
    device.fence(stream).unwrap_or(Fence { stream, seq: UNFENCED })
}
