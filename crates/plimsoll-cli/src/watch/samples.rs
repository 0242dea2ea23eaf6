//! Where samples come from: the machine alone, or an engine in another process. Either is an iterator.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::monitor::attach::{AttachError, Attached};
use plimsoll::monitor::{MonitorSettings, Sample, Sampler};

use crate::backends::Backends;
use crate::top::{Target, find};
use crate::{CliError, Printer};

/// Samples, one after the other; each is waited for.
pub type Samples = Box<dyn Iterator<Item = Result<Arc<Sample>, CliError>>>;

/// Of the engine that is named, or of the machine alone. That an engine ends, or is silent for a while, is an error for
/// who wants `one` answer, and not for who follows it.
pub fn samples(
    target: Option<&Target>,
    every: Duration,
    settings: MonitorSettings,
    one: bool,
) -> Result<Samples, CliError> {
    match target {
        None => Ok(Box::new(Machine::new(every, settings).map(Ok))),
        Some(target) => match find(Some(target))? {
            Some(engine) => Ok(Box::new(Engine { engine, one })),
            None => Err(CliError::Attach(AttachError::Unsupported)),
        },
    }
}

/// The machine, sampled every so often: at once, and then on the beat.
struct Machine {
    sampler: Sampler,
    every: Duration,
    next: Option<Instant>,
}

impl Machine {
    fn new(every: Duration, settings: MonitorSettings) -> Self {
        Self { sampler: Backends::new(Printer::notice()).sampler().settings(settings), every, next: None }
    }
}

impl Iterator for Machine {
    type Item = Arc<Sample>;

    fn next(&mut self) -> Option<Self::Item> {
        let now = Instant::now();
        if let Some(next) = self.next {
            thread::sleep(next.saturating_duration_since(now));
        }
        // After a sleep of the whole machine there is nothing to catch up on.
        let beat = self.next.unwrap_or(now).checked_add(self.every)?;
        self.next = Some(beat.max(Instant::now()));
        Some(Arc::new(self.sampler.sample()))
    }
}

/// An engine's own samples, with the alerts that its own settings raise.
struct Engine {
    engine: Attached,
    one: bool,
}

impl Iterator for Engine {
    type Item = Result<Arc<Sample>, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.engine.next()? {
                Ok(sample) => return Some(Ok(Arc::new(sample))),
                // Asking again goes on waiting.
                Err(silent @ AttachError::Silent { .. }) if !self.one => Printer::remark(&silent.to_string()),
                // That a program ends is how watching it ends.
                Err(AttachError::Ended { .. }) if !self.one => return None,
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}
