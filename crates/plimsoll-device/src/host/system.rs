//! What the operating system says of the machine: page, cache line, huge pages, memory.
//!
//! Everything is asked, nothing assumed: pages are 4, 16 or 64 KiB and cache lines 64 or 128 bytes on machines
//! that people own. Only where the system cannot tell does the target decide.

use std::io;

use crate::{Bytes, DeviceError, MemoryNow};

/// The machine as it was when the device was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct System {
    pub(super) page: u64,
    pub(super) cache_line: u64,
    /// The size of a transparent huge page, where they can be had.
    pub(super) huge_page: Option<u64>,
}

impl System {
    pub(super) fn read() -> Self {
        // SAFETY: sysconf has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Self {
            page: u64::try_from(page).ok().filter(|p| p.is_power_of_two()).unwrap_or(4096),
            cache_line: os::cache_line().filter(|c| c.is_power_of_two()).unwrap_or(
                if cfg!(all(target_arch = "aarch64", target_vendor = "apple")) { 128 } else { 64 },
            ),
            huge_page: os::huge_page().filter(|h| h.is_power_of_two()),
        }
    }
}

/// What the system said, as a [`DeviceError`].
pub(super) fn refused(what: &'static str, error: &io::Error) -> DeviceError {
    DeviceError::System { what, why: error.to_string() }
}

/// All memory of the machine and what of it could be had now.
pub(super) fn memory() -> Result<MemoryNow, DeviceError> {
    os::memory().map_err(|error| refused("reading the machine's memory", &error))
}

#[cfg(target_os = "linux")]
mod os {
    use std::fs;

    use super::{Bytes, MemoryNow, io};

    pub(super) fn cache_line() -> Option<u64> {
        let line = "/sys/devices/system/cpu/cpu0/cache/index0/coherency_line_size";
        fs::read_to_string(line).ok()?.trim().parse().ok()
    }

    pub(super) fn huge_page() -> Option<u64> {
        let root = "/sys/kernel/mm/transparent_hugepage";
        let enabled = fs::read_to_string(format!("{root}/enabled")).ok()?;
        if enabled.contains("[never]") {
            return None;
        }
        fs::read_to_string(format!("{root}/hpage_pmd_size")).ok()?.trim().parse().ok()
    }

    pub(super) fn memory() -> io::Result<MemoryNow> {
        let text = fs::read_to_string("/proc/meminfo")?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
                .map(Bytes::kib)
                .ok_or_else(|| io::Error::other(format!("/proc/meminfo has no line {name} in kB")))
        };
        Ok(MemoryNow { total: field("MemTotal")?, free: field("MemAvailable")? })
    }
}

#[cfg(target_vendor = "apple")]
mod os {
    use std::ffi::CStr;
    use std::mem;
    use std::ptr;

    use super::{Bytes, MemoryNow, io};

    fn sysctl(name: &CStr) -> Option<u64> {
        let mut value = 0_u64;
        let mut bytes = mem::size_of::<u64>();
        // SAFETY: the name ends in a zero byte, and `bytes` says how much room `value` has.
        let status = unsafe {
            libc::sysctlbyname(name.as_ptr(), (&raw mut value).cast(), &raw mut bytes, ptr::null_mut(), 0)
        };
        // A 32-bit answer fills the low half: the targets are little-endian.
        (status == 0 && value > 0).then_some(value)
    }

    pub(super) fn cache_line() -> Option<u64> {
        sysctl(c"hw.cachelinesize")
    }

    pub(super) fn huge_page() -> Option<u64> {
        None
    }

    pub(super) fn memory() -> io::Result<MemoryNow> {
        let total = sysctl(c"hw.memsize").ok_or_else(io::Error::last_os_error)?;
        // SAFETY: plain numbers, for which zero is a value.
        let mut stats: libc::vm_statistics64 = unsafe { mem::zeroed() };
        let mut count = libc::HOST_VM_INFO64_COUNT;
        #[expect(deprecated, reason = "one call does not earn a dependency on a crate for Mach")]
        // SAFETY: no preconditions; the port is the task's own and needs no release for one-time use.
        let host = unsafe { libc::mach_host_self() };
        // SAFETY: `count` says how many words `stats` has room for.
        let status = unsafe {
            libc::host_statistics64(host, libc::HOST_VM_INFO64, (&raw mut stats).cast(), &raw mut count)
        };
        if status != libc::KERN_SUCCESS {
            return Err(io::Error::other(format!("host_statistics64 said {status}")));
        }
        // What the pager could hand out without swapping: free pages, and file pages nobody used lately.
        let pages =
            u64::from(stats.free_count) + u64::from(stats.inactive_count) + u64::from(stats.purgeable_count);
        // SAFETY: sysconf has no preconditions.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(16_384);
        Ok(MemoryNow { total: Bytes::new(total), free: Bytes::new(pages.saturating_mul(page).min(total)) })
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
mod os {
    use super::{Bytes, MemoryNow, io};

    pub(super) fn cache_line() -> Option<u64> {
        None
    }

    pub(super) fn huge_page() -> Option<u64> {
        None
    }

    pub(super) fn memory() -> io::Result<MemoryNow> {
        // SAFETY: sysconf has no preconditions.
        let (pages, page) =
            unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
        let total = u64::try_from(pages.saturating_mul(page)).map_err(io::Error::other)?;
        Ok(MemoryNow { total: Bytes::new(total), free: Bytes::new(total) })
    }
}
