//! Asking a driver that may never answer.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::BackendError;

/// A driver that has to wake many GPUs takes some seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// A question that was asked.
#[derive(Debug)]
pub(super) struct Pending<T> {
    answer: Receiver<Result<T, BackendError>>,
    until: Instant,
    patience: Duration,
    quiet: Option<Quiet>,
}

impl<T: Send + 'static> Pending<T> {
    /// Asks on a thread of its own. One that never answers is left behind, and ends with the program.
    pub(super) fn ask(question: impl FnOnce() -> Result<T, BackendError> + Send + 'static) -> Self {
        Self::within(PATIENCE, question)
    }

    fn within(
        patience: Duration,
        question: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
    ) -> Self {
        let (sender, answer) = channel();
        let asked = thread::Builder::new().name("plimsoll-probe".to_owned()).spawn(move || {
            // Nobody may be waiting any more.
            let _unheard = sender.send(question());
        });
        drop(asked);
        Self { answer, until: Instant::now() + patience, patience, quiet: None }
    }

    /// Keeps what the driver writes to standard error from the reader until the answer is there.
    pub(super) fn quietly(question: impl FnOnce() -> Result<T, BackendError> + Send + 'static) -> Self {
        let quiet = Quiet::new();
        Self { quiet, ..Self::ask(question) }
    }

    /// Waits for the answer.
    pub(super) fn wait(self) -> Result<T, BackendError> {
        let left = self.until.saturating_duration_since(Instant::now());
        let answer = self.answer.recv_timeout(left);
        drop(self.quiet);
        answer.unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Timeout => BackendError::Silent(self.patience),
                RecvTimeoutError::Disconnected => BackendError::Crashed,
            })
        })
    }
}

/// Standard error goes nowhere while this lives. Loaders of drivers print warnings about other drivers there, which
/// are not this program's and which its readers cannot use.
#[derive(Debug)]
pub(super) struct Quiet {
    saved: OwnedFd,
}

impl Quiet {
    /// `None` where it cannot be done, or who runs the program asked the loader to speak.
    pub(super) fn new() -> Option<Self> {
        if std::env::var_os("VK_LOADER_DEBUG").is_some() {
            return None;
        }
        let saved = rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3).ok()?;
        let nowhere = File::options().write(true).open("/dev/null").ok()?;
        rustix::stdio::dup2_stderr(&nowhere).ok()?;
        Some(Self { saved })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _closed = rustix::stdio::dup2_stderr(&self.saved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_passed_on() {
        assert_eq!(Pending::ask(|| Ok(7)).wait(), Ok(7));
        let refused = || Err::<(), _>(BackendError::Crashed);
        assert_eq!(Pending::ask(refused).wait(), Err(BackendError::Crashed));
    }

    #[test]
    fn a_driver_that_hangs_is_left_behind() {
        let patience = Duration::from_millis(20);
        let pending = Pending::within(patience, || {
            thread::sleep(Duration::from_hours(1));
            Ok(())
        });
        assert_eq!(pending.wait(), Err(BackendError::Silent(patience)));
    }
}
