//! How the host device is to behave.

use crate::Bytes;

/// Settings of a [`HostDevice`](super::HostDevice). The defaults suit a machine that is shared with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// What growable ranges are backed and given back in: a power of two, at least a page. `None` takes the
    /// size of a transparent huge page where the system offers them, and 64 KiB where it does not.
    ///
    /// Giving back less than a huge page makes the kernel split it, and what is left is served by small pages
    /// from then on; so where huge pages exist, nothing smaller is worth giving back. Without them a smaller
    /// granule follows the need more closely, and 64 KiB is still 16 times fewer system calls than pages.
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
        Self {
            granule: None,
            huge_pages: true,
            lock: false,
            limit: None,
            inline: Bytes::kib(256),
        }
    }
}
