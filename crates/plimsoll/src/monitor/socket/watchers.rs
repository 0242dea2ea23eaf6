//! Who is connected: a thread each, all of which wait for the newest sample.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::greeting::Greeting;
use crate::monitor::Sample;

/// More than this are sent away: each costs a thread.
const MOST: usize = 16;

/// A client that takes nothing for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(2);

/// When no sample comes, it is looked so often whether clients are still there: each that has gone frees a seat.
const LOOK: Duration = Duration::from_secs(1);

/// The clients of a publisher.
pub(super) struct Watchers {
    program: String,
    state: Mutex<State>,
    /// A newer sample, or the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    newest: Option<Arc<Told>>,
    clients: usize,
    stopping: bool,
}

/// A sample and its line, which the first client that needs it writes.
struct Told {
    sample: Arc<Sample>,
    line: OnceLock<Option<Vec<u8>>>,
}

impl Told {
    fn line(&self) -> Option<&[u8]> {
        let write = || {
            let mut line = serde_json::to_vec(&*self.sample).ok()?;
            line.push(b'\n');
            Some(line)
        };
        self.line.get_or_init(write).as_deref()
    }
}

impl Watchers {
    pub(super) fn new(program: &str) -> Self {
        Self { program: program.to_owned(), state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, sample: &Arc<Sample>) {
        let told = Arc::new(Told { sample: Arc::clone(sample), line: OnceLock::new() });
        // The sample before may be large; it is dropped outside the lock.
        let before = self.lock().newest.replace(told);
        self.changed.notify_all();
        drop(before);
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    pub(super) fn count(&self) -> usize {
        self.lock().clients
    }

    /// Waits for so long, or for the end.
    pub(super) fn pause(&self, time: Duration) {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.stopping);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Shows samples to one more, on a thread of its own.
    pub(super) fn add(self: &Arc<Self>, mut stream: UnixStream) {
        let timed = stream.set_write_timeout(Some(PATIENCE));
        if timed.and_then(|()| stream.set_read_timeout(Some(Duration::from_millis(1)))).is_err() {
            return;
        }
        let room = {
            let mut state = self.lock();
            let room = state.clients < MOST && !state.stopping;
            state.clients += usize::from(room);
            room
        };
        let mut greeting = Greeting::of(&self.program);
        if !room {
            greeting.refused = Some(format!("{MOST} others watch it already"));
            // Whoever is sent away need not listen; a line fits the socket's own memory.
            let _ = stream.set_nonblocking(true);
            let _ = greeting.line().and_then(|line| stream.write_all(&line));
            return;
        }
        let seat = Seat(Arc::clone(self));
        let show = move || {
            // How it ended is the client's affair.
            let _ = seat.0.show(&mut stream, &greeting);
        };
        // Without a thread there is nobody to show it to; the seat is free again with the closure.
        let _ = thread::Builder::new().name("plimsoll-show".to_owned()).spawn(show);
    }

    fn show(&self, stream: &mut UnixStream, greeting: &Greeting) -> io::Result<()> {
        stream.write_all(&greeting.line()?)?;
        let mut seen: Option<Arc<Told>> = None;
        loop {
            match self.after(seen.as_ref()) {
                Next::Sample(told) => {
                    if let Some(line) = told.line() {
                        stream.write_all(line)?;
                    }
                    seen = Some(told);
                }
                Next::Nothing if has_gone(stream) => return Ok(()),
                Next::Nothing => {}
                Next::End => return Ok(()),
            }
        }
    }

    /// Waits a while for a sample other than the last one.
    fn after(&self, seen: Option<&Arc<Told>>) -> Next {
        let same = |newest: &Arc<Told>| seen.is_some_and(|seen| Arc::ptr_eq(seen, newest));
        let nothing_new = |state: &mut State| !state.stopping && state.newest.as_ref().is_none_or(same);
        let waited = self.changed.wait_timeout_while(self.lock(), LOOK, nothing_new);
        let (state, time) = waited.unwrap_or_else(PoisonError::into_inner);
        match &state.newest {
            _ if state.stopping => Next::End,
            Some(newest) if !time.timed_out() => Next::Sample(Arc::clone(newest)),
            _ => Next::Nothing,
        }
    }
}

/// What a client's thread does next.
enum Next {
    Sample(Arc<Told>),
    Nothing,
    End,
}

/// Whether nobody is at the other end. What a client says is not listened to.
fn has_gone(stream: &mut UnixStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => {
            !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
        }
    }
}

/// A client's place among those that there may be.
struct Seat(Arc<Watchers>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.lock().clients -= 1;
    }
}
