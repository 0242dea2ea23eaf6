//! What the system tells of the whole machine and of this process, in one reading.

use crate::Bytes;
use crate::machine::Root;
use crate::machine::meminfo::MemInfo;
use crate::machine::{calls, cgroup};
use crate::pressure::{LinuxSource, OsLevel, Pressure};

/// One reading: levels, and counters that only ever grow.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) pressure: Option<Pressure>,
    pub(super) cached: Option<Bytes>,
    pub(super) swap_total: Option<Bytes>,
    pub(super) swap_free: Option<Bytes>,
    pub(super) process: Option<Bytes>,
    pub(super) minor_faults: Option<u64>,
    pub(super) major_faults: Option<u64>,
    pub(super) swapped_in_bytes: Option<u64>,
    pub(super) swapped_out_bytes: Option<u64>,
}

/// Something that can be read.
pub(super) trait Probe: Send {
    fn read(&mut self) -> Reading;
}

/// This system's.
pub(super) fn system() -> Box<dyn Probe> {
    #[cfg(target_os = "macos")]
    return Box::new(super::probe_mac::MacProbe::default());
    #[cfg(not(target_os = "macos"))]
    return Box::new(LinuxProbe::new(Root::system()));
}

/// Linux: `/proc` and cgroups.
pub(super) struct LinuxProbe {
    root: Root,
    source: LinuxSource,
    page: Option<Bytes>,
}

impl LinuxProbe {
    pub(super) fn new(root: Root) -> Self {
        Self { source: LinuxSource::new(root.clone()), page: calls::page(), root }
    }

    fn pages(&self, count: Option<u64>) -> Option<u64> {
        count?.checked_mul(self.page?.get())
    }

    /// The second number of `statm`: pages that are in memory.
    fn process(&self) -> Option<Bytes> {
        let text = self.root.text("/proc/self/statm")?;
        let resident = text.split_whitespace().nth(1)?.parse().ok();
        self.pages(resident).map(Bytes::new)
    }
}

impl Probe for LinuxProbe {
    fn read(&mut self) -> Reading {
        let info = MemInfo::read(&self.root);
        let (pressure, files) = self.source.look(&info).ok().unzip();
        let counters = self.root.text("/proc/vmstat").unwrap_or_default();
        let count = |name| cgroup::field(&counters, name);
        let major = count("pgmajfault");
        Reading {
            pressure,
            cached: files.flatten(),
            swap_total: info.swap_total,
            swap_free: info.swap_free,
            process: self.process(),
            // The kernel's `pgfault` counts both kinds.
            minor_faults: count("pgfault").and_then(|all| all.checked_sub(major?)),
            major_faults: major,
            swapped_in_bytes: self.pages(count("pswpin")),
            swapped_out_bytes: self.pages(count("pswpout")),
        }
    }
}

/// As samples name it.
pub(super) const fn level_name(level: OsLevel) -> &'static str {
    match level {
        OsLevel::Normal => "normal",
        OsLevel::Warning => "warning",
        OsLevel::Critical => "critical",
    }
}
