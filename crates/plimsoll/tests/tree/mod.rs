//! Fixture trees: a machine's files, written by the test that reads them.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be written fails its test")]
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::fs;

use plimsoll::machine::Root;

/// A folder that stands for `/`, gone when dropped.
pub struct Tree(tempfile::TempDir);

impl Tree {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn root(&self) -> Root {
        Root::at(self.0.path())
    }
}

pub const MEMINFO_64G: (&str, &str) = (
    "/proc/meminfo",
    "MemTotal:       67108864 kB\nMemFree:        10000000 kB\nMemAvailable:   33554432 kB\n\
     SwapTotal:       8388608 kB\nSwapFree:        8388608 kB\n",
);
pub const V2_MOUNT: (&str, &str) = (
    "/proc/self/mountinfo",
    "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
);
pub const HYBRID_MOUNTS: (&str, &str) = (
    "/proc/self/mountinfo",
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
     32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
     35 31 0:32 / /sys/fs/cgroup/memory rw shared:7 - cgroup cgroup rw,memory\n\
     41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
);
