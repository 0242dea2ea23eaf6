//! The processor on Linux: its name, its caches, and how much of it this process may use.

use std::path::Path;

use super::cgroup::{self, Version};
use super::{Cache, Cpu, Root};
use crate::Bytes;

const CPUS: &str = "/sys/devices/system/cpu";

pub(super) fn read(root: &Root) -> Cpu {
    let status = root.text("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let online = root.text(format!("{CPUS}/online"));
    Cpu {
        name: name(root),
        cores: online.as_deref().and_then(count),
        cores_allowed: allowed.and_then(count),
        quota: quota(root),
        caches: caches(root),
    }
}

/// The coherency line of the first core's data caches, the longest of them.
pub(super) fn cache_line(root: &Root) -> Option<Bytes> {
    let told = index_folders(root)
        .filter_map(|folder| root.value::<u64>(format!("{folder}/coherency_line_size")))
        .max();
    let cpuinfo = || {
        let text = root.text("/proc/cpuinfo")?;
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "cache_alignment").then(|| value.trim().parse().ok())?
        })
    };
    let line = told.or_else(cpuinfo)?;
    line.is_power_of_two().then(|| Bytes::new(line))
}

/// How many numbers a list such as "0-3,8,10-11" names.
fn count(list: &str) -> Option<u32> {
    let mut total: u32 = 0;
    for part in list.trim().split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        total = total.checked_add(to.checked_sub(from)?.checked_add(1)?)?;
    }
    Some(total)
}

fn name(root: &Root) -> Option<String> {
    let text = root.text("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "model name" | "Model" | "cpu model" | "uarch").then(|| value.trim().to_owned())
    });
    let board = || {
        let text = root.text("/sys/firmware/devicetree/base/model")?;
        Some(text.trim_end_matches('\0').trim().to_owned())
    };
    model.or_else(board).filter(|name| !name.is_empty())
}

/// The lowest quota of all groups above this process, in cores.
fn quota(root: &Root) -> Option<f64> {
    let cores = |quota: f64, period: f64| (quota > 0.0 && period > 0.0).then(|| quota / period);
    let groups = cgroup::lineage(root, "cpu").into_iter();
    let quotas = groups.filter_map(|group| match group.version {
        Version::V2 => {
            let text = root.text(group.folder.join("cpu.max"))?;
            let (quota, period) = text.trim().split_once(' ')?;
            cores(quota.parse().ok()?, period.parse().ok()?)
        }
        Version::V1 => {
            let number = |name: &str| root.value(group.folder.join(name));
            cores(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
        }
    });
    quotas.min_by(f64::total_cmp)
}

fn index_folders(root: &Root) -> impl Iterator<Item = String> + '_ {
    let caches = format!("{CPUS}/cpu0/cache");
    let names = root.names(Path::new(&caches)).into_iter();
    names.filter(|name| name.starts_with("index")).map(move |name| format!("{caches}/{name}"))
}

fn caches(root: &Root) -> Vec<Cache> {
    let cache = |folder: String| {
        let kind = root.text(format!("{folder}/type"))?;
        if kind.trim() == "Instruction" {
            return None;
        }
        let size = root.text(format!("{folder}/size"))?;
        let kib: u64 = size.trim().strip_suffix('K')?.parse().ok()?;
        Some(Cache {
            level: root.value(format!("{folder}/level"))?,
            bytes: Bytes::new(kib.checked_mul(1024)?),
            shared_by: root.text(format!("{folder}/shared_cpu_list")).as_deref().and_then(count),
        })
    };
    let mut caches: Vec<_> = index_folders(root).filter_map(cache).collect();
    caches.sort_by_key(|cache| cache.level);
    caches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_counted_and_garbage_is_not() {
        assert_eq!(count("0-3,8,10-11\n"), Some(7));
        assert_eq!(count("0"), Some(1));
        for garbage in ["", "a", "3-1", "0-4294967295", "1,,2"] {
            assert_eq!(count(garbage), None, "{garbage}");
        }
    }
}
