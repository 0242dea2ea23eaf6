//! The time that events carry.
//!
//! Asking the system costs more than an event may (37 ns on one virtual machine), and the hot path asks the system
//! nothing. So there is a clock that is only *looked at*: whoever asks the system anyway (events off the hot path,
//! and while something is recorded a thread, a thousand times a second) leaves the time here for the others.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

static SEEN: AtomicU64 = AtomicU64::new(0);

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// Nanoseconds since this process first asked.
pub(crate) fn now_ns() -> u64 {
    let now = u64::try_from(epoch().elapsed().as_nanos()).unwrap_or(u64::MAX);
    // The latest, whoever comes last: the clock that is looked at does not go back.
    SEEN.fetch_max(now, Ordering::Relaxed);
    now
}

/// The time as somebody last saw it.
#[inline]
pub(crate) fn seen_ns() -> u64 {
    SEEN.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_never_before_what_was_asked() {
        let asked = now_ns();
        assert!(seen_ns() >= asked);
        assert!(now_ns() >= asked);
    }
}
