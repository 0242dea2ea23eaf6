//! How far a long measurement has come, on standard error where that is a terminal.

use std::borrow::Cow;
use std::time::Duration;

use crate::draw::Line;

/// Steps, and what is being done.
#[derive(Debug)]
pub(super) struct Progress(Line);

impl Progress {
    /// So many steps. Indicatif shows nothing where standard error is no terminal.
    pub(super) fn new(steps: usize) -> Self {
        let line = Line::new(Some(steps as u64), "{bar:24} {percent:>3}%  {msg}");
        line.enable_steady_tick(Duration::from_millis(200));
        Self(line)
    }

    /// For nobody.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Self(Line::silent())
    }

    /// What is being done now.
    pub(super) fn say(&self, what: impl Into<Cow<'static, str>>) {
        self.0.set_message(what);
    }

    /// So many steps are done.
    pub(super) fn step(&self, steps: usize) {
        self.0.inc(steps as u64);
    }
}
