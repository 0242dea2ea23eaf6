//! What limits memory, on fixture trees of machines that nobody has at hand.

mod tree;

use plimsoll::Bytes;
use plimsoll::machine::{LimitKind, Machine};
use tree::{HYBRID_MOUNTS, MEMINFO_64G, Tree, V2_MOUNT};

const UNLIMITED_V1: &str = "9223372036854771712\n";

fn read(files: &[(&str, &str)]) -> Machine {
    Machine::read_linux(&Tree::new(files).root())
}

#[test]
fn cgroup_v2_the_lowest_of_all_ancestors_wins() {
    let machine = read(&[
        MEMINFO_64G,
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/user.slice/job.scope/part\n"),
        ("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
        ("/sys/fs/cgroup/user.slice/memory.max", "17179869184\n"),
        ("/sys/fs/cgroup/user.slice/memory.current", "8589934592\n"),
        (
            "/sys/fs/cgroup/user.slice/memory.stat",
            "anon 4294967296\ninactive_file 2147483648\nactive_file 1\n",
        ),
        ("/sys/fs/cgroup/user.slice/job.scope/memory.max", "max\n"),
        ("/sys/fs/cgroup/user.slice/job.scope/part/memory.max", "34359738368\n"),
        ("/sys/fs/cgroup/user.slice/job.scope/part/memory.high", "max\n"),
        ("/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n"),
        ("/sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n"),
        ("/sys/devices/system/cpu/online", "0-7\n"),
        ("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-3\n"),
    ]);
    assert_eq!(machine.usable(), Some(Bytes::gib(16)));
    let limit = machine.limited_by().unwrap();
    assert_eq!(limit.kind, LimitKind::CgroupMax);
    assert_eq!(limit.source, "/sys/fs/cgroup/user.slice/memory.max");
    assert_eq!(limit.used, Some(Bytes::gib(6)), "inactive file pages are not counted");
    assert_eq!(machine.free(), Some(Bytes::gib(10)));
    assert_eq!(machine.limits.len(), 2);
    assert_eq!(machine.cpu.cores, Some(8));
    assert_eq!(machine.cpu.quota, Some(1.5));
    assert_eq!(machine.cpu.usable(), Some(2));
}

#[test]
fn memory_high_counts_as_a_limit() {
    let machine = read(&[
        MEMINFO_64G,
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/a\n"),
        ("/sys/fs/cgroup/a/memory.max", "17179869184\n"),
        ("/sys/fs/cgroup/a/memory.high", "8589934592\n"),
    ]);
    assert_eq!(machine.limited_by().unwrap().kind, LimitKind::CgroupHigh);
    assert_eq!(machine.usable(), Some(Bytes::gib(8)));
}

#[test]
fn a_container_at_its_own_root_reads_the_mount() {
    let machine = read(&[
        MEMINFO_64G,
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/\n"),
        ("/sys/fs/cgroup/memory.max", "4294967296\n"),
        ("/sys/fs/cgroup/memory.current", "1073741824\n"),
    ]);
    assert_eq!(machine.usable(), Some(Bytes::gib(4)));
    assert_eq!(machine.free(), Some(Bytes::gib(3)));
}

#[test]
fn a_group_above_the_namespace_falls_back_to_the_mount() {
    let machine = read(&[
        MEMINFO_64G,
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/../../other\n"),
        ("/sys/fs/cgroup/memory.max", "4294967296\n"),
    ]);
    assert_eq!(machine.usable(), Some(Bytes::gib(4)));
}

#[test]
fn cgroup_v1_in_a_container_sees_the_limit_of_hidden_ancestors() {
    let machine = read(&[
        MEMINFO_64G,
        (
            "/proc/self/mountinfo",
            "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        ),
        ("/proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", UNLIMITED_V1),
        ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "3221225472\n"),
        (
            "/sys/fs/cgroup/memory/memory.stat",
            "inactive_file 5\nhierarchical_memory_limit 8589934592\ntotal_inactive_file 1073741824\n",
        ),
    ]);
    let limit = machine.limited_by().unwrap();
    assert_eq!((limit.kind, limit.bytes), (LimitKind::CgroupV1, Bytes::gib(8)));
    assert!(limit.source.ends_with("memory.stat"));
}

#[test]
fn hybrid_the_memory_controller_is_where_it_is_mounted() {
    let machine = read(&[
        MEMINFO_64G,
        HYBRID_MOUNTS,
        ("/proc/self/cgroup", "4:memory:/job/one\n1:cpu,cpuacct:/job\n0::/job\n"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", UNLIMITED_V1),
        ("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "12884901888\n"),
        ("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "2147483648\n"),
        ("/sys/fs/cgroup/memory/job/one/memory.limit_in_bytes", UNLIMITED_V1),
        ("/sys/fs/cgroup/memory/job/one/memory.stat", "hierarchical_memory_limit 12884901888\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n"),
        ("/sys/fs/cgroup/unified/job/cgroup.procs", ""),
    ]);
    assert_eq!(machine.limits.len(), 1, "one limit, told once: {:?}", machine.limits);
    let limit = machine.limited_by().unwrap();
    assert_eq!(limit.source, "/sys/fs/cgroup/memory/job/memory.limit_in_bytes");
    assert_eq!(machine.free(), Some(Bytes::gib(10)));
    assert_eq!(machine.cpu.quota, None);
}

#[test]
fn a_v1_parent_without_hierarchy_does_not_hold_its_children() {
    let machine = read(&[
        MEMINFO_64G,
        HYBRID_MOUNTS,
        ("/proc/self/cgroup", "4:memory:/job\n"),
        ("/sys/fs/cgroup/memory/memory.use_hierarchy", "0\n"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
        ("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "12884901888\n"),
    ]);
    assert_eq!(machine.usable(), Some(Bytes::gib(12)));
}

#[test]
fn a_hidden_mountinfo_falls_back_to_the_usual_places() {
    let machine = read(&[
        MEMINFO_64G,
        ("/proc/self/cgroup", "0::/job\n"),
        ("/sys/fs/cgroup/job/memory.max", "2147483648\n"),
    ]);
    assert_eq!(machine.usable(), Some(Bytes::gib(2)));
}

#[test]
fn ulimits_count() {
    let machine = read(&[
        MEMINFO_64G,
        (
            "/proc/self/limits",
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max data size             unlimited            unlimited            bytes     \n\
             Max locked memory         8388608              8388608              bytes     \n\
             Max address space         3221225472           unlimited            bytes     \n",
        ),
    ]);
    assert_eq!(machine.limited_by().unwrap().kind, LimitKind::AddressSpace);
    assert_eq!(machine.usable(), Some(Bytes::gib(3)));
    assert_eq!(machine.lockable, Some(Bytes::mib(8)));
}

#[test]
fn caches_pages_and_huge_pages() {
    let cache = "/sys/devices/system/cpu/cpu0/cache";
    let files = [
        ("index0/type", "Data\n"),
        ("index0/level", "1\n"),
        ("index0/size", "48K\n"),
        ("index0/coherency_line_size", "128\n"),
        ("index0/shared_cpu_list", "0-1\n"),
        ("index1/type", "Instruction\n"),
        ("index1/size", "32K\n"),
        ("index1/level", "1\n"),
    ];
    let tree = Tree::new(&[
        ("/proc/cpuinfo", "processor\t: 0\nmodel name\t: A Fine CPU\n"),
        ("/etc/os-release", "NAME=x\nPRETTY_NAME=\"A Fine System 1\"\n"),
        ("/proc/sys/kernel/osrelease", "6.1.0\n"),
        ("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
        ("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n"),
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "16\n"),
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "4\n"),
        ("/sys/kernel/mm/hugepages/nonsense/nr_hugepages", "4\n"),
    ]);
    for (name, text) in files {
        tree.write(&format!("{cache}/{name}"), text);
    }
    let machine = Machine::read_linux(&tree.root());
    assert_eq!(machine.cpu.name.as_deref(), Some("A Fine CPU"));
    assert_eq!(machine.os.name.as_deref(), Some("A Fine System 1"));
    assert_eq!(machine.pages.cache_line, Some(Bytes::new(128)));
    assert_eq!(machine.pages.transparent, Some(plimsoll::machine::Transparent::OnRequest));
    assert_eq!(machine.pages.huge.len(), 1);
    assert_eq!((machine.pages.huge[0].size, machine.pages.huge[0].free), (Bytes::mib(2), 4));
    assert_eq!(machine.cpu.caches.len(), 1);
    assert_eq!(machine.cpu.caches[0].shared_by, Some(2));
}

#[test]
fn nothing_at_all_is_unknown_and_never_zero() {
    let machine = read(&[]);
    assert_eq!(machine.usable(), None);
    assert_eq!(machine.memory, plimsoll::machine::Memory::default());
    assert_eq!(machine.cpu.usable(), None);
    assert_eq!(machine.pages.cache_line, None);
    assert!(machine.limits.is_empty() && machine.places().is_empty());
}

#[test]
fn garbage_in_every_file_is_unknown_and_never_a_panic() {
    for garbage in ["", "\n", "\0\0", "-1", "99999999999999999999999", "::::", "a b c - d", "[", "é\u{0}"] {
        let paths = [
            "/proc/meminfo",
            "/proc/self/cgroup",
            "/proc/self/mountinfo",
            "/proc/self/limits",
            "/proc/self/status",
            "/proc/cpuinfo",
            "/etc/os-release",
            "/sys/devices/system/cpu/online",
            "/sys/devices/system/cpu/cpu0/cache/index0/size",
            "/sys/devices/system/cpu/cpu0/cache/index0/coherency_line_size",
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "/sys/fs/cgroup/memory.max",
        ];
        let files: Vec<_> = paths.iter().map(|&path| (path, garbage)).collect();
        let machine = read(&files);
        assert_eq!(machine.usable(), None, "{garbage:?}");
        assert_eq!(machine.cpu.cores, None, "{garbage:?}");
    }
    let machine = read(&[
        MEMINFO_64G,
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/a\nnonsense\n7:memory\n"),
        ("/sys/fs/cgroup/a/memory.max", "lots\n"),
    ]);
    assert_eq!(machine.usable(), Some(Bytes::gib(64)));
}

#[test]
fn this_machine_tells_its_memory() {
    let machine = Machine::read();
    if cfg!(any(target_os = "linux", target_os = "macos")) {
        assert!(machine.usable().unwrap() > Bytes::mib(64));
        assert!(machine.free().unwrap() <= machine.memory.total.unwrap());
        assert!(machine.pages.page.unwrap() >= Bytes::kib(4));
        assert!(machine.disk.is_some());
    }
}
