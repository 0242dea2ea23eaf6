//! How far a build has come: rate and time that is left, on standard error where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plimsoll_vec::index::{Built, Doing};
use plimsoll_vec::neural::Stage;

/// One line that is overwritten, and gone at the end.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// For so many vectors, if that is known.
    pub(super) fn new(vectors: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(vectors, ProgressDrawTarget::stderr());
        let known =
            "{msg:8} {bar:24} {percent:>3}%  {human_pos} of {human_len} vectors  {per_sec}  {eta} left";
        let unknown = "{spinner} {human_pos} vectors  {per_sec}";
        if let Ok(style) = ProgressStyle::with_template(if vectors.is_some() { known } else { unknown }) {
            bar.set_style(style.progress_chars("##."));
        }
        Self(bar)
    }

    /// So far it is.
    pub(super) fn at(&self, built: Built) {
        self.0.set_message(match built.doing {
            Doing::Learning => "learning",
            Doing::Dividing => "dividing",
            Doing::Coding => "coding",
            Doing::Compacting => "copying",
        });
        self.0.set_position(built.vectors);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// How far a codec has been learned, likewise.
#[derive(Debug)]
pub(super) struct Learning(ProgressBar);

impl Learning {
    /// Nothing is done yet.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// So far it is.
    pub(super) fn at(&self, stage: Stage) {
        self.0.set_message(match stage {
            Stage::Reading(seen, Some(of)) => format!("read {seen} of {of} vectors"),
            Stage::Reading(seen, None) => format!("read {seen} vectors"),
            Stage::Components(round) => format!("components, round {}", round + 1),
            Stage::Epoch(epoch, of, snr) => format!("epoch {epoch} of {of}, {snr:.2} dB"),
            Stage::Comparing(done) => format!("compared {done} codecs"),
        });
        self.0.tick();
    }
}

impl Drop for Learning {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
