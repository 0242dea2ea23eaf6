//! The facts of a Mac, through sysctl and the Mach host.

use super::{Cache, Cpu, Limit, LimitKind, Machine, Memory, Os, Pages, calls};
use crate::Bytes;

pub(crate) mod raw;

pub(super) fn read() -> Machine {
    let total = raw::number("hw.memsize").map(Bytes::new);
    let swap = raw::swap();
    let version = raw::text("kern.osproductversion");
    Machine {
        os: Os {
            name: version.map(|version| format!("macOS {version}")),
            kernel: raw::text("kern.osrelease"),
            arch: std::env::consts::ARCH,
        },
        cpu: Cpu {
            name: raw::text("machdep.cpu.brand_string"),
            cores: raw::number("hw.activecpu").and_then(|cores| cores.try_into().ok()),
            cores_allowed: None,
            quota: None,
            caches: caches(),
        },
        memory: Memory {
            total,
            available: available(),
            swap_total: swap.map(|(total, _)| total),
            swap_free: swap.map(|(_, free)| free),
            unified: Some(raw::number("hw.optional.arm64") == Some(1)),
            // Zero means that macOS decides.
            gpu_wired_limit: raw::number("iogpu.wired_limit_mb")
                .filter(|&mib| mib > 0)
                .and_then(|mib| Bytes::mib(1).checked_mul(mib)),
        },
        pages: Pages {
            page: calls::page(),
            cache_line: raw::number("hw.cachelinesize").map(Bytes::new),
            ..Pages::default()
        },
        limits: calls::resource_limit(libc::RLIMIT_AS)
            .map(|bytes| Limit {
                kind: LimitKind::AddressSpace,
                bytes,
                used: None,
                source: "getrlimit(RLIMIT_AS)".to_owned(),
            })
            .into_iter()
            .collect(),
        lockable: calls::resource_limit(libc::RLIMIT_MEMLOCK),
        disk: None,
    }
}

/// What could be taken without swapping: all memory less what programs hold (without what they marked as
/// purgeable), what is wired, and what the compressor occupies. File pages count as available, as Activity
/// Monitor counts them.
pub(crate) fn available() -> Option<Bytes> {
    let total = raw::number("hw.memsize")?;
    let page = calls::page()?.get();
    let counts = raw::memory_counts()?;
    let held = counts.internal.saturating_sub(counts.purgeable) + counts.wired + counts.compressor;
    Some(Bytes::new(total.saturating_sub(held.checked_mul(page)?)))
}

fn caches() -> Vec<Cache> {
    let cache = |level, name: &str| {
        let bytes = raw::number(name).filter(|&bytes| bytes > 0)?;
        Some(Cache { level, bytes: Bytes::new(bytes), shared_by: None })
    };
    // The performance cores' caches; the plain names are those of the efficiency cores on Apple silicon.
    let l1 = cache(1, "hw.perflevel0.l1dcachesize").or_else(|| cache(1, "hw.l1dcachesize"));
    let l2 = cache(2, "hw.perflevel0.l2cachesize").or_else(|| cache(2, "hw.l2cachesize"));
    [l1, l2, cache(3, "hw.l3cachesize")].into_iter().flatten().collect()
}
