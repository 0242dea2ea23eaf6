//! Everything on Linux that keeps a process below the machine's memory.

use super::cgroup::{self, Version};
use super::{Limit, LimitKind, Root};
use crate::Bytes;

/// All limits that are set, lowest first.
pub(super) fn read(root: &Root) -> Vec<Limit> {
    let mut limits = Vec::new();
    for group in cgroup::lineage(root, "memory") {
        let used = group.working_set(root);
        let own = match group.version {
            Version::V1 => LimitKind::CgroupV1,
            Version::V2 => LimitKind::CgroupMax,
        };
        let found = [(own, group.limit(root)), (LimitKind::CgroupHigh, group.high(root))];
        for (kind, found) in found {
            limits.extend(found.map(|(bytes, file)| Limit {
                kind,
                bytes,
                used,
                source: file.display().to_string(),
            }));
        }
        // Only what the files above do not say already: an ancestor that this container cannot see.
        if let Some((bytes, file)) = group.inherited_limit(root)
            && limits.iter().all(|limit| limit.bytes > bytes)
        {
            limits.push(Limit {
                kind: LimitKind::CgroupV1,
                bytes,
                used: None,
                source: file.display().to_string(),
            });
        }
    }
    drop_repeated_inherited(&mut limits);
    let text = root.text("/proc/self/limits").unwrap_or_default();
    for (name, kind) in [("Max address space", LimitKind::AddressSpace), ("Max data size", LimitKind::Data)] {
        limits.extend(soft_limit(&text, name).map(|bytes| Limit {
            kind,
            bytes,
            used: None,
            source: "/proc/self/limits".to_owned(),
        }));
    }
    limits.sort_by(|a, b| (a.bytes, &a.source).cmp(&(b.bytes, &b.source)));
    limits
}

/// The walk goes upwards, so a group's inherited limit is seen before the ancestor's own file that sets it.
fn drop_repeated_inherited(limits: &mut Vec<Limit>) {
    let told: Vec<Bytes> = limits
        .iter()
        .filter(|limit| !limit.source.ends_with("memory.stat"))
        .map(|limit| limit.bytes)
        .collect();
    limits.retain(|limit| !limit.source.ends_with("memory.stat") || !told.contains(&limit.bytes));
}

/// How much memory may be locked into RAM. "unlimited" is `None`.
pub(super) fn lockable(root: &Root) -> Option<Bytes> {
    soft_limit(&root.text("/proc/self/limits")?, "Max locked memory")
}

/// "Max address space         8589934592           unlimited            bytes"
fn soft_limit(text: &str, name: &str) -> Option<Bytes> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok().map(Bytes::new)
}
