//! The storage under a folder.

use std::path::{Path, PathBuf};

use super::cgroup::unescape;
use super::{Disk, Root, calls};

/// What is known of the file system that `folder` is on. A folder that does not exist yet counts as the nearest
/// ancestor that does: that is where it would be made.
pub(super) fn read(root: &Root, folder: &Path) -> Option<Disk> {
    let absolute = std::path::absolute(folder).ok()?;
    let existing = absolute.ancestors().find(|ancestor| ancestor.exists())?;
    let real = existing.canonicalize().ok()?;
    let space = calls::space(&real)?;
    let mounts = root.text("/proc/self/mountinfo").unwrap_or_default();
    let (mounted_at, file_system) = mounted(&mounts, &real).unzip();
    Some(Disk {
        folder: absolute,
        mounted_at,
        file_system: file_system.or(space.file_system),
        total: space.total,
        free: space.free,
    })
}

/// The mount that `folder` is on: the longest mount point above it, and of equals the last, which covers the
/// others.
fn mounted(mountinfo: &str, folder: &Path) -> Option<(PathBuf, String)> {
    let parse = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let at = PathBuf::from(unescape(before.split(' ').nth(4)?));
        let kind = after.split(' ').next()?.to_owned();
        folder.starts_with(&at).then_some((at, kind))
    };
    mountinfo.lines().filter_map(parse).max_by_key(|(at, _)| at.components().count())
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_wins() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:5 / /data rw - xfs /dev/sdb rw\n\
                    3 2 0:6 / /data rw - zfs tank rw\n4 1 0:7 / /database rw - tmpfs t rw\n";
        let find = |folder| mounted(text, Path::new(folder)).map(|(_, kind)| kind);
        assert_eq!(find("/data/x").as_deref(), Some("zfs"));
        assert_eq!(find("/home").as_deref(), Some("ext4"));
        assert_eq!(find("/database").as_deref(), Some("tmpfs"));
        assert_eq!(mounted("garbage", Path::new("/")), None);
    }

    #[test]
    fn a_folder_that_is_still_to_be_made_is_where_it_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let disk = read(&Root::system(), &folder.path().join("not/yet/there")).unwrap();
        assert!(disk.total >= disk.free && !disk.total.is_zero());
    }
}
