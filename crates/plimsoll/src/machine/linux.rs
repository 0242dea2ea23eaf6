//! Putting the facts of a Linux machine together, and choosing the reader for the system this runs on.

use std::path::Path;

use super::meminfo::MemInfo;
use super::{Machine, Memory, Os, Root, cores, disk, limits, pages};

impl Machine {
    /// This machine, with the current folder as the data folder.
    pub fn read() -> Self {
        Self::read_for(Path::new("."))
    }

    /// This machine, with the storage under `data`.
    pub fn read_for(data: &Path) -> Self {
        #[cfg(target_os = "macos")]
        let facts = super::darwin::read();
        #[cfg(not(target_os = "macos"))]
        let facts = Self::read_linux(&Root::system());
        Self { disk: disk::read(&Root::system(), data), ..facts }
    }

    /// A Linux machine whose files lie under `root`. Page size and disk come from calls, so the page size is
    /// this machine's and the disk is left out.
    pub fn read_linux(root: &Root) -> Self {
        let info = MemInfo::read(root);
        Self {
            os: Os {
                name: os_name(root),
                kernel: root.value("/proc/sys/kernel/osrelease"),
                arch: std::env::consts::ARCH,
            },
            cpu: cores::read(root),
            memory: Memory {
                total: info.total,
                available: info.available,
                swap_total: info.swap_total,
                swap_free: info.swap_free,
                // Linux has no file that tells whether a GPU shares the memory; its driver does.
                unified: None,
                gpu_wired_limit: None,
            },
            pages: pages::read(root),
            limits: limits::read(root),
            lockable: limits::lockable(root),
            disk: None,
        }
    }
}

fn os_name(root: &Root) -> Option<String> {
    let text = root.text("/etc/os-release")?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim().trim_matches(['"', '\'']).to_owned())
}
