//! A thread that reads the system's pressure now and then.

use std::time::{Duration, Instant};

use super::Governor;
use crate::Place;
use crate::pressure::PressureSource;
use crate::sync::{Arc, Condvar, Mutex, PoisonError, lock, thread};

/// Reads a pressure source at an interval and passes what it reads on; stops when dropped.
#[derive(Debug)]
#[must_use = "dropping a watch ends it"]
pub struct Watch {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Governor {
    /// Starts a thread that reads `source` for a place at an interval, [presses](Self::press) and
    /// [rebalances](Self::rebalance). A reading that fails is skipped: the level stays as it was.
    pub fn watch(
        &self,
        place: Place,
        mut source: Box<dyn PressureSource>,
        interval: Duration,
    ) -> std::io::Result<Watch> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (seen, governor) = (Arc::clone(&stop), self.clone());
        let run = move || {
            while !stopped(&seen, interval) {
                if let Ok(reading) = source.read() {
                    governor.press(place, &reading, Instant::now());
                }
                governor.rebalance(Instant::now());
            }
        };
        let thread = thread::Builder::new().name("plimsoll-watch".to_owned()).spawn(run)?;
        Ok(Watch { stop, thread: Some(thread) })
    }
}

/// Waits for the interval or until told to stop; whether it was told.
fn stopped(stop: &(Mutex<bool>, Condvar), interval: Duration) -> bool {
    let until = Instant::now().checked_add(interval);
    let mut told = lock(&stop.0);
    while !*told {
        let left = until.map_or(interval, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return false;
        }
        told = stop.1.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    true
}

impl Drop for Watch {
    fn drop(&mut self) {
        *lock(&self.stop.0) = true;
        self.stop.1.notify_all();
        // Dropped on its own thread, by a holder that it asked, it ends when it gets back.
        if let Some(thread) = self.thread.take().filter(|own| own.thread().id() != thread::current().id()) {
            // It ends by itself; that it panicked is no reason to panic here.
            drop(thread.join());
        }
    }
}
