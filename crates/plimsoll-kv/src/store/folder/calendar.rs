//! The time of day as the store sees it: passed in, so that a test decides when midnight is.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds of a day.
pub(super) const DAY: u64 = 86_400;

/// Tells the time of day.
pub trait Calendar: Debug + Send + Sync {
    /// Seconds since 1970, UTC.
    fn unix_seconds(&self) -> u64;

    /// Days since 1970, UTC.
    fn day(&self) -> u64 {
        self.unix_seconds() / DAY
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemCalendar;

impl Calendar for SystemCalendar {
    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

/// A clock that stands where it is put.
#[derive(Debug, Default)]
pub struct ManualCalendar(AtomicU64);

impl ManualCalendar {
    /// Moves on by so many seconds.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Calendar for ManualCalendar {
    fn unix_seconds(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
