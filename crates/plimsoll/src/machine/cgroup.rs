//! Finding the control groups that this process is in, and their ancestors.
//!
//! A limit anywhere above a process holds it, so the whole path up to the mount counts. What makes this less
//! than plain:
//! * v1 and v2 can both be mounted (hybrid); then each controller is in one of the two.
//! * In a container, `/proc/self/cgroup` may name a path as the host sees it, while the mount shows only the
//!   container's part: the fourth field of `mountinfo` says which part.
//! * A path that starts with `/..` is above what a cgroup namespace shows; nothing of it can be read.

use std::path::{Component, Path, PathBuf};

use super::Root;
use crate::Bytes;

/// Which interface a group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// One control group, as a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) version: Version,
    pub(crate) folder: PathBuf,
}

/// A v1 limit of this much or more is "no limit": the kernel writes the largest multiple of a page below 2⁶³,
/// which differs by page size, and no machine comes near.
const UNLIMITED: u64 = 1 << 60;

/// The process's group in each hierarchy that knows `controller`, then their ancestors up to the mount.
pub(crate) fn lineage(root: &Root, controller: &str) -> Vec<Group> {
    let membership = root.text("/proc/self/cgroup").unwrap_or_default();
    let mounts = mounts(root);
    let mut groups = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let version = if controllers.is_empty() {
            Version::V2
        } else if controllers.split(',').any(|name| name == controller) {
            Version::V1
        } else {
            continue;
        };
        let Some(mount) = find(root, &mounts, version, controller) else {
            continue;
        };
        groups.extend(ancestors(root, version, &mount, Path::new(path)));
    }
    groups
}

/// A cgroup hierarchy's mount.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// v1: which controllers it carries.
    controllers: Vec<String>,
    /// Which part of the hierarchy is mounted.
    shown: PathBuf,
    /// Where.
    at: PathBuf,
}

fn mounts(root: &Root) -> Vec<Mount> {
    let text = root.text("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(mount).collect()
}

/// "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw"
fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (shown, at) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let version = match after.next()? {
        "cgroup2" => Version::V2,
        "cgroup" => Version::V1,
        _ => return None,
    };
    let options = after.nth(1).unwrap_or_default();
    Some(Mount {
        version,
        controllers: options.split(',').map(str::to_owned).collect(),
        shown: PathBuf::from(unescape(shown)),
        at: PathBuf::from(unescape(at)),
    })
}

/// `mountinfo` writes a space as `\040`.
pub(crate) fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(start) = rest.find('\\') {
        out.push_str(&rest[..start]);
        let code = rest.get(start + 1..start + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code.filter(u8::is_ascii) {
            out.push(char::from(code));
            rest = &rest[start + 4..];
        } else {
            out.push('\\');
            rest = &rest[start + 1..];
        }
    }
    out.push_str(rest);
    out
}

fn find(root: &Root, mounts: &[Mount], version: Version, controller: &str) -> Option<Mount> {
    let fits = |mount: &&Mount| {
        mount.version == version
            && (version == Version::V2 || mount.controllers.iter().any(|name| name == controller))
    };
    if let Some(mount) = mounts.iter().find(fits) {
        return Some(mount.clone());
    }
    // Some sandboxes hide mountinfo; the usual places are tried.
    let at = match version {
        Version::V1 => PathBuf::from(format!("/sys/fs/cgroup/{controller}")),
        Version::V2 => PathBuf::from("/sys/fs/cgroup"),
    };
    root.has_folder(&at).then(|| Mount {
        version,
        controllers: vec![controller.to_owned()],
        shown: PathBuf::from("/"),
        at,
    })
}

fn ancestors(root: &Root, version: Version, mount: &Mount, path: &Path) -> Vec<Group> {
    let inside = path.strip_prefix(&mount.shown).unwrap_or(path);
    let inside: PathBuf = inside.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let escapes = path.components().any(|part| part == Component::ParentDir);
    let mut folder = mount.at.join(&inside);
    if escapes || !root.has_folder(&folder) {
        folder.clone_from(&mount.at);
    }
    let mut groups = Vec::new();
    for ancestor in folder.ancestors() {
        // Before hierarchies were the rule, a v1 parent could say that its limit does not hold its children.
        let parent_only = !groups.is_empty()
            && version == Version::V1
            && root.value::<u8>(ancestor.join("memory.use_hierarchy")) == Some(0);
        if parent_only {
            break;
        }
        groups.push(Group { version, folder: ancestor.to_owned() });
        if ancestor == mount.at {
            break;
        }
    }
    groups
}

