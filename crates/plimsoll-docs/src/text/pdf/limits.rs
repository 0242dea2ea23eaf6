//! What a process that reads a PDF may take, kept by the system.
//!
//! Linux keeps all of them. Where a system does not count what is mapped as data, memory is not kept; stack and time are.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The stack that reading has. It is a thread's own, so that its end is known and told: what a process's first stack may come to is found
/// out by reaching it.
pub(super) const STACK: usize = 2 << 20;
/// What a program has of its own before it does anything: what it changed of its image, and its heap's beginning.
pub(super) const PROGRAM: u64 = 1 << 20;

/// So many bytes more than there are now, beside the stack. It leaves no picture of its memory behind, and no file.
pub(super) fn bound(memory: u64) -> io::Result<()> {
    set(Resource::Data, data_now().saturating_add(memory).saturating_add(STACK as u64))?;
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)
}

/// So many seconds of a processor from now on.
pub(super) fn bound_seconds(more: u64) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    let until = u64::try_from(used).unwrap_or(0).saturating_add(more.max(1));
    // The higher one stays, so that it can be put further.
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = Some(maximum.map_or(until, |maximum| until.min(maximum)));
    Ok(setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
}

/// Never more than it may have already.
fn set(what: Resource, bytes: u64) -> io::Result<()> {
    let bytes = getrlimit(what).maximum.map_or(bytes, |most| bytes.min(most));
    Ok(setrlimit(what, Rlimit { current: Some(bytes), maximum: Some(bytes) })?)
}

/// What the system counts as data now; nothing where it does not tell.
fn data_now() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map_or(PROGRAM, |kib| kib << 10)
}
