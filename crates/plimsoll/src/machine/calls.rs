//! The few facts that come from calls and not from files: page size, space on a disk, resource limits.

use std::path::Path;

use crate::Bytes;

/// A file system's size, free space and kind.
pub(super) struct Space {
    pub(super) total: Bytes,
    pub(super) free: Bytes,
    pub(super) file_system: Option<String>,
}

/// The size of an ordinary page.
#[cfg(unix)]
pub(crate) fn page() -> Option<Bytes> {
    // SAFETY: sysconf takes a number and reads no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).ok().filter(|size| size.is_power_of_two()).map(Bytes::new)
}

/// Size and free space (for this user) of the file system that holds `path`.
#[cfg(all(unix, not(target_os = "macos")))]
pub(super) fn space(path: &Path) -> Option<Space> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut told = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends in a zero byte and outlives the call; `told` has room for one statvfs.
    if unsafe { libc::statvfs(path.as_ptr(), told.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call said that it filled it.
    let told = unsafe { told.assume_init() };
    let bytes = |blocks: u64| blocks.checked_mul(told.f_frsize).map(Bytes::new);
    Some(Space { total: bytes(told.f_blocks)?, free: bytes(told.f_bavail)?, file_system: None })
}

/// Size and free space (for this user) of the file system that holds `path`.
#[cfg(target_os = "macos")]
pub(super) fn space(path: &Path) -> Option<Space> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut told = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // statvfs counts blocks in 32 bits on macOS, which large disks overflow; statfs does not.
    // SAFETY: `path` ends in a zero byte and outlives the call; `told` has room for one statfs.
    if unsafe { libc::statfs(path.as_ptr(), told.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call said that it filled it.
    let told = unsafe { told.assume_init() };
    let bytes = |blocks: u64| blocks.checked_mul(u64::from(told.f_bsize)).map(Bytes::new);
    let name = told.f_fstypename.iter().take_while(|&&letter| letter != 0);
    let name = name.map(|&letter| char::from(letter.cast_unsigned())).collect();
    Some(Space { total: bytes(told.f_blocks)?, free: bytes(told.f_bavail)?, file_system: Some(name) })
}

/// A resource limit of this process; no limit is `None`.
#[cfg(target_os = "macos")]
pub(super) fn resource_limit(resource: libc::c_int) -> Option<Bytes> {
    let mut told = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `told` is a valid rlimit that the call may write.
    let done = unsafe { libc::getrlimit(resource, &raw mut told) } == 0;
    (done && told.rlim_cur != libc::RLIM_INFINITY).then(|| Bytes::new(told.rlim_cur))
}

/// Whose process this is.
#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) fn user() -> u32 {
    // SAFETY: geteuid takes nothing, reads no memory of ours and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(not(unix))]
pub(crate) fn page() -> Option<Bytes> {
    None
}

#[cfg(not(unix))]
pub(super) fn space(_: &Path) -> Option<Space> {
    None
}
