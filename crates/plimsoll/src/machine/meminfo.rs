//! `/proc/meminfo`.

use super::Root;
use crate::Bytes;

/// The lines of `/proc/meminfo` that are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemInfo {
    pub(crate) total: Option<Bytes>,
    pub(crate) available: Option<Bytes>,
    pub(crate) swap_total: Option<Bytes>,
    pub(crate) swap_free: Option<Bytes>,
    /// Pages of files that may be given up: shared memory, which only swap takes, is not among them.
    pub(crate) files: Option<Bytes>,
}

impl MemInfo {
    pub(crate) fn read(root: &Root) -> Self {
        root.text("/proc/meminfo").map(|text| Self::parse(&text)).unwrap_or_default()
    }

    pub(crate) fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let mut words = rest.split_whitespace();
            let number: u64 = words.next()?.parse().ok()?;
            // The kernel writes "kB" and means KiB. Any other unit is not understood, so not guessed.
            (words.next() == Some("kB")).then(|| number.checked_mul(1024).map(Bytes::new))?
        };
        Self {
            total: field("MemTotal"),
            // Kernels before 3.14 have no MemAvailable. Free + Cached + … overstates it (shared memory and
            // dirty pages are in Cached), so it is not put together from those.
            available: field("MemAvailable"),
            swap_total: field("SwapTotal"),
            swap_free: field("SwapFree"),
            files: field("Active(file)")
                .zip(field("Inactive(file)"))
                .and_then(|(active, inactive)| active.checked_add(inactive)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kib_and_leaves_out_what_is_not_there() {
        let info =
            MemInfo::parse("MemTotal:  1024 kB\nMemFree: 5 kB\nSwapTotal:   0 kB\nSwapFree: garbage kB\n");
        assert_eq!(info.total, Some(Bytes::mib(1)));
        assert_eq!(info.available, None);
        assert_eq!(info.swap_total, Some(Bytes::ZERO));
        assert_eq!(info.swap_free, None);
        assert_eq!(MemInfo::parse("MemTotal: 18446744073709551615 kB"), MemInfo::default());
        assert_eq!(MemInfo::parse("MemTotal: 12 pages"), MemInfo::default());
    }
}
