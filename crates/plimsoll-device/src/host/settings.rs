//! How the host device is to behave.

use crate::Bytes;

/// Settings of a [`HostDevice`](super::HostDevice). The defaults suit a machine that is shared with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// What growable ranges are backed and given back in: a power of two, at least a page. `None` takes
    /// 512 KiB.
    ///
    /// A pool that lives in tens of MiB keeps a fifth more than it needs in granules of 2 MiB, and a tenth in
    /// these (recorded traces; docs/measurements.md). A pool grows by many granules at a time, so huge pages form
    /// all the same; giving back less than one makes the kernel split it.
    pub granule: Option<Bytes>,
    /// Ask for transparent huge pages behind mappings that are large enough to hold one. Fewer page faults and
    /// TLB misses; up to one huge page more per mapping when it is touched sparsely.
    pub huge_pages: bool,
    /// Lock all memory of this device into RAM as it is handed out. Off unless the user asks: locked memory
    /// cannot be reclaimed, and too much of it takes the machine down rather than this program.
    pub lock: bool,
    /// Act as if there were only so much memory. What is allocated or committed counts in full, touched or not.
    pub limit: Option<Bytes>,
    /// Copies and fills of at most this size run in the calling thread when the stream is idle: waking a
    /// worker costs more than moving them. Zero gives everything to the worker.
    pub inline: Bytes,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self { granule: None, huge_pages: true, lock: false, limit: None, inline: Bytes::kib(256) }
    }
}
