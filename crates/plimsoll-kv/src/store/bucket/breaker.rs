//! Leaves a server alone that does not answer, so that a dead bucket costs one time limit and not one a block.

use std::time::{Duration, Instant};

/// How many failures in a row are too many.
const PATIENCE: u32 = 3;

/// Counts failures in a row; after three it says no for a while, then lets one through to see.
#[derive(Debug)]
pub(super) struct Breaker {
    rest: Duration,
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    pub const fn new(rest: Duration) -> Self {
        Self { rest, failures: 0, until: None }
    }

    /// Whether a request may go out. Who is let through while it rests is the one that tries.
    pub fn admits(&mut self, now: Instant) -> bool {
        match self.until {
            Some(until) if now < until => false,
            Some(_) => {
                self.until = now.checked_add(self.rest);
                true
            }
            None => true,
        }
    }

    /// An answer came, whatever it says.
    pub fn answered(&mut self) {
        self.failures = 0;
        self.until = None;
    }

    /// No answer came.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= PATIENCE {
            self.until = now.checked_add(self.rest);
        }
    }

    /// Whether it rests.
    pub fn rests(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_bring_a_rest_and_one_answer_ends_it() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut breaker = Breaker::new(second * 5);
        for _ in 0..2 {
            breaker.failed(now);
        }
        assert!(breaker.admits(now));
        breaker.failed(now);
        assert!(!breaker.admits(now + second * 4) && breaker.rests(now));
        assert!(breaker.admits(now + second * 5));
        assert!(!breaker.admits(now + second * 6), "two try at once");
        breaker.answered();
        assert!(breaker.admits(now + second * 6) && !breaker.rests(now + second * 6));
    }
}