impl Group {
    /// The most that the group may use, with the file that says so.
    pub(crate) fn limit(&self, root: &Root) -> Option<(Bytes, PathBuf)> {
        let file = self.folder.join(match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        });
        Some((limited(root.value(&file)?)?, file))
    }

    /// Where the kernel begins to slow a v2 group down.
    pub(crate) fn high(&self, root: &Root) -> Option<(Bytes, PathBuf)> {
        if self.version == Version::V1 {
            return None;
        }
        let file = self.folder.join("memory.high");
        Some((limited(root.value(&file)?)?, file))
    }

    /// The lowest limit of a v1 group and all its ancestors, also those that a container cannot see.
    pub(crate) fn inherited_limit(&self, root: &Root) -> Option<(Bytes, PathBuf)> {
        if self.version == Version::V2 {
            return None;
        }
        let file = self.folder.join("memory.stat");
        let text = root.text(&file)?;
        Some((limited(field(&text, "hierarchical_memory_limit")?)?, file))
    }

    /// What the group uses and could not give back at once: its usage without file pages that have not been
    /// touched for a while. The kernel drops those before it refuses anything, and container tools subtract
    /// the same number ("working set"). Active file pages stay in: a program that scans its weights needs them.
    pub(crate) fn working_set(&self, root: &Root) -> Option<Bytes> {
        Some(self.usage(root)?.working_set)
    }

    /// The working set, and all file pages.
    pub(crate) fn usage(&self, root: &Root) -> Option<Usage> {
        let (usage, active, inactive) = match self.version {
            Version::V1 => ("memory.usage_in_bytes", "total_active_file", "total_inactive_file"),
            Version::V2 => ("memory.current", "active_file", "inactive_file"),
        };
        let used: u64 = root.value(self.folder.join(usage))?;
        let stat = root.text(self.folder.join("memory.stat")).unwrap_or_default();
        let (active, inactive) = (field(&stat, active), field(&stat, inactive));
        Some(Usage {
            working_set: Bytes::new(used.saturating_sub(inactive.unwrap_or(0))),
            files: active
                .zip(inactive)
                .and_then(|(active, inactive)| active.checked_add(inactive))
                .map(Bytes::new),
        })
    }
}

/// What a group uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) working_set: Bytes,
    /// File pages, touched lately or not.
    pub(crate) files: Option<Bytes>,
}

/// A value of a file of "name number" lines.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

fn limited(bytes: u64) -> Option<Bytes> {
    (bytes < UNLIMITED).then(|| Bytes::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_line_is_read_with_its_odd_names() {
        let line = "39 31 0:36 /docker/a\\040b /sys/fs/cgroup/memory rw,nosuid shared:9 master:1 - cgroup cgroup rw,memory";
        let mount = mount(line).unwrap();
        assert_eq!(mount.version, Version::V1);
        assert_eq!(mount.shown, Path::new("/docker/a b"));
        assert_eq!(mount.at, Path::new("/sys/fs/cgroup/memory"));
        assert!(mount.controllers.contains(&"memory".to_owned()));
        assert_eq!(super::mount("31 23 0:28 / /proc rw - proc proc rw"), None);
        assert_eq!(super::mount("garbage"), None);
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("ä\\134ö\\"), "ä\\ö\\");
    }

    #[test]
    fn huge_v1_values_are_no_limit_on_any_page_size() {
        for unlimited in [9_223_372_036_854_771_712, 9_223_372_036_854_710_272, u64::MAX] {
            assert_eq!(limited(unlimited), None);
        }
        assert_eq!(limited(0), Some(Bytes::ZERO));
        assert_eq!(limited(8 << 40), Some(Bytes::new(8 << 40)));
    }
}
