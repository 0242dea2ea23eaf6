//! The facts themselves: plain data, filled by the readers beside this file.

use std::fmt;
use std::path::PathBuf;

use crate::Bytes;

/// This machine, as far as the system tells.
///
/// ```
/// let machine = plimsoll::machine::Machine::read();
/// if let (Some(usable), Some(limit)) = (machine.usable(), machine.limited_by()) {
///     println!("{usable} may be used, limited by {limit}");
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// The operating system.
    pub os: Os,
    /// The processor.
    pub cpu: Cpu,
    /// Memory and swap, of the whole machine.
    pub memory: Memory,
    /// Pages and the cache line.
    pub pages: Pages,
    /// Everything that keeps this process below the machine's memory, lowest first.
    pub limits: Vec<Limit>,
    /// The most memory that this process may lock into RAM, where it may not lock all.
    pub lockable: Option<Bytes>,
    /// The storage under the data folder.
    pub disk: Option<Disk>,
}

/// The operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Os {
    /// What it calls itself: "Debian GNU/Linux 13 (trixie)", "macOS 26.1".
    pub name: Option<String>,
    /// The kernel's version.
    pub kernel: Option<String>,
    /// The instruction set this program was built for.
    pub arch: &'static str,
}

/// The processor and how much of it this process may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Its model.
    pub name: Option<String>,
    /// Hardware threads that are switched on.
    pub cores: Option<u32>,
    /// Those of them that this process may run on.
    pub cores_allowed: Option<u32>,
    /// How many cores' worth of time a cgroup grants, where one sets a quota.
    pub quota: Option<f64>,
    /// Data and unified caches of the first core, smallest first.
    pub caches: Vec<Cache>,
}

impl Cpu {
    /// How many threads are worth running: what is allowed, held to the quota, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quota is a small positive number, and the cast saturates"
    )]
    pub fn usable(&self) -> Option<u32> {
        let allowed = self.cores_allowed.or(self.cores);
        let quota = self.quota.map(|cores| cores.ceil().max(1.0) as u32);
        match (allowed, quota) {
            (Some(allowed), Some(quota)) => Some(allowed.min(quota)),
            (one, other) => one.or(other),
        }
    }
}

/// One cache of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// 1, 2, 3.
    pub level: u8,
    /// Its size.
    pub bytes: Bytes,
    /// How many hardware threads share it.
    pub shared_by: Option<u32>,
}

/// Memory and swap of the whole machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What the kernel manages (a little less than what is fitted).
    pub total: Option<Bytes>,
    /// What could be taken without swapping, by the kernel's own estimate.
    pub available: Option<Bytes>,
    /// Swap space; a machine without swap has zero, one that does not tell has `None`.
    pub swap_total: Option<Bytes>,
    /// What of it is unused.
    pub swap_free: Option<Bytes>,
    /// Whether processor and GPU share this memory. `None` where nobody says.
    pub unified: Option<bool>,
    /// A user's own setting for how much of unified memory the GPU may wire.
    pub gpu_wired_limit: Option<Bytes>,
}

/// Pages and the cache line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// The ordinary page.
    pub page: Option<Bytes>,
    /// The cache line: what two threads must not share.
    pub cache_line: Option<Bytes>,
    /// Whether the kernel makes large pages by itself.
    pub transparent: Option<Transparent>,
    /// The size of such a page.
    pub transparent_size: Option<Bytes>,
    /// Pools of large pages that an administrator set aside, by size.
    pub huge: Vec<HugePages>,
}

/// When the kernel backs memory with large pages by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transparent {
    /// Wherever it can.
    Always,
    /// Where a program asks for it.
    OnRequest,
    /// Nowhere.
    Never,
}

/// A pool of large pages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HugePages {
    /// One page.
    pub size: Bytes,
    /// Pages in the pool.
    pub total: u64,
    /// Those that nobody uses.
    pub free: u64,
}

/// Something that keeps this process below the machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What sort of thing it is.
    pub kind: LimitKind,
    /// The most that it lets this process (and others in the same group) use.
    pub bytes: Bytes,
    /// What the group uses already and cannot give back at once. `None` where it does not tell.
    pub used: Option<Bytes>,
    /// The file or call that says so.
    pub source: String,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({})", self.kind, self.bytes, self.source)
    }
}

/// What sort of limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// The machine's own memory.
    Memory,
    /// A cgroup v2's `memory.max`: above it the kernel kills.
    CgroupMax,
    /// A cgroup v2's `memory.high`: above it the kernel slows the group down.
    CgroupHigh,
    /// A cgroup v1's limit.
    CgroupV1,
    /// `RLIMIT_AS` (`ulimit -v`): address space, so mapped files and reserved ranges count as well.
    AddressSpace,
    /// `RLIMIT_DATA` (`ulimit -d`): private writable memory.
    Data,
}

impl LimitKind {
    /// A short name without spaces, for machines to read.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::CgroupMax => "cgroup-max",
            Self::CgroupHigh => "cgroup-high",
            Self::CgroupV1 => "cgroup-v1",
            Self::AddressSpace => "address-space",
            Self::Data => "data",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Memory => "the machine's memory",
            Self::CgroupMax => "cgroup limit (memory.max)",
            Self::CgroupHigh => "cgroup throttle (memory.high)",
            Self::CgroupV1 => "cgroup v1 limit",
            Self::AddressSpace => "address space limit (ulimit -v)",
            Self::Data => "data limit (ulimit -d)",
        })
    }
}

/// The storage under a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The folder that was asked about.
    pub folder: PathBuf,
    /// Where its file system is mounted.
    pub mounted_at: Option<PathBuf>,
    /// "ext4", "apfs"; "tmpfs" means that the "disk" is memory.
    pub file_system: Option<String>,
    /// Its size.
    pub total: Bytes,
    /// What this user may still write.
    pub free: Bytes,
}

impl Disk {
    /// Whether what is written here stays in memory: then it is no cheaper place at all.
    pub fn is_memory(&self) -> bool {
        matches!(self.file_system.as_deref(), Some("tmpfs" | "ramfs"))
    }
}
