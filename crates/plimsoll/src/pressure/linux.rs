//! Linux: PSI, cgroups and `MemAvailable` in one reading.
//!
//! * **used** is the worst of several fractions: of the machine (what is not `MemAvailable`), and of each cgroup
//!   above this process that has a limit (its working set over the limit). The group that is nearest to its limit
//!   is the one that will hurt first, whichever it is; `available` and `total` are of that same one.
//! * **stall times** are the worse of the machine's and the process's own group's. A group can stall at its
//!   limit on an idle machine, and a machine can stall while the group is small.
//! * **level**: Linux has none of its own, but a v2 group counts what happened at its limits
//!   (`memory.events`). Since the last reading: it was slowed down at `memory.high` → warning; it hit
//!   `memory.max` or something was killed → critical. Without a v2 group there is no level.

use super::psi::Psi;
use super::{OsLevel, Pressure, PressureError, PressureSource};
use crate::Bytes;
use crate::machine::Root;
use crate::machine::cgroup::{self, Group, Usage, Version};
use crate::machine::meminfo::MemInfo;

/// Reads the files below a [`Root`].
#[derive(Clone, Debug)]
pub struct LinuxSource {
    root: Root,
    groups: Vec<Group>,
    events: Option<Events>,
}

/// How often a group met its limits since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Events {
    high: u64,
    max: u64,
    killed: u64,
}

/// One thing that can run full.
#[derive(Clone, Copy, Debug)]
struct Fill {
    used: f64,
    available: Bytes,
    total: Bytes,
    /// File pages in it that may be given up.
    files: Option<Bytes>,
}

impl LinuxSource {
    /// Finds the groups that this process is in. A process that is moved to another group afterwards needs a
    /// new source.
    pub fn new(root: Root) -> Self {
        let groups = cgroup::lineage(&root, "memory");
        Self { root, groups, events: None }
    }

    fn machine(info: &MemInfo) -> Option<Fill> {
        let (total, available) = (info.total?, info.available?);
        let used = total.saturating_sub(available).ratio(total);
        Some(Fill { used, available, total, files: info.files })
    }

    fn group(&self, group: &Group) -> Option<Fill> {
        let max = group.limit(&self.root);
        let high = group.high(&self.root);
        let limits = max.into_iter().chain(high).map(|(bytes, _)| bytes);
        let limit = limits.min()?;
        let Usage { working_set: used, files } = group.usage(&self.root)?;
        Some(Fill {
            // A limit of zero is full, not empty.
            used: if limit.is_zero() { 1.0 } else { used.ratio(limit).min(1.0) },
            available: limit.saturating_sub(used),
            total: limit,
            files,
        })
    }

    /// The process's own group; only v2 counts stalls and events.
    fn own(&self) -> Option<&Group> {
        self.groups.iter().find(|group| group.version == Version::V2)
    }

    /// The machine's stall times and those of the process's own group.
    fn stalls(&self) -> impl Iterator<Item = Psi> + '_ {
        let own = self.own().map(|group| group.folder.join("memory.pressure"));
        let files = own.into_iter().chain(["/proc/pressure/memory".into()]);
        files.filter_map(|file| Some(Psi::parse(&self.root.text(file)?)))
    }

    /// A reading, with what was read of `/proc/meminfo` already; and the file pages of the same machine or group that
    /// the reading is about.
    pub(crate) fn look(&mut self, info: &MemInfo) -> Result<(Pressure, Option<Bytes>), PressureError> {
        let groups = self.groups.iter().filter_map(|group| self.group(group));
        let fullest = groups.chain(Self::machine(info)).max_by(|a, b| a.used.total_cmp(&b.used));
        let fullest = fullest.ok_or(PressureError::NotTold {
            asked: "MemAvailable in /proc/meminfo, and the cgroup's limit",
        })?;
        let stalls: Vec<Psi> = self.stalls().collect();
        let worst = |of: fn(&Psi) -> Option<f64>| stalls.iter().filter_map(of).max_by(f64::total_cmp);
        let pressure = Pressure {
            used: fullest.used,
            some_avg10: worst(|psi| Some(psi.some?.avg10)),
            full_avg10: worst(|psi| Some(psi.full?.avg10)),
            available: Some(fullest.available),
            total: Some(fullest.total),
            level: self.level(),
        };
        Ok((pressure, fullest.files))
    }

    fn level(&mut self) -> Option<OsLevel> {
        let text = self.root.text(self.own()?.folder.join("memory.events"))?;
        let count = |name| cgroup::field(&text, name).unwrap_or(0);
        let now =
            Events { high: count("high"), max: count("max"), killed: count("oom_kill").max(count("oom")) };
        // What happened before the first reading is not news.
        let before = self.events.replace(now).unwrap_or(now);
        Some(if now.max > before.max || now.killed > before.killed {
            OsLevel::Critical
        } else if now.high > before.high {
            OsLevel::Warning
        } else {
            OsLevel::Normal
        })
    }
}

impl PressureSource for LinuxSource {
    fn read(&mut self) -> Result<Pressure, PressureError> {
        let info = MemInfo::read(&self.root);
        self.look(&info).map(|(pressure, _)| pressure)
    }
}
