//! The time that events carry.
//!
//! Asking the system costs more than an event may (37 ns on one virtual machine), and the hot path asks the system
//! nothing. So there is a clock that is only *looked at*: whoever asks the system anyway (events that somebody will want
//! to see the time of, and while something is recorded a thread, a thousand times a second) leaves the time here for the
//! others. Charges and backing, off the hot path and yet frequent, ask for the system's last tick.

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

/// The time as the system's last tick left it, which costs a tenth of the time itself and is right to a few
/// milliseconds. Where there is no such clock, the time.
#[cfg(target_os = "linux")]
pub(crate) fn tick_ns() -> u64 {
    use rustix::time::{ClockId, Timespec, clock_gettime};

    static BEGAN: OnceLock<(Timespec, u64, u64)> = OnceLock::new();
    let since = |now: Timespec, then: Timespec| {
        let ns = (now.tv_sec - then.tv_sec) * 1_000_000_000 + (now.tv_nsec - then.tv_nsec);
        u64::try_from(ns).unwrap_or(0)
    };
    let (began, asked, lag) = BEGAN.get_or_init(|| {
        // The tick was some milliseconds ago: counted from there, and from a time that was asked for before, it never is
        // ahead of the time, however long this thread is kept waiting in between.
        let asked = now_ns();
        let (tick, time) = (clock_gettime(ClockId::MonotonicCoarse), clock_gettime(ClockId::Monotonic));
        (tick, asked, since(time, tick))
    });
    // The tick may have been before this process first asked: then it is time zero for as long as it lags behind.
    (asked + since(clock_gettime(ClockId::MonotonicCoarse), *began)).saturating_sub(*lag).max(seen_ns())
}

/// There is no cheaper clock here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn tick_ns() -> u64 {
    now_ns()
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

    #[test]
    fn the_ticking_clock_follows_the_other() {
        let asked = now_ns();
        for _ in 0..1_000 {
            let ticked = tick_ns();
            assert!(ticked >= asked, "what was seen is not before it");
            assert!(ticked <= now_ns(), "it is not ahead");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        let ticked = tick_ns();
        assert!(ticked >= asked + 20_000_000, "{asked} {ticked}");
    }
}
