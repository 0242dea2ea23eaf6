//! sysctl and the Mach host's counters: the unsafe part, and nothing else.

use std::ffi::CString;
use std::mem::{MaybeUninit, size_of};
use std::ptr;
use std::sync::OnceLock;

use crate::Bytes;

/// Counts of pages, as the kernel keeps them.
pub(crate) struct MemoryCounts {
    /// Pages of programs that no file backs.
    pub(crate) internal: u64,
    /// Those of them that may be dropped.
    pub(crate) purgeable: u64,
    /// Pages that may not move.
    pub(crate) wired: u64,
    /// Pages that hold compressed ones.
    pub(crate) compressor: u64,
    /// Pages of files.
    pub(crate) external: u64,
    /// Page faults so far, of either kind.
    pub(crate) faults: u64,
    /// Pages read from files and swap so far.
    pub(crate) page_ins: u64,
    /// Pages read from swap so far.
    pub(crate) swap_ins: u64,
    /// Pages written to swap so far.
    pub(crate) swap_outs: u64,
}

/// A sysctl's bytes, at most `into.len()` of them; how many there were.
fn read(name: &str, into: &mut [u8]) -> Option<usize> {
    let name = CString::new(name).ok()?;
    let mut length = into.len();
    // SAFETY: `name` ends in a zero byte, `into` is writable for `length` bytes, and nothing is set.
    let done = unsafe {
        libc::sysctlbyname(name.as_ptr(), into.as_mut_ptr().cast(), &raw mut length, ptr::null_mut(), 0)
    };
    (done == 0 && length <= into.len()).then_some(length)
}

/// A number of four or eight bytes; a negative one is `None`.
pub(crate) fn number(name: &str) -> Option<u64> {
    let mut bytes = [0; 8];
    match read(name, &mut bytes)? {
        4 => {
            let low = [bytes[0], bytes[1], bytes[2], bytes[3]];
            u64::try_from(i32::from_ne_bytes(low)).ok()
        }
        8 => u64::try_from(i64::from_ne_bytes(bytes)).ok(),
        _ => None,
    }
}

/// A text.
pub(crate) fn text(name: &str) -> Option<String> {
    let mut bytes = [0; 256];
    let length = read(name, &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes[..length]);
    let text = text.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Swap: total and free.
pub(crate) fn swap() -> Option<(Bytes, Bytes)> {
    let mut bytes = [0; size_of::<libc::xsw_usage>()];
    if read("vm.swapusage", &mut bytes)? != bytes.len() {
        return None;
    }
    // SAFETY: an xsw_usage is plain numbers, any bytes are one, and the array is as long as it.
    let usage: libc::xsw_usage = unsafe { ptr::read_unaligned(bytes.as_ptr().cast()) };
    Some((Bytes::new(usage.xsu_total), Bytes::new(usage.xsu_avail)))
}

/// The Mach host's port. Each question for it adds a reference that nothing takes back, so it is asked once.
#[expect(deprecated, reason = "the crate that libc points to instead is one more dependency for one call")]
fn host() -> libc::mach_port_t {
    static HOST: OnceLock<libc::mach_port_t> = OnceLock::new();
    // SAFETY: the call takes nothing and returns a number.
    *HOST.get_or_init(|| unsafe { libc::mach_host_self() })
}

/// The kernel's page counts now.
pub(crate) fn memory_counts() -> Option<MemoryCounts> {
    let mut told = MaybeUninit::<libc::vm_statistics64>::zeroed();
    let mut count = libc::HOST_VM_INFO64_COUNT;
    // SAFETY: `told` has room for `count` integers, which the constant says.
    let done = unsafe {
        libc::host_statistics64(host(), libc::HOST_VM_INFO64, told.as_mut_ptr().cast(), &raw mut count)
    };
    if done != libc::KERN_SUCCESS {
        return None;
    }
    // SAFETY: zeroed before and filled by the call; every field is a plain number.
    let told = unsafe { told.assume_init() };
    Some(MemoryCounts {
        internal: u64::from(told.internal_page_count),
        purgeable: u64::from(told.purgeable_count),
        wired: u64::from(told.wire_count),
        compressor: u64::from(told.compressor_page_count),
        external: u64::from(told.external_page_count),
        faults: told.faults,
        page_ins: told.pageins,
        swap_ins: told.swapins,
        swap_outs: told.swapouts,
    })
}

/// What this process has in memory.
pub(crate) fn resident() -> Option<Bytes> {
    let mut told = MaybeUninit::<libc::rusage_info_v2>::zeroed();
    let pid = i32::try_from(std::process::id()).ok()?;
    // SAFETY: the call fills one structure of the version that is named, and `told` is one.
    let done = unsafe { libc::proc_pid_rusage(pid, libc::RUSAGE_INFO_V2, told.as_mut_ptr().cast()) };
    if done != 0 {
        return None;
    }
    // SAFETY: zeroed before and filled by the call; every field is a plain number.
    Some(Bytes::new(unsafe { told.assume_init() }.ri_resident_size))
}
