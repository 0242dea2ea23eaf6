//! One line that is overwritten while something goes on, on standard error where that is a terminal.

use std::ops::Deref;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line that is overwritten, and gone at the end.
#[derive(Debug)]
pub(crate) struct Line(ProgressBar);

impl Line {
    /// Of so many steps, if that is known, in the form of an indicatif template.
    pub(crate) fn new(steps: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(steps, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("##."));
        }
        Self(bar)
    }

    /// For nobody.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self(ProgressBar::hidden())
    }
}

impl Deref for Line {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.0
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
