//! Pressure readings on fixture trees.

mod tree;

use plimsoll::Bytes;
use plimsoll::pressure::{LinuxSource, OsLevel, Pressure, PressureError, PressureSource as _, system_source};
use tree::{HYBRID_MOUNTS, MEMINFO_64G, Tree, V2_MOUNT};

fn read(files: &[(&str, &str)]) -> Result<Pressure, PressureError> {
    LinuxSource::new(Tree::new(files).root()).read()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn a_machine_without_groups_or_psi() {
    let pressure = read(&[MEMINFO_64G]).unwrap();
    assert!(close(pressure.used, 0.5));
    assert_eq!(pressure.available, Some(Bytes::gib(32)));
    assert_eq!((pressure.some_avg10, pressure.full_avg10, pressure.level), (None, None, None));
}

#[test]
fn the_fullest_group_is_told_and_the_worst_stall() {
    let pressure = read(&[
        MEMINFO_64G,
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/job/part\n"),
        (
            "/proc/pressure/memory",
            "some avg10=2.00 avg60=0 avg300=0 total=1\nfull avg10=0.10 avg60=0 avg300=0 total=1\n",
        ),
        (
            "/sys/fs/cgroup/job/part/memory.pressure",
            "some avg10=1.00 avg60=0 avg300=0 total=1\nfull avg10=0.90 avg60=0 avg300=0 total=1\n",
        ),
        ("/sys/fs/cgroup/job/memory.max", "8589934592\n"),
        ("/sys/fs/cgroup/job/memory.current", "8589934592\n"),
        ("/sys/fs/cgroup/job/memory.stat", "inactive_file 1073741824\n"),
        ("/sys/fs/cgroup/job/part/memory.max", "max\n"),
        ("/sys/fs/cgroup/job/part/memory.current", "8589934592\n"),
    ])
    .unwrap();
    assert!(close(pressure.used, 0.875));
    assert_eq!((pressure.total, pressure.available), (Some(Bytes::gib(8)), Some(Bytes::gib(1))));
    assert!(close(pressure.some_avg10.unwrap(), 2.0) && close(pressure.full_avg10.unwrap(), 0.9));
}

#[test]
fn events_since_the_last_reading_give_the_level() {
    let events = "/sys/fs/cgroup/job/memory.events";
    let tree = Tree::new(&[
        MEMINFO_64G,
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/job\n"),
        (events, "low 0\nhigh 900\nmax 70\noom 3\noom_kill 3\n"),
    ]);
    let mut source = LinuxSource::new(tree.root());
    let mut level = || source.read().unwrap().level;
    assert_eq!(level(), Some(OsLevel::Normal), "what happened before is not news");
    tree.write(events, "low 0\nhigh 901\nmax 70\noom 3\noom_kill 3\n");
    assert_eq!(level(), Some(OsLevel::Warning));
    tree.write(events, "low 0\nhigh 902\nmax 71\noom 3\noom_kill 3\n");
    assert_eq!(level(), Some(OsLevel::Critical));
    assert_eq!(level(), Some(OsLevel::Normal));
    tree.write(events, "low 0\nhigh 902\nmax 71\noom 3\noom_kill 4\n");
    assert_eq!(level(), Some(OsLevel::Critical));
}

#[test]
fn hybrid_usage_from_v1_and_stalls_from_v2() {
    let pressure = read(&[
        MEMINFO_64G,
        HYBRID_MOUNTS,
        ("/proc/self/cgroup", "4:memory:/job\n0::/\n"),
        ("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "4294967296\n"),
        ("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "4294967296\n"),
        ("/sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 1073741824\n"),
        ("/sys/fs/cgroup/unified/memory.pressure", "some avg10=7.50 avg60=0 avg300=0 total=1\n"),
    ])
    .unwrap();
    assert!(close(pressure.used, 0.75));
    assert_eq!(pressure.some_avg10, Some(7.5));
    assert_eq!(pressure.full_avg10, None, "a line that is missing is not zero");
}

#[test]
fn a_group_with_a_limit_of_nothing_is_full() {
    let pressure = read(&[
        V2_MOUNT,
        ("/proc/self/cgroup", "0::/job\n"),
        ("/sys/fs/cgroup/job/memory.max", "0\n"),
        ("/sys/fs/cgroup/job/memory.current", "0\n"),
    ])
    .unwrap();
    assert!(close(pressure.used, 1.0));
}

#[test]
fn a_system_that_tells_nothing_says_so() {
    assert!(matches!(read(&[]), Err(PressureError::NotTold { .. })));
    assert!(matches!(
        read(&[("/proc/meminfo", "MemTotal: 5 kB\n"), ("/proc/pressure/memory", "junk")]),
        Err(PressureError::NotTold { .. })
    ));
}

#[test]
fn this_system_gives_a_fraction() {
    if cfg!(any(target_os = "linux", target_os = "macos")) {
        let pressure = system_source().read().unwrap();
        assert!((0.0..=1.0).contains(&pressure.used));
    }
}
