//! What is freed goes back to the system.

/// Blocks at least so large are the system's again as soon as they are freed, and so is what is free at the heap's end.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: std::ffi::c_int = 1 << 20;

/// Tells the allocator to give large blocks back. glibc's keeps freed blocks of up to 32 MiB, and more of them the larger
/// they were: a build that frees eight megabytes of a sample before it takes others would hold both, and so be over its
/// line as the system sees it. Other allocators are left as they are.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for what in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: it takes two numbers and may be called at any time. It refuses by doing nothing.
        let _ = unsafe { libc::mallopt(what, LARGE) };
    }
}
