//! The thread that samples.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Sample, Sampler};

/// Whoever wants each sample: a log, a webhook, a program's own closure.
///
/// It is called on the monitor's thread, so what takes long belongs on a thread of its own.
pub trait Sink: Send {
    /// A sample was taken.
    fn sample(&mut self, sample: &Arc<Sample>);
}

impl<F: FnMut(&Arc<Sample>) + Send> Sink for F {
    fn sample(&mut self, sample: &Arc<Sample>) {
        self(sample);
    }
}

/// Samples every so often on a thread of its own, until it is dropped, and keeps a bounded history.
///
/// ```
/// use std::time::Duration;
/// use plimsoll::monitor::{Monitor, Sampler};
/// let monitor = Monitor::start(Sampler::machine(), Duration::from_secs(1), Vec::new())?;
/// let latest = monitor.latest(); // the first sample is taken at once, on the monitor's thread
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropping a monitor ends it"]
pub struct Monitor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when there is a new sample, and when it is time to stop.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    history: VecDeque<Arc<Sample>>,
    stopping: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor {
    /// Starts the thread `plimsoll-monitor`. The first sample is taken at once.
    pub fn start(mut sampler: Sampler, every: Duration, mut sinks: Vec<Box<dyn Sink>>) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        let most = sampler.history_length().max(1);
        let run = move || {
            let mut next = Instant::now();
            loop {
                let sample = Arc::new(sampler.sample());
                {
                    let mut state = own.lock();
                    if state.stopping {
                        return;
                    }
                    while state.history.len() >= most {
                        state.history.pop_front();
                    }
                    state.history.push_back(Arc::clone(&sample));
                }
                own.changed.notify_all();
                for sink in &mut sinks {
                    sink.sample(&sample);
                }
                // After a sleep of the whole machine there is nothing to catch up on.
                next = next.checked_add(every).unwrap_or(next).max(Instant::now());
                if own.stopped_by(next) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("plimsoll-monitor".to_owned()).spawn(run)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The last sample; absent until the first was taken.
    pub fn latest(&self) -> Option<Arc<Sample>> {
        self.shared.lock().history.back().cloned()
    }

    /// The last samples, oldest first: as many as [`MonitorSettings::history`](super::MonitorSettings::history).
    pub fn history(&self) -> Vec<Arc<Sample>> {
        self.shared.lock().history.iter().cloned().collect()
    }

    /// Waits for a sample after number `after` (0 for any), at most so long.
    pub fn next_after(&self, after: u64, at_most: Duration) -> Option<Arc<Sample>> {
        let newer = |state: &State| state.history.back().filter(|sample| sample.number > after).cloned();
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, at_most, |state| newer(state).is_none());
        newer(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl Shared {
    /// Waits until then, or until told to stop; whether it was told.
    fn stopped_by(&self, until: Instant) -> bool {
        let mut state = self.lock();
        while !state.stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        // Dropped on its own thread, by a sink, it ends when it gets back.
        if let Some(thread) = self.thread.take().filter(|own| own.thread().id() != thread::current().id()) {
            // That a sink panicked is no reason to panic here.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("samples", &self.shared.lock().history.len()).finish_non_exhaustive()
    }
}
