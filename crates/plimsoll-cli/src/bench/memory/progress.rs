//! How far a long measurement has come, on standard error where that is a terminal.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line that is overwritten, and gone at the end.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// So many steps. Indicatif shows nothing where standard error is no terminal.
    pub(super) fn new(steps: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}") {
            bar.set_style(style.progress_chars("##."));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// For nobody.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Self(ProgressBar::hidden())
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

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
