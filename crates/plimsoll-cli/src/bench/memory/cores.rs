//! Which core a thread runs on.

/// Keeps this thread on the n-th core that the process may use. Where the system has no such call, or refuses,
/// the thread runs where the system puts it.
#[cfg(target_os = "linux")]
pub(super) fn keep_to(n: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    if let Some(core) = cores.nth(n) {
        let mut one = CpuSet::new();
        one.set(core);
        let _left_to_the_system = sched_setaffinity(None, &one);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn keep_to(_: usize) {}

/// Whether [`keep_to`] does anything here.
pub(super) const PINNED: bool = cfg!(target_os = "linux");
