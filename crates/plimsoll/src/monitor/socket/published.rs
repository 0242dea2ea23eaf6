//! An engine that is shown.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::Publisher;
use crate::Engine;
use crate::monitor::{Monitor, Sampler};

/// Samples an engine and shows it to `plimsoll top` and `plimsoll watch` for as long as this is kept.
#[derive(Debug)]
#[must_use = "an engine is shown for as long as this is kept"]
pub struct Published {
    // Dropped first: what is told last has nobody to go to.
    monitor: Monitor,
    publisher: Publisher,
}

impl Published {
    /// The monitor that takes the samples: its history is there for the program itself.
    pub const fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Where others connect.
    pub fn path(&self) -> &Path {
        self.publisher.path()
    }

    /// How many do so now.
    pub fn watched_by(&self) -> usize {
        self.publisher.watched_by()
    }
}

impl Engine {
    /// Samples this engine every so often, on a thread of its own, and shows it under the program's name on a local
    /// socket that only this user can reach: `plimsoll top` attaches there. Ends when what is returned is dropped.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use plimsoll::{Bytes, Engine};
    /// let engine = Engine::in_memory(Bytes::mib(64), "work")?;
    /// let shown = engine.publish("my-service", Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, program: &str, every: Duration) -> io::Result<Published> {
        let publisher = Publisher::open(program)?;
        let sampler = Sampler::of(self).named(program);
        let monitor = Monitor::start(sampler, every, vec![publisher.sink()])?;
        Ok(Published { monitor, publisher })
    }
}
