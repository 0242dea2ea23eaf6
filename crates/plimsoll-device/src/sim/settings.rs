//! What a simulated device is like.

use std::time::Duration;

use crate::{Bytes, Capabilities, DeviceError, Place};

/// Whether a simulated device has bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// What is written can be read. Costs as much memory as is touched.
    Real,
    /// Only the books are kept: writes are checked and dropped, reads give zeros. A trace of 100 GB replays in
    /// no memory, and backing or giving back a granule is a few dozen nanoseconds.
    Hollow,
}

/// Settings of a [`SimDevice`](super::SimDevice). Change the fields that matter:
///
/// ```
/// use plimsoll_device::sim::{Contents, SimSettings};
/// use plimsoll_device::Bytes;
/// let settings = SimSettings {
///     total: Bytes::gib(100),
///     contents: Contents::Hollow,
///     ..SimSettings::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SimSettings {
    /// The place whose line its bytes count against.
    pub place: Place,
    /// Its capacity.
    pub total: Bytes,
    /// Whether host and device share one memory. If not, managed memory really is two copies.
    pub unified: bool,
    /// Allocations start at a multiple of this and count rounded up to it.
    pub min_align: u64,
    /// The page it claims to have.
    pub page: u64,
    /// What growable ranges are backed and given back in.
    pub granule: u64,
    /// The largest single allocation; its capacity unless it is said.
    pub max_allocation: Option<Bytes>,
    /// What each copy, fill, upload, download, sync or kernel takes, whatever its size.
    pub latency: Duration,
    /// How many bytes a second are moved beyond that; `None` moves them in no time.
    pub bandwidth: Option<Bytes>,
    /// How long after the work before it a fence is signalled.
    pub fence_delay: Duration,
    /// Where its chances (see [`SimDevice::fail_by_chance`](super::SimDevice::fail_by_chance)) start.
    pub seed: u64,
    /// Whether it has bytes.
    pub contents: Contents,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Whether it does more with memory than copy and fill.
    pub kernels: bool,
    /// Whether it searches among runs of rows, if it does.
    pub runs: bool,
}

impl Default for SimSettings {
    /// A discrete device of 1 GiB with real bytes, growable ranges in 64 KiB granules, and no delays.
    fn default() -> Self {
        Self {
            place: Place::Sim(0),
            total: Bytes::gib(1),
            unified: false,
            min_align: 256,
            page: 4096,
            granule: 1 << 16,
            max_allocation: None,
            latency: Duration::ZERO,
            bandwidth: None,
            fence_delay: Duration::ZERO,
            seed: 0,
            contents: Contents::Real,
            capabilities: Capabilities { growable_ranges: true, shared: true, private: true, managed: true },
            kernels: true,
            runs: true,
        }
    }
}

impl SimSettings {
    /// Whether they can be: sizes that are powers of two and nest.
    pub(super) fn check(&self) -> Result<(), DeviceError> {
        let bad = |setting, value, why| Err(DeviceError::BadSetting { setting, value, why });
        if !self.min_align.is_power_of_two() || self.min_align > self.page {
            return bad("min_align", self.min_align, "it must be a power of two and at most a page");
        }
        if !self.page.is_power_of_two() {
            return bad("page", self.page, "it must be a power of two");
        }
        if !self.granule.is_power_of_two() || self.granule < self.page || self.granule > 1 << 30 {
            return bad("granule", self.granule, "it must be a power of two from one page to 1 GiB");
        }
        let can = self.capabilities;
        if !(can.shared || can.private || can.managed) {
            return bad("capabilities", 0, "at least one storage mode must be offered");
        }
        if self.bandwidth.is_some_and(Bytes::is_zero) {
            return bad("bandwidth", 0, "it must be at least one byte a second");
        }
        Ok(())
    }
}
