//! The two clocks of a sampler: one to measure with, and one to tell people the time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::calendar::unix_ms;
use crate::holding::{Clock, WallClock};

/// Time as a sampler sees it. Rates, durations and trends come from a clock that never goes back; the time of day is
/// only written down, so that somebody who sets it harms nothing.
#[derive(Clone)]
pub struct Clocks {
    steady: Arc<dyn Clock>,
    day: Arc<dyn Fn() -> u64 + Send + Sync>,
    began: Duration,
}

impl Clocks {
    /// The machine's.
    pub fn system() -> Self {
        Self::new(Arc::new(WallClock::default()), unix_ms)
    }

    /// Others, for tests: a clock that never goes back, and the time of day in milliseconds since 1970.
    pub fn new(steady: Arc<dyn Clock>, day: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { began: steady.now(), steady, day: Arc::new(day) }
    }

    /// Time since these clocks were made.
    pub(crate) fn up(&self) -> Duration {
        self.steady.now().saturating_sub(self.began)
    }

    pub(crate) fn unix_ms(&self) -> u64 {
        (self.day)()
    }
}

impl fmt::Debug for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clocks").field("up", &self.up()).finish_non_exhaustive()
    }
}
