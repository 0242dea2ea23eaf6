//! What this process has in memory.

/// What the process has in memory; zero where that is not told.
pub(crate) fn resident() -> u64 {
    resident_of("self")
}

/// The same of another process, by its number.
pub(crate) fn resident_of(process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages: u64 = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
